"""Pictures of runs: outputs against targets, states, weights, scalars over time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from ._drawn import Run, Tracked
from ._style import ABOVE, COLOURS, pyplot, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@styled
def run(result: Run, *, time_unit: str = "time units") -> "Figure":
    """Target and output above, loss, Lagrangian and Hamiltonian below, over time."""
    scalars = [
        name for name in ("loss", "lagrangian", "hamiltonian") if name in result.info
    ]
    rows = 1 + min(len(scalars), 1) + (len(scalars) > 1)
    figure, axes = pyplot().subplots(
        rows, 1, sharex=True, figsize=(9, 2.3 * rows), layout="constrained"
    )
    axes = np.atleast_1d(axes)
    outputs(axes[0], result)
    axes[0].set_title(f"{result.law.title}: target and output")
    if scalars:
        _loss(axes[1], result)
        axes[1].set_title("loss, and its mean over a fiftieth of the run")
    if len(scalars) > 1:
        for name, colour in zip(scalars[1:], COLOURS[2:], strict=False):
            _line(axes[2], result.times, result.info[name], colour, name.capitalize())
        axes[2].set_yscale("symlog", linthresh=1.0)
        axes[2].set_title(" and ".join(name.capitalize() for name in scalars[1:]))
        axes[2].set_ylabel("cost per unit of time")
        axes[2].legend(**ABOVE, ncols=2)
    axes[-1].set_xlabel(f"time ({time_unit})")
    return figure


@styled
def tracked(target: Tracked, result: Run) -> "Figure":
    """A tracked signal in its own unit, single samples around a jump, and L and H.

    The last recorded value stands beside the output: what repeating it would say.
    """
    figure, axes = pyplot().subplots(3, 1, figsize=(9, 7.5), layout="constrained")
    times, count = result.times, len(result.times)
    output, last = target.unscaled(result.output), target.last[:count]
    unit = f" ({target.unit})" if target.unit else ""
    looks = ((axes[0], _ends(target, count)), (axes[1], _samples(target, count)))
    for axis, part in looks:
        shown = lambda values, part=part: np.where(
            target.asked[:count][part], values[:count][part], np.nan
        )
        lines = (
            (target.values, "target", {"color": "0.6", "lw": 2.5}),
            (last, "last value", {"color": COLOURS[1], "lw": 0.8, "ls": "--"}),
            (output, "output", {"color": COLOURS[0], "lw": 1}),
        )
        for values, label, style in lines:
            axis.plot(times[part], shown(values), label=label, **style)
        axis.set_ylabel(f"target, output{unit}")
    axes[0].legend(**ABOVE, ncols=3)
    axes[1].set_title("single samples around the largest jump")
    error = target.errors(result.output)
    if not np.isnan(error["rmse"]):
        rmse, repeated = error["rmse"], error["rmse_last"]
        text = f"RMSE {rmse:.3g}, of repeating the last value {repeated:.3g}{unit}"
        axes[0].set_title(f"{target.name}, copied as it comes\n{text}")
    width = max(count // 1000, 1)
    for name, colour in (("hamiltonian", COLOURS[1]), ("lagrangian", COLOURS[2])):
        mean = result.info[name][: count // width * width].reshape(-1, width).mean(1)
        _line(axes[2], times[::width][: len(mean)], mean, colour, name.capitalize())
    axes[2].set_title(f"Lagrangian and Hamiltonian, means of {width:,} steps")
    axes[2].set_ylabel("cost per interval")
    axes[2].legend(**ABOVE, ncols=2)
    for axis in axes:
        axis.set_xlabel(f"time ({target.time_unit})")
    return figure


def _ends(target: Tracked, count: int) -> np.ndarray:
    """The last step at which each value is asked for, and the first of every gap."""
    starts = np.append(target.starts[1:], len(target.values))
    before = target.asked & ~np.append(target.asked[1:], False)
    ends = np.union1d(starts - 1, np.flatnonzero(before))
    gaps = np.flatnonzero(~target.asked & np.append(False, target.asked[:-1]))
    ends = np.union1d(ends[target.asked[ends]], gaps)
    return ends[ends < count]


def _samples(target: Tracked, count: int) -> slice:
    """The steps of some 16 recorded samples around the largest jump."""
    starts = target.starts[target.starts < count]
    jumps = np.abs(target.values[starts] - target.last[starts])
    at = int(np.argmax(jumps)) if len(starts) else 0
    edge = lambda k: starts[k] if k < len(starts) else count
    first = max(min(at - 6, len(starts) - 16), 0)
    return slice(edge(first), edge(first + 16))


@styled
def trajectories(
    times: np.ndarray,
    values: Mapping[str, np.ndarray],
    *,
    unit: str = "",
    time_unit: str = "time units",
    most: int = 12,
) -> "Figure":
    """Quantities over time, one panel each, with one line per entry.

    **Arguments:** `values`: arrays by name with time as leading axis; `unit`: of all
    of them; `most`: lines per panel, spread evenly over the entries.
    """
    figure, axes = _panels(len(values))
    for axis, (name, value) in zip(axes, values.items(), strict=True):
        lines, shown = _entries(times, value, most)
        for k, line in zip(shown, lines, strict=True):
            _line(axis, times, line, COLOURS[k % len(COLOURS)], f"{name} {k}")
        axis.set_ylabel(f"{name} ({unit})" if unit else name)
        if 1 < len(shown) <= 6:
            axis.legend(**ABOVE, ncols=len(shown))
    axes[-1].set_xlabel(f"time ({time_unit})")
    return figure


@styled
def weights(
    times: np.ndarray,
    w: Mapping[str, np.ndarray],
    *,
    time_unit: str = "time units",
    most: int = 60,
) -> "Figure":
    """Weights over time, one panel per name: all of them, and their norm in black.

    **Arguments:** `w`: by name, with time as leading axis, such as `hl.scan` records
    with `lambda state, sample, info: state.w`; `most`: lines per panel.
    """
    figure, axes = _panels(len(w))
    for axis, (name, value) in zip(axes, w.items(), strict=True):
        lines, _ = _entries(times, value, most)
        for line in lines:
            axis.plot(times, line, color=COLOURS[0], lw=0.6, alpha=0.5)
        norm = np.linalg.norm(np.reshape(value, (len(times), -1)), axis=1)
        root = np.sqrt(max(np.reshape(value, (len(times), -1)).shape[1], 1))
        _line(axis, times, norm / root, COLOURS[-1], "root mean square")
        axis.set_ylabel(name)
        axis.legend(**ABOVE)
    axes[-1].set_xlabel(f"time ({time_unit})")
    return figure


def outputs(axis: "Axes", result: Run, *, most: int = 3) -> None:
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
    axis.legend(**ABOVE, ncols=2 * min(target.shape[1], most))


def _loss(axis: Any, result: Run) -> None:
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
    axis.legend(**ABOVE, ncols=2)


def _line(axis: Any, times: np.ndarray, values: np.ndarray, colour: str, label: str):
    axis.plot(times, values, color=colour, lw=0.8, label=label)


def _panels(rows: int) -> tuple["Figure", Any]:
    size = (9, 0.6 + 1.9 * rows)
    figure, axes = pyplot().subplots(
        rows, 1, sharex=True, figsize=size, layout="constrained", squeeze=False
    )
    return figure, axes[:, 0]


def _entries(times: np.ndarray, value: Any, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(lines, their numbers): at most `most` entries of a quantity, over time."""
    value = np.asarray(value)
    if value.shape[:1] != (len(times),):
        wanted = f"with the {len(times)} times as leading axis"
        _checks.reject("values", wanted, f"of shape {value.shape}")
    flat = value.reshape(len(times), -1)
    shown = np.unique(np.linspace(0, flat.shape[1] - 1, most).round().astype(int))
    return flat.T[shown], shown
