"""The figures on latent equilibrium, given what was measured."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import hamlearn as hl

from ..plot import COLOURS, looks
from ._gle_filters import CLOSURES
from ._save import save

_STYLE = {
    name: {"color": look.colour, "ls": look.dashes, "label": name}
    for name, look in looks(CLOSURES).items()
}
#: Of axes over two decades.
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10)
Losses = dict[str, np.ndarray]


def filters(path: Path, w: np.ndarray, exact: np.ndarray, measured: Losses) -> None:
    """Gain and phase of the error filters."""
    figure, (gain, phase) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, value in ((gain, np.abs), (phase, lambda z: np.angle(z, deg=True))):
        axis.plot(w, value(exact), lw=4, alpha=0.4, color="0.3", label="exact")
        for name, response in measured.items():
            axis.plot(w, value(response), **_STYLE[name])
        axis.set(xscale="log", xlabel="frequency × membrane time constant (rad)")
        axis.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    gain.set(yscale="log", ylabel="gain of the error filter")
    gain.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    for axis in (gain, phase):
        axis.minorticks_off()
    gain.set_title("gain: that of GLE is one over the exact one", fontsize=10)
    phase.set(ylabel="phase of the error filter (degrees)")
    phase.set_title("phase: that of GLE is exact", fontsize=10)
    handles = phase.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, frameon=False)
    save(figure, path)


def chain(path: Path, time: float, losses: Losses) -> None:
    """Loss over time, with every closure."""
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    _curves(axis, time, losses, "chain: 2 weights and 2 time constants")
    axis.legend(frameon=False)
    save(figure, path)


def deep(path: Path, lessons: dict[str, tuple[float, Losses]]) -> None:
    """The same for several lessons, by name with the time that each takes."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, (name, (time, losses)) in zip(axes, lessons.items(), strict=True):
        _curves(axis, time, losses, f"{name}: only the first layer learns")
    axes[0].legend(frameon=False)
    save(figure, path)


def _curves(axis: Any, time: float, losses: Losses, title: str) -> None:
    for name, loss in losses.items():
        times = time * (np.arange(len(loss)) + 0.5) / len(loss)
        axis.plot(times, np.maximum(loss, 1e-16), **_STYLE[name])
    axis.set(yscale="log", xlabel="time (units of the membrane time constant)")
    axis.set(ylabel="loss", title=title)


def latent_equilibrium(
    path: Path, steps: dict[float, Any], settled: dict[float, float], runs: Any
) -> None:
    """Responses to a step through six layers, by tau_r, and the sawtooth."""
    figure, (step, saw) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for (tau_r, response), colour in zip(steps.items(), COLOURS, strict=False):
        label = f"{tau_r:g}: {settled[tau_r]:.3g} ms"
        step.plot(*response, color=colour, label=label)
    step.set(xlim=(-2, 120), xlabel="time since the step (ms)", ylabel="output")
    step.set_title("six layers of membrane time constant 10 ms", fontsize=10)
    step.legend(title="prospective time (ms): settled", frameon=False, fontsize=8)
    end = int(runs["LE"]["taught"])
    last = {name: _part(run, slice(end - 40_000, end)) for name, run in runs.items()}
    look = looks(last)
    for name, run in last.items():
        saw.plot(run["time"], run["output"], color=look[name].colour, label=name)
    shown = last["LE"]
    saw.plot(shown["time"], shown["target"], color="0.4", label="target")
    saw.set(xlabel="time (ms)", ylabel="output")
    saw.set_title("sawtooth of 10 Hz from sines, while taught", fontsize=10)
    saw.legend(frameon=False, fontsize=8)
    save(figure, path)


def _part(run: Losses, where: slice) -> Losses:
    return {name: run[name][where] for name in ("time", "output", "target")}


def mackey_glass(
    path: Path, results: dict[str, hl.Result], means: Losses, floors: dict[str, float]
) -> None:
    """Errors over time, and the end of the series."""
    figure, (error, end) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    last, times = slice(-300, None), results["GLE"].times
    rows = len(means["GLE"])
    middle = (times[-1] + times[1]) * (np.arange(rows) + 0.5) / rows
    for name, result in results.items():
        error.plot(middle, means[name], **_STYLE[name])
        quiet = _STYLE[name] | {"label": None}
        end.plot(times[last], result.output[last, 0], **quiet)
    end.plot(times[last], results["GLE"].target[last, 0], "0.4", label="target")
    for name, ls in (("last", "--"), ("linear", ":")):
        error.axhline(floors[name], color="0.3", ls=ls, label=f"predict: {name}")
    error.set(yscale="log", xlabel="time units", ylim=(None, 4))
    error.set(ylabel="mean squared error (variance 1)")
    error.set_title("Mackey-Glass, 6 ahead, online", fontsize=10)
    error.legend(frameon=False, fontsize=8, ncols=2, loc="upper right")
    end.set(xlabel="time units", ylabel="standardised series")
    end.legend(frameon=False, fontsize=8)
    save(figure, path)
