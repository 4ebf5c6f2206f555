"""Pictures of runs. Needs matplotlib (`pip install "hamlearn[plot]"`)."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from ._comparison import Comparison
from ._result import Result
from .tasks import Tracking

#: Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def run(result: Result, *, time_unit: str = "time units") -> Figure:
    """Target and output above, loss, Lagrangian and Hamiltonian below, over time."""
    scalars = [
        name for name in ("loss", "lagrangian", "hamiltonian") if name in result.info
    ]
    rows = 1 + min(len(scalars), 1) + (len(scalars) > 1)
    figure, axes = plt.subplots(
        rows, 1, sharex=True, figsize=(9, 2.3 * rows), layout="constrained"
    )
    axes = np.atleast_1d(axes)
    outputs(axes[0], result)
    if scalars:
        _loss(axes[1], result)
    if len(scalars) > 1:
        for name, colour in zip(scalars[1:], COLOURS[2:], strict=False):
            _line(axes[2], result.times, result.info[name], colour, name.capitalize())
        axes[2].set_yscale("symlog", linthresh=1.0)
        axes[2].set_ylabel("Lagrangian,\nHamiltonian")
        axes[2].legend(loc="upper right", frameon=False, ncols=2)
    axes[-1].set_xlabel(f"time ({time_unit})")
    return figure


def tracking(target: Tracking, result: Result) -> Figure:
    """A tracked signal in its own unit, a closer look at its end, and L and H."""
    figure, axes = plt.subplots(3, 1, figsize=(9, 7.5), layout="constrained")
    times, count = result.times, len(result.times)
    output = target.unscaled(result.output)
    closer = slice(max(count - count // 8, 0), count)
    unit = f" ({target.unit})" if target.unit else ""
    for axis, part in ((axes[0], slice(None)), (axes[1], closer)):
        shown = target.values[:count][part]
        axis.plot(times[part], shown, color="0.45", lw=2.5, label="target")
        axis.plot(times[part], output[part], color=COLOURS[0], lw=1, label="output")
        axis.set_ylabel(f"target, output{unit}")
        span = target.values.max() - target.values.min()
        axis.set_ylim(
            target.values.min() - 0.25 * span, target.values.max() + 0.45 * span
        )
    axes[0].legend(loc="upper right", frameon=False, ncols=2)
    error = target.errors(result.output)
    if not np.isnan(error["rmse"]):
        rmse, zero = error["rmse"], error["rmse_zero"]
        text = f"{target.name}: settled RMSE {rmse:.3g}, predicting zero {zero:.3g}"
        axes[0].set_title(text + unit, loc="left", fontsize=10)
    for name, colour in (("hamiltonian", COLOURS[1]), ("lagrangian", COLOURS[2])):
        width = max(count // 1000, 1)
        mean = result.info[name][: count // width * width].reshape(-1, width).mean(1)
        _line(axes[2], times[::width][: len(mean)], mean, colour, name.capitalize())
    axes[2].set_yscale("symlog", linthresh=1.0)
    axes[2].set_ylabel("L, H (cost a unit of time)")
    axes[2].legend(loc="upper right", frameon=False, ncols=2)
    for axis in axes:
        axis.set_xlabel(f"time ({target.time_unit})")
    return figure


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
    floors = (found.trivial, "no change", "--"), (found.floors["linear"], "linear", ":")
    for value, name, line in floors:
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
    along.set_title(
        f"{found.task.name}: forecasts one sample ahead", loc="left", fontsize=10
    )
    return figure


def _plain_log(axis: Any) -> None:
    """Ordinary numbers on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def outputs(axis: Any, result: Result, *, most: int = 3) -> None:
    """Target (dark) and output (coloured) of the first few outputs."""
    target = result.target.reshape(len(result.times), -1)
    output = result.output.reshape(len(result.times), -1)
    for k in range(min(target.shape[1], most)):
        label = "" if target.shape[1] == 1 else f" {k}"
        axis.plot(
            result.times, target[:, k], color="0.45", lw=2.5, label="target" + label
        )
        axis.plot(
            result.times, output[:, k], color=COLOURS[k], lw=1, label="output" + label
        )
    axis.set_ylabel("target, output")
    axis.legend(loc="upper right", frameon=False, ncols=2 * min(target.shape[1], most))


def _loss(axis: Any, result: Result) -> None:
    loss = np.maximum(result.loss, 1e-12)
    axis.plot(result.times, loss, color="0.75", lw=0.6)
    width = max(len(loss) // 50, 1)
    mean = np.convolve(loss, np.ones(width) / width, mode="valid")
    axis.plot(result.times[width - 1 :], mean, color=COLOURS[0], label="running mean")
    if "zero" in result.losses:
        zero = result.losses["zero"]
        axis.axhline(zero, color=COLOURS[1], ls="--", lw=1, label="predicting zero")
    axis.set_yscale("log")
    axis.set_ylabel("loss")
    axis.legend(loc="lower left", frameon=False, ncols=2)


def _line(axis: Any, times: np.ndarray, values: np.ndarray, colour: str, label: str):
    axis.plot(times, values, color=colour, lw=0.8, label=label)
