"""The map: laws on grounds where it is known who should win."""

import json
import math
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from tqdm import tqdm

from .. import _checks
from ..run.guard import terminable
from ..run.tables import Table, number_text, plain
from ..tasks import AbstractTask, floors_of
from .grounds import CONTROLS, ROWS, Ground, grounds
from .lanes import Drawn, fitting, held_losses, lanes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Step sizes that `tune` tries.
RATES = (0.01, 0.03, 0.1, 0.3)
_NEURONS, _TUNING_SEED, _HELD = 16, 1000, 4000
_FILE = "step_sizes.json"


@dataclass(frozen=True)
class Spot:
    """One law on one ground: medians over seeds.

    **Attributes:** `loss`: with weights held, on fresh samples; `online`: before each
    sample teaches; `us`: per sample and network, of those that run side by side;
    `diverged`: how many seeds did; `step_size`.
    """

    loss: float
    online: float
    us: float
    diverged: int
    step_size: float


@dataclass(frozen=True, repr=False)
class Landscape:
    """What `landscape` found. Prints as a table; `plot` draws the map.

    **Attributes:** `spots`: by (law, ground); `floors`: by ground, losses of predictors
    without a network; `grounds`, `laws`: their names; `seeds`, `seconds`; `missing`:
    what was not reached before it was interrupted.
    """

    spots: dict[tuple[str, str], Spot]
    floors: dict[str, dict[str, float]]
    grounds: tuple[str, ...]
    laws: tuple[str, ...]
    seeds: int
    seconds: float
    missing: tuple[str, ...] = ()

    def share(self, loss: float, ground: str) -> float:
        """Where a loss lies between a frozen recurrence, 0, and exact credit, 1."""
        floor = self.spots.get(("frozen", ground))
        known = [self.spots.get((law, ground)) for law in ("rtrl", "diagonal")]
        exact = [spot.loss for spot in known if spot and math.isfinite(spot.loss)]
        if floor is None or not exact or not min(exact) < floor.loss:
            return math.nan
        return (floor.loss - loss) / (floor.loss - min(exact))

    def losses(self) -> dict[str, dict[str, float]]:
        """By row, with the floors first, the loss on every ground that has one."""
        found: dict[str, dict[str, float]] = {}
        for ground, floors in self.floors.items():
            for name, loss in floors.items():
                found.setdefault(name, {})[ground] = loss
        for (law, ground), spot in self.spots.items():
            found.setdefault(law, {})[ground] = spot.loss
        order = [*found][: len(found) - len({law for law, _ in self.spots})]
        return {name: found[name] for name in [*order, *self.laws] if name in found}

    def pace(self, law: str) -> float | None:
        """Median µs per sample over the grounds; None for what is no law."""
        paces = [spot.us for (name, _), spot in self.spots.items() if name == law]
        return float(np.median(paces)) if paces else None

    def table(self) -> Table:
        """Losses, with their share in brackets, and µs per sample."""
        rows = []
        for name, losses in self.losses().items():
            cells = [self._cell(losses.get(g), g) for g in self.grounds]
            lost = sum(s.diverged for (law, _), s in self.spots.items() if law == name)
            rows.append((name, *cells, self.pace(name), str(lost) if lost else ""))
        columns = ("law", *self.grounds, "us_per_sample", "diverged")
        title = (
            "loss with the weights held, on fresh samples; in brackets its share of "
            "what exact\ncredit gains over a frozen recurrence (0: nothing, 1: all of "
            f"it); medians of {self.seeds} seeds\n"
        )
        return Table(title, columns, tuple(rows), {}, self._foot())

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per law and ground; what is not finite is None."""
        return [
            plain({"law": law, "ground": ground, **vars(spot)})
            for (law, ground), spot in self.spots.items()
        ]

    def to_json(self) -> str:
        """`rows`, one JSON object a line."""
        return "\n".join(json.dumps(row) for row in self.rows())

    def plot(self) -> "Figure":
        """Rows laws, columns grounds, colour and number."""
        from ..plot import landscape

        return landscape(self)

    def text(self, width: int = 100) -> str:
        """The table in at most `width` columns."""
        return self.table().text(width)

    def __repr__(self) -> str:
        return self.text()

    def _cell(self, loss: float | None, ground: str) -> str:
        if loss is None:
            return "-"
        if not math.isfinite(loss):
            return "diverged"
        share = self.share(loss, ground)
        return f"{number_text(loss)}" + ("" if math.isnan(share) else f" ({share:.2f})")

    def _foot(self) -> str:
        lines = []
        for ground in self.grounds:
            learn = {law: s.loss for (law, g), s in self.spots.items() if g == ground}
            laws = {law: loss for law, loss in learn.items() if law not in CONTROLS}
            if laws:
                best = min(laws, key=laws.__getitem__)
                lines.append(f"{ground}: take {best} ({number_text(laws[best])})")
        if self.missing:
            lines.append(f"interrupted before: {', '.join(self.missing)}")
        return "\n".join([*lines, f"{self.seconds:.0f} s in all"])


def landscape(
    *, seeds: int = 3, tune: bool = False, progress: bool = True
) -> Landscape:
    """Let laws learn on every ground, at step sizes that are shipped.

    All have Adam (`flip` its inertia). Losses are with the weights held, on fresh
    samples: online loss also rewards following the stream. Interrupted by Ctrl-C or
    SIGTERM, what is finished is returned.

    **Arguments:** `seeds`: networks and streams; `tune`: find the step sizes anew, on
    another seed, as those that are shipped were found.
    """
    _checks.at_least("seeds", seeds, 1)
    shipped = {} if tune else step_sizes()
    places = grounds()
    pairs = [(g, name) for g in places for name in ROWS if name in g.laws]
    spots: dict[tuple[str, str], Spot] = {}
    programs: dict[Any, Any] = {}
    began = time.perf_counter()
    bar = tqdm(pairs, leave=False, disable=not progress)
    try:
        with terminable():
            for ground, name in bar:
                bar.set_description(f"{name} on {ground.name}")
                run = _Runner(ground, name, programs)
                rate = shipped.get(ground.name, {}).get(name)
                rate = run.best() if rate is None else rate
                spots[name, ground.name] = run.spot(rate, seeds)
    except (KeyboardInterrupt, SystemExit):
        if not spots:
            raise
    missing = tuple(f"{n} on {g.name}" for g, n in pairs if (n, g.name) not in spots)
    floors = {g.name: _floors(g.task) for g in places}
    names = tuple(g.name for g in places)
    return Landscape(
        spots, floors, names, ROWS, seeds, time.perf_counter() - began, missing
    )


def step_sizes() -> dict[str, dict[str, float]]:
    """By ground and law, those that `python -m benchmarks.step_sizes` found."""
    path = files("hamlearn") / "data" / _FILE
    return json.loads(path.read_text()) if path.is_file() else {}


class _Runner:
    """A law on a ground, in as many lanes as are asked for."""

    def __init__(self, ground: Ground, name: str, programs: dict[Any, Any]):
        self.ground, self.name = ground, name
        self.contender = ground.laws[name]
        task = ground.task
        sizes = (name, task.inputs, task.outputs, self.contender.network)
        if sizes not in programs:
            parts = Drawn(self.network(0), self.network(_TUNING_SEED))
            programs[sizes] = parts, lanes(self.contender, task, parts)
        self.parts, self.run = programs[sizes]

    def network(self, seed: int) -> Any:
        task = self.ground.task
        return self.contender.network(
            jax.random.key(seed), _NEURONS, task.inputs, task.outputs
        )

    def samples(self, seed: int, steps: int, *, test: bool = False) -> Any:
        stream = self.ground.task.samples(jax.random.key(seed), steps, test=test)
        return fitting(self.contender, self.ground.task, stream)

    def best(self) -> float:
        """The step size of the least loss with weights held."""
        count = len(RATES)
        held, _, _ = self.learned([_TUNING_SEED] * count, list(RATES), _TUNING_SEED)
        return RATES[int(np.argmin(held))]

    def spot(self, rate: float, seeds: int) -> Spot:
        held, runs, seconds = self.learned(list(range(seeds)), [rate] * seeds, 0)
        online = runs.mean_losses()
        return Spot(
            loss=float(np.median(held)),
            online=float(np.median(online)),
            us=seconds / self.ground.samples / seeds * 1e6,
            diverged=int(runs.diverged.sum()),
            step_size=rate,
        )

    def learned(self, seeds: list[int], rates: list[float], stream: int) -> Any:
        """(losses with weights held, the runs, seconds that they took)."""
        networks = [self.network(seed) for seed in seeds]
        keys = [jax.random.fold_in(jax.random.key(seed), 1) for seed in seeds]
        samples = self.samples(stream, self.ground.samples)
        runs = self.run(networks, rates, keys, samples)
        fresh = self.samples(stream, _HELD, test=True)
        held = held_losses(
            self.contender, self.ground.task, self.parts, networks, runs.learned, fresh
        )
        return np.where(runs.diverged, np.inf, held), runs, runs.seconds


def _floors(task: AbstractTask) -> dict[str, float]:
    samples = task.samples(jax.random.key(0), _HELD)
    found = floors_of(samples, loss=task.loss)
    return {"constant": found["constant"], "linear taps": found["linear"]}
