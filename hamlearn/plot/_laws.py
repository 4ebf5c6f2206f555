"""Figure of laws compared on one stream."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ..jobs.comparison import Comparison
from ._style import COLOURS, styled


@styled
def comparison(found: Comparison) -> Figure:
    """Mean loss of every law along the stream, and of the whole stream by seed."""
    figure, (along, whole) = plt.subplots(
        1, 2, figsize=(11, 4.6), layout="constrained", width_ratios=(1.2, 1)
    )
    shown = [entry for entry in found.ranked() if np.isfinite(entry.loss)]
    for k, entry in enumerate(shown):
        colour, dashes = COLOURS[k % len(COLOURS)], ("-", "--", ":")[k // len(COLOURS)]
        count = entry.curve.shape[1]
        seen = (np.arange(count) + 0.5) * found.task.length / count
        so_far = np.cumsum(entry.curve, axis=1) / np.arange(1, count + 1)
        mean = np.median(so_far, axis=0)
        along.plot(seen, mean, lw=1.5, ls=dashes, color=colour, label=entry.rule)
        losses = [loss for loss in entry.losses if np.isfinite(loss)]
        whole.plot(losses, [k] * len(losses), "o", color=colour, ms=5, mfc="none")
        whole.plot(entry.loss, k, "|", color=colour, ms=16, mew=2.5)
    trivial = found.trivial_name, found.trivial, "--"
    for name, value, line in (trivial, ("linear", found.floors["linear"], ":")):
        along.axhline(value, color="0.4", ls=line, lw=1, label=name)
        whole.axvline(value, color="0.4", ls=line, lw=1)
    along.set_yscale("log")
    whole.set_xscale("log")
    _plain_log(along.yaxis)
    _plain_log(whole.xaxis)
    along.set_xlabel("samples learned from")
    along.set_ylabel("mean loss so far (half squared error)")
    figure.legend(loc="outside lower center", frameon=False, ncols=6, fontsize=9)
    names = [f"{entry.rule}  {entry.pace} µs" for entry in shown]
    whole.set_yticks(range(len(shown)), names)
    whole.invert_yaxis()
    whole.set_xlabel("mean loss: a circle a seed, a bar the median")
    whole.set_title("and time a sample", loc="left", fontsize=10)
    title = f"{found.task.name}: {found.task.describe()}"
    along.set_title(title, loc="left", fontsize=10)
    return figure


def _plain_log(axis: Any) -> None:
    """Ordinary numbers on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
