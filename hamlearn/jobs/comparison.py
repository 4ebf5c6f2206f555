"""What a comparison found: a table, a record and a figure."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tasks import AbstractPaired

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Entry:
    """One law of a comparison.

    **Attributes:** `losses`: mean prequential loss of each seed, infinite where it
    diverged; `curve`: mean losses along the stream, a row a seed that did not;
    `cosine`: of the update with the exact gradient, over all weights, and over those
    between neurons alone; `us_spread`: quartiles; `memory_bytes`: carried from sample
    to sample, and used within one; `tuning`: the loss at every step size tried.
    """

    rule: str
    note: str
    losses: tuple[float, ...]
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

    @property
    def loss(self) -> float:
        """The median over seeds; one that diverged counts as infinite."""
        return float(np.median(self.losses))

    @property
    def pace(self) -> str:
        """µs a sample, in three figures without an exponent."""
        us = self.us_per_sample
        return f"{us:.3g}" if us < 100 else f"{us:,.0f}"

    def as_dict(self, trivial: float) -> dict[str, Any]:
        """The seven figures that a machine reads; what is not finite is None."""
        return {
            "rule": self.rule,
            "loss": _plain(self.loss),
            "loss_trivial": trivial,
            "cosine": _plain(self.cosine),
            "us_per_sample": self.us_per_sample,
            "memory_bytes": self.memory_bytes,
            "diverged": self.diverged > 0,
        }


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` found. Prints as a table, best first; `plot` draws it.

    **Attributes:** `task`; `entries`: one a law, in the order asked for; `floors`:
    losses of predictors without a network; `neurons`, `seeds`, `seconds`.
    """

    task: AbstractPaired
    entries: tuple[Entry, ...]
    floors: dict[str, float]
    neurons: int
    seeds: int
    seconds: float

    @property
    def trivial(self) -> float:
        """The better one of the mean answer and, in a forecast, of no change."""
        return trivial_floor(self.floors)[1]

    @property
    def trivial_name(self) -> str:
        """Which of the two that is."""
        return trivial_floor(self.floors)[0]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary a law: rule, loss, loss_trivial, cosine, us_per_sample,
        memory_bytes, diverged."""
        return [entry.as_dict(self.trivial) for entry in self.entries]

    def to_json(self) -> str:
        """`rows`, one JSON object a line."""
        return "\n".join(json.dumps(row) for row in self.rows())

    def ranked(self) -> list[Entry]:
        """Best loss first."""
        return sorted(self.entries, key=lambda entry: entry.loss)

    def plot(self) -> "Figure":
        """Loss along the stream, and loss against time a sample."""
        from ..plot import comparison

        return comparison(self)

    def __repr__(self) -> str:
        lines = [_HEAD, *map(self._line, self.ranked())]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        align = lambda cell, width, k: (
            cell.ljust(width) if k in (0, len(widths) - 1) else cell.rjust(width)
        )
        table = [
            "  ".join(
                align(cell, width, k)
                for k, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([*self._title(), *table, *self._foot()])

    def _title(self) -> list[str]:
        task = self.task
        source = f": {task.source}" if task.source else ""
        return [
            f"task  {task.name}{source}",
            f"      {task.describe()}; step sizes chosen on the first "
            f"{task.length:,} samples,",
            f"      scored on the next {task.length:,}; {self.neurons} neurons, "
            f"{self.seeds} seeds",
            "",
        ]

    def _line(self, entry: Entry) -> tuple[str, ...]:
        spread = f"{min(entry.losses):.3f} .. {max(entry.losses):.3f}"
        return (
            entry.rule,
            f"{entry.loss:.4f}",
            spread,
            f"{entry.loss / self.trivial:.2f}",
            _cosine(entry.cosine),
            _cosine(entry.cosine_recurrent),
            entry.pace,
            _bytes(entry.memory_bytes),
            f"{entry.step_size:g}",
            f"{entry.diverged} of {self.seeds}" if entry.diverged else "",
            entry.note,
        )

    def _foot(self) -> list[str]:
        shown = ", ".join(
            f"{_FLOORS.get(k, k)} {v:.4f}" for k, v in self.floors.items()
        )
        return ["", f"without a network: {shown}; {self.seconds:.0f} s"]


def trivial_floor(floors: dict[str, float]) -> tuple[str, float]:
    """Name and loss of what costs nothing: the better one of the mean answer and, in
    a forecast, of no change."""
    best = min((k for k in ("last", "mean") if k in floors), key=floors.__getitem__)
    return _FLOORS[best], floors[best]


_FLOORS = {
    "last": "no change",
    "mean": "the mean answer",
    "linear": "least squares on four values",
}
_HEAD = (
    "rule",
    "loss",
    "over seeds",
    "/ trivial",
    "cosine",
    "recurrent",
    "µs/sample",
    "memory",
    "step size",
    "diverged",
    "network",
)


def _cosine(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "-"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None
