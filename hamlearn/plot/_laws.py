"""Figure of laws compared on one stream."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._drawn import Compared, Comparing
from ._looks import Look, looks
from ._style import pyplot, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOSSES = {"squared_error": "half squared error", "cross_entropy": "nats"}


@styled
def comparison(found: Comparing) -> "Figure":
    """Mean loss of every law along the stream, and of the whole stream by seed."""
    figure, (along, whole) = pyplot().subplots(
        1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=(1.2, 1)
    )
    shown = [entry for entry in found.ranked() if np.isfinite(entry.loss)]
    look = looks(sorted(entry.law for entry in found.ranked()))
    for k, entry in enumerate(shown):
        _along(along, entry, found.scored_on, look[entry.law])
        _whole(whole, entry, k, look[entry.law])
    floors = [(found.trivial_name, found.trivial, "--")]
    if "linear" in found.floors:
        floors.append(("four linear taps", found.floors["linear"], ":"))
    for name, value, line in floors:
        along.axhline(value, color="0.4", ls=line, lw=1, label=name)
        whole.axvline(value, color="0.4", ls=line, lw=1)
    _plain_log(along, "y")
    _plain_log(whole, "x")
    along.set_xlabel("samples learned from")
    loss = getattr(found.task.loss, "__name__", "loss")
    along.set_ylabel(f"mean loss so far ({_LOSSES.get(loss, loss)})")
    along.set_title(f"{found.task.name}: {found.task.describe()}")
    figure.legend(loc="outside lower center", ncols=6, fontsize=9)
    _named(whole, shown)
    return figure


def _along(axis: Any, entry: Compared, length: int, look: Look) -> None:
    """The mean loss so far, its median over seeds."""
    count = entry.curve.shape[1]
    seen = (np.arange(count) + 0.5) * length / count
    so_far = np.cumsum(entry.curve, axis=1) / np.arange(1, count + 1)
    style = {"ls": look.dashes, "color": look.colour, "label": entry.law}
    axis.plot(seen, np.median(so_far, axis=0), lw=1.5, **style)


def _whole(axis: Any, entry: Compared, row: int, look: Look) -> None:
    """The loss of every seed that did not diverge, and the median."""
    losses = [loss for loss in entry.losses if np.isfinite(loss)]
    style = {"marker": look.mark, "ls": "", "color": look.colour, "ms": 5}
    axis.plot(losses, [row] * len(losses), mfc="none", **style)
    axis.plot(entry.loss, row, "|", color=look.colour, ms=16, mew=2.5)


def _named(axis: Any, shown: Sequence[Compared]) -> None:
    """Laws from the top, with the time that they take."""
    names = [f"{entry.law}  {_pace(entry.us_per_sample)} µs" for entry in shown]
    axis.set_yticks(range(len(shown)), names)
    axis.invert_yaxis()
    axis.set_xlabel("mean loss: a mark per seed, a bar the median")
    axis.set_title("every seed, and time per sample")


def _pace(us: float) -> str:
    """Three figures without an exponent."""
    return f"{us:.3g}" if us < 100 else f"{us:,.0f}"


def _plain_log(axes: Any, which: str) -> None:
    """A logarithmic axis with ordinary numbers."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set(**{f"{which}scale": "log"})
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
