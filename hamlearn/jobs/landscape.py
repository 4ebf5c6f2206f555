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
from ..run.tables import Table, brief_text, plain
from ..tasks import floors_of
from .grounds import CONTROLS, EXACT, ROWS, Ground, grounds
from .lanes import Drawn, fitting, held_losses, lanes
from .verdicts import other_sizes, which_to_take

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Step sizes that `tune` tries.
RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_NEURONS = 16
#: Networks that step sizes are chosen with; others are scored.
_TUNING_SEEDS = (1000, 1001, 1002)
_TRIALS = len(RATES) * len(_TUNING_SEEDS)
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
    what was not reached before it was interrupted; `tuned`: whether step sizes were
    found anew.
    """

    spots: dict[tuple[str, str], Spot]
    floors: dict[str, dict[str, float]]
    grounds: tuple[str, ...]
    laws: tuple[str, ...]
    seeds: int
    seconds: float
    missing: tuple[str, ...] = ()
    tuned: bool = False

    @property
    def controls(self) -> tuple[str, ...]:
        """Rows that laws have to beat."""
        return CONTROLS

    def share(self, loss: float, ground: str) -> float:
        """Where a loss lies between a frozen recurrence, 0, and exact credit, 1."""
        floor = self.spots.get(("frozen", ground))
        known = [self.spots.get((law, ground)) for law in EXACT]
        exact = [spot.loss for spot in known if spot and math.isfinite(spot.loss)]
        if floor is None or not exact or not min(exact) < floor.loss:
            return math.nan
        return (floor.loss - loss) / (floor.loss - min(exact))

    def losses(self) -> dict[str, dict[str, float]]:
        """By row, predictors without a network first, the loss on every ground that
        has one."""
        found: dict[str, dict[str, float]] = {}
        for ground, floors in self.floors.items():
            for name, loss in floors.items():
                found.setdefault(name, {})[ground] = loss
        for law in self.laws:
            on = {g: s.loss for (name, g), s in self.spots.items() if name == law}
            found |= {law: on} if on else {}
        return found

    def pace(self, law: str) -> float | None:
        """Median µs per sample over the grounds; None for what is no law."""
        paces = [spot.us for (name, _), spot in self.spots.items() if name == law]
        return float(np.median(paces)) if paces else None

    def words(self, value: float) -> str:
        """A number of the map as it is shown."""
        return brief_text(value)

    def table(self) -> Table:
        """Losses, each with its share, and µs per sample."""
        rows = []
        for name, losses in self.losses().items():
            cells = [self._cell(losses.get(g), g) for g in self.grounds]
            rows.append((name, *cells, self.pace(name)))
        lost = sum(spot.diverged for spot in self.spots.values())
        title = (
            "Loss with the weights held, on fresh samples, and its share of what exact "
            "credit gains\nover a frozen recurrence (0 %: nothing of it, 100 %: all); "
            f"medians of {self.seeds} seeds\n"
        )
        foot = [*which_to_take(self)]
        foot += [other_sizes(self.spots, step_sizes())] if self.tuned else []
        foot += [f"runs that diverged: {lost}"] if lost else []
        if self.missing:
            left = f", {len(self.missing)} to go" if self.missing[1:] else ""
            foot.append(f"interrupted before {self.missing[0]}{left}")
        foot.append(f"{self.seconds:.0f} s in all")
        columns = ("law", *self.grounds, "us_per_sample")
        pace = lambda us: "-" if us is None else brief_text(us)
        shown = {"us_per_sample": pace}
        return Table(title, columns, tuple(rows), shown, "\n".join(foot))

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
        share = self.share(loss, ground)
        if not math.isfinite(share):
            return self.words(loss)
        return self.words(loss) + (" <0%" if share < -0.005 else f" {abs(share):.0%}")


def landscape(
    *, seeds: int = 3, tune: bool = False, progress: bool = True
) -> Landscape:
    """Let laws learn on every ground, at step sizes that are shipped.

    All have Adam (`flip` its inertia). Losses are with the weights held, on fresh
    samples: online loss also rewards following the stream. Interrupted by Ctrl-C or
    SIGTERM, what is finished is returned.

    **Arguments:** `seeds`: networks; `tune`: find the step sizes anew, with three other
    networks on another stream, as those that are shipped were found.
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
                rate = shipped.get(ground.name, {}).get(name)
                width = seeds if rate is not None else max(seeds, _TRIALS)
                run = _Runner(ground, name, programs, width)
                rate = run.best()[0] if rate is None else rate
                spots[name, ground.name] = run.spot(rate, seeds)
    except (KeyboardInterrupt, SystemExit):
        if not spots:
            raise
    missing = tuple(f"{n} on {g.name}" for g, n in pairs if (n, g.name) not in spots)
    reached = [g for g in places if any(name == g.name for _, name in spots)]
    floors = {g.name: _floors(g) for g in reached}
    names = tuple(floors)
    seconds = time.perf_counter() - began
    return Landscape(spots, floors, names, ROWS, seeds, seconds, missing, tuned=tune)


def step_sizes() -> dict[str, dict[str, float]]:
    """By ground and law, those that `python -m benchmarks.step_sizes` found."""
    path = files("hamlearn") / "data" / _FILE
    return json.loads(path.read_text()) if path.is_file() else {}


def tuned(ground: Ground) -> dict[str, tuple[float, dict[float, float]]]:
    """By law of a ground, the best of `RATES`, and the mean loss at each of them."""
    names = [name for name in ROWS if name in ground.laws]
    return {name: _Runner(ground, name, {}, _TRIALS).best() for name in names}


class _Runner:
    """A law on a ground, in `width` lanes of one program."""

    def __init__(self, ground: Ground, name: str, programs: dict[Any, Any], width: int):
        self.ground, self.name, self.width = ground, name, width
        self.contender = ground.laws[name]
        task = ground.task
        sizes = (name, task.inputs, task.outputs, self.contender.network)
        if sizes not in programs:
            parts = Drawn(self.network(0), self.network(_TUNING_SEEDS[0]))
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

    def best(self) -> tuple[float, dict[float, float]]:
        """(the step size of the least mean loss with weights held, that of each)."""
        count, stream = len(_TUNING_SEEDS), _TUNING_SEEDS[0]
        rates = [rate for rate in RATES for _ in range(count)]
        held, _, _ = self.learned([*_TUNING_SEEDS] * len(RATES), rates, stream)
        means = held.reshape(-1, count).mean(axis=1)
        tried = dict(zip(RATES, means.tolist(), strict=True))
        return min(tried, key=tried.__getitem__), tried

    def spot(self, rate: float, seeds: int) -> Spot:
        held, runs, seconds = self.learned(list(range(seeds)), [rate] * seeds, 0)
        online = runs.mean_losses()
        return Spot(
            loss=float(np.median(held)),
            online=float(np.median(online)),
            us=seconds / self.ground.samples / self.width * 1e6,
            diverged=int(runs.diverged.sum()),
            step_size=rate,
        )

    def learned(self, seeds: list[int], rates: list[float], stream: int) -> Any:
        """(losses with weights held, the runs, seconds that all lanes took)."""
        count = len(seeds)
        filled = [k % count for k in range(self.width)]
        seeds, rates = [seeds[k] for k in filled], [rates[k] for k in filled]
        networks = [self.network(seed) for seed in seeds]
        keys = [jax.random.fold_in(jax.random.key(seed), 1) for seed in seeds]
        samples = self.samples(stream, self.ground.samples)
        runs = self.run(networks, rates, keys, samples)
        fresh = self.samples(stream, self.ground.samples // 2, test=True)
        held = held_losses(
            self.contender, self.ground.task, self.parts, networks, runs.learned, fresh
        )
        held = np.where(runs.diverged, np.inf, held)
        return held[:count], runs.first(count), runs.seconds


def _floors(ground: Ground) -> dict[str, float]:
    samples = ground.task.samples(jax.random.key(0), ground.samples)
    found = floors_of(samples, loss=ground.task.loss)
    return {"constant": found["constant"], "linear taps": found["linear"]}
