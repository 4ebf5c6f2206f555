"""What a comparison found: a table, a record and a figure."""

import json
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..run.tables import Table, bytes_text, number_text, plain
from ..signals.signal import Sample
from ..tasks import AbstractTask
from .predictions import predictions
from .verdicts import verdicts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Entry:
    """One law of a comparison.

    **Attributes:**

    - `law`: its name; `note`: what kind of network it taught.
    - `losses`: mean prequential loss of each seed, infinite where it diverged; `held`:
      the same with the weights held at the end, on other samples;
      `scores`: the same of the task's metric, NaN there; empty where it has none.
    - `curve`: mean losses along the stream, a row per seed that did not diverge.
    - `cosine`: of the update with the exact gradient, over all weights but biases;
      `cosine_recurrent`: over those between neurons alone.
    - `us_per_sample`: median µs per sample; `us_spread`: quartiles.
    - `memory_bytes`: carried from sample to sample, and used within one.
    - `weights`: how many learn; `step_size`: the one chosen; `tuning`: the loss at
      every step size tried; `diverged`: how many seeds did.
    - `best`: the network of the first seed that did not diverge, with what it learned;
      `answers`: its outputs, one per scored sample, before it taught anything.
    - `control`: whether it is there to be beaten.
    """

    law: str
    note: str
    losses: tuple[float, ...]
    held: tuple[float, ...]
    scores: tuple[float, ...]
    curve: np.ndarray
    cosine: float
    cosine_recurrent: float
    us_per_sample: float
    us_spread: tuple[float, float]
    memory_bytes: int
    weights: int
    step_size: float
    tuning: dict[float, float]
    diverged: int
    best: Any
    answers: np.ndarray
    control: bool = False

    @property
    def held_loss(self) -> float:
        """The median over seeds of the loss with weights held."""
        return float(np.median(self.held))

    @property
    def loss(self) -> float:
        """The median over seeds; one that diverged counts as infinite."""
        return float(np.median(self.losses))

    @property
    def score(self) -> float:
        """The median of the metric over seeds that did not diverge."""
        finite = [score for score in self.scores if math.isfinite(score)]
        return float(np.median(finite)) if finite else math.nan

    @property
    def at_edge(self) -> bool:
        """Whether the step size is the least or the greatest of several tried."""
        tried = self.tuning
        return len(tried) > 1 and self.step_size in (min(tried), max(tried))


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` found. Prints as a table, best first; `plot` draws it.

    **Attributes:** `task`; `entries`: one per law, in the order asked for; `floors`:
    losses of predictors without a network; `neurons`, `seeds`; `tuned_on`,
    `scored_on`: samples that step sizes were chosen, and laws scored on; `seconds`;
    `scored`: those others; `missing`: laws that were not reached before it was
    interrupted.
    """

    task: AbstractTask
    entries: tuple[Entry, ...]
    floors: dict[str, float]
    neurons: int
    seeds: int
    tuned_on: int
    scored_on: int
    seconds: float
    scored: Sample
    missing: tuple[str, ...] = ()

    @property
    def trivial(self) -> float:
        """The loss of the better one of a constant answer and of the last value."""
        return trivial_floor(self.floors)[1]

    @property
    def trivial_name(self) -> str:
        """Which of the two that is."""
        return trivial_floor(self.floors)[0]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per law: law, loss, loss_held, loss_trivial, the metric of
        the task by its name where it has one, cosine, us_per_sample, memory_bytes,
        diverged. What is not finite is None."""
        return [plain(self._row(entry)) for entry in self.entries]

    def to_json(self) -> str:
        """`rows`, one JSON object a line."""
        return "\n".join(json.dumps(row) for row in self.rows())

    def ranked(self) -> list[Entry]:
        """Best loss first."""
        return sorted(self.entries, key=lambda entry: entry.loss)

    def predictions(self) -> dict[str, np.ndarray]:
        """What every law answered before each sample taught it, beside what was
        recorded: columns by name, in the unit of the series."""
        weight = self.scored.weight
        return predictions(
            self.task,
            {entry.law: entry.answers for entry in self.entries},
            np.asarray(self.scored.target),
            weight=None if weight is None else np.asarray(weight),
            first=self.tuned_on,
        )

    def plot(self) -> "Figure":
        """Loss along the stream, and loss against time per sample."""
        from ..plot import comparison

        return comparison(self)

    def table(self) -> Table:
        """All of it, best loss first."""
        rows = [self._cells(entry) for entry in self.ranked()]
        values = tuple(tuple(row.values()) for row in rows)
        cosine = lambda value: "-" if math.isnan(value) else f"{value:.2f}"
        shown = {
            "median_loss": _decimals(_needed(self.trivial)),
            "loss_weights_held": _decimals(_needed(self.trivial)),
            "over_trivial": _decimals(2),
            "cosine": cosine,
            "cosine_between_neurons": cosine,
            "memory": bytes_text,
            self.task.metric_name or "": _decimals(3),
        }
        title, foot = "\n".join(self._title()), "\n".join(self._foot())
        return Table(title, tuple(rows[0]), values, shown, foot)

    def text(self, width: int = 100) -> str:
        """The table in at most `width` columns."""
        return self.table().text(width)

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"

    def _row(self, entry: Entry) -> dict[str, Any]:
        row: dict[str, Any] = {"law": entry.law, "loss": entry.loss}
        row |= {"loss_held": entry.held_loss, "loss_trivial": self.trivial}
        row |= self._metric(entry) | {
            "cosine": entry.cosine,
            "us_per_sample": entry.us_per_sample,
            "memory_bytes": entry.memory_bytes,
        }
        return row | {"diverged": entry.diverged > 0}

    def _cells(self, entry: Entry) -> dict[str, Any]:
        """The row as it is shown, by column."""
        low, high = min(entry.losses), max(entry.losses)
        cells = {
            "law": entry.law,
            "median_loss": entry.loss,
            "over_seeds": f"{_figures(low)}-{_figures(high)}",
            "over_trivial": entry.loss / self.trivial,
            "loss_weights_held": entry.held_loss,
        }
        cells |= self._metric(entry) | {
            "cosine": entry.cosine,
            "cosine_between_neurons": entry.cosine_recurrent,
            "us_per_sample": entry.us_per_sample,
            "memory": entry.memory_bytes,
            "step_size": entry.step_size,
        }
        if any(one.diverged for one in self.entries):
            count = f"{entry.diverged} of {self.seeds}"
            cells["diverged"] = count if entry.diverged else ""
        return cells | {"network": entry.note}

    def _metric(self, entry: Entry) -> dict[str, float]:
        name = self.task.metric_name
        return {} if name is None else {name: entry.score}

    def _title(self) -> list[str]:
        task = self.task
        return [
            f"task  {task.name}" + (f": {task.source}" if task.source else ""),
            f"      {task.describe()}",
            f"      step sizes chosen on {self.tuned_on:,} samples, laws scored on "
            f"{self.scored_on:,} others; {self.neurons} neurons, {self.seeds} seeds",
            "",
        ]

    def _foot(self) -> list[str]:
        words = lambda name: _FLOORS.get(name, name)
        floors = [f"{words(k)} {number_text(v)}" for k, v in self.floors.items()]
        tried = sorted(self.entries[0].tuning)
        edge = [entry.law for entry in self.ranked() if entry.at_edge]
        sizes = f"step sizes {', '.join(f'{rate:g}' for rate in tried)}"
        at_end = f"; at an end of those tried: {', '.join(edge)}" if edge else ""
        lines = (
            f"without a network: {', '.join(floors)}",
            f"{sizes}{at_end}; {self.seconds:.0f} s in all",
            *verdicts(self),
        )
        return [textwrap.fill(line, 98, subsequent_indent="  ") for line in lines]


def trivial_floor(floors: dict[str, float]) -> tuple[str, float]:
    """Name and loss of what costs nothing: the better one of a constant answer and of
    the last value (in a forecast of changes: no change)."""
    best = min((k for k in ("last", "constant") if k in floors), key=floors.__getitem__)
    return _FLOORS[best], floors[best]


_FLOORS = {
    "last": "the last value",
    "constant": "a constant",
    "linear": "linear in four values",
}


def _decimals(count: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{count}f}"


def _needed(size: float) -> int:
    """Decimals that show four digits of `size`."""
    return max(3 - math.floor(math.log10(size)), 0) if size > 0 else 4


def _figures(value: float) -> str:
    """Three significant digits, with their zeros."""
    return f"{value:#.3g}" if 1e-4 <= abs(value) < 100 else number_text(value)
