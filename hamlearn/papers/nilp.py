"""Betti & Gori (2024), Nature-Inspired Local Propagation: figures 1 to 4 and claims.

Published: five fully connected neurons, q = 100 and 1000, r = 0.1, r_w = 1, explicit
Euler. Found here, because they are not published or do not work without: propagation
speed c, dissipation theta, a constant input (the bias), the step dt = 1e-3.
"""

from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import hamlearn as hl

from ..plot import COLOURS
from . import _nilp_forward, _nilp_optimum, _nilp_theory, _nilp_waves
from ._claim import Claim
from ._nilp_law import law, tracked
from ._save import save

SETTINGS = {"q100": (100.0, 20.0), "q1000": (1000.0, 60.0)}
SPEED = 10.0


def run(out: Path, *, quick: bool = False) -> Iterator[Claim]:
    """Draw the six figures, from `waves` to `forward`, and check the claims."""
    yield from _nilp_waves.run(out)
    yield from _tracking(out, quick)
    yield from _nilp_optimum.run(quick=quick)
    yield from _nilp_theory.run(out, quick=quick)
    yield from _nilp_forward.run(out, quick=quick)


def _tracking(out: Path, quick: bool) -> Iterator[Claim]:
    seeds = range(1 if quick else 3)
    targets = {"sine": hl.tasks.sine(), "patched": hl.tasks.patched()}
    bounds = {("sine", "q100"): 0.035, ("sine", "q1000"): 0.03}
    bounds |= {("patched", "q100"): 0.2, ("patched", "q1000"): 0.15}
    shown: dict[str, hl.Result] = {}
    for (name, setting), bound in bounds.items():
        q, theta = SETTINGS[setting]
        flip = law(q, theta)
        results = [tracked(targets[name], flip, speed=SPEED, seed=k) for k in seeds]
        errors = [targets[name].errors(result.output)["rmse"] for result in results]
        shown[f"{name} {setting}"] = results[-1]
        verdict = (
            f"holds if c = {SPEED:g}, theta = {theta:g} and a bias, none of them "
            f"published; seeds {min(errors):.4f} to {max(errors):.4f}"
        )
        claim = f"tracks_{name}_{setting}"
        yield Claim(claim, float(np.median(errors)), None, bound, verdict)
    yield _without_dissipation(targets["sine"])
    yield from _reversal(targets, shown)
    yield _settled_hamiltonian(shown["sine q1000"])
    _draw(out, targets, shown)


def _without_dissipation(target) -> Claim:
    result = tracked(target, law(100.0, 0.0), speed=1.0)
    rmse = target.errors(result.output)["rmse"]
    verdict = (
        "does not hold: the published parameters alone, without dissipation, do "
        "worse than predicting zero (0.354)"
    )
    return Claim("tracks_without_dissipation", float(rmse), 0.3, None, verdict)


def _reversal(targets, shown: dict[str, hl.Result]) -> Iterator[Claim]:
    """Time reversal without dissipation against the flip with its best one.

    Compared by what both minimise, the mean of the Lagrangian once settled.
    """
    reversal = law(100.0, 0.0, hl.costates.TimeReversal())
    results = {
        name: tracked(target, reversal, speed=SPEED) for name, target in targets.items()
    }
    rmse = targets["sine"].errors(results["sine"].output)["rmse"]
    verdict = "holds: tracks without any dissipation, where the flip fails"
    yield Claim("reversal_tracks_sine_undamped", rmse, None, 0.1, verdict)
    verdicts = {
        "patched": ("holds: costs less than the flip where the target jumps", 0.5, 1.0),
        "sine": ("does not hold on smooth targets: the flip costs less", 1.0, 4.0),
    }
    for name, (verdict, low, high) in verdicts.items():
        ratio = _settled_cost(results[name]) / _settled_cost(shown[f"{name} q100"])
        yield Claim(f"reversal_cost_over_flip_{name}", ratio, low, high, verdict)


def _settled_cost(result: hl.Result) -> float:
    return float(np.mean(result.info["lagrangian"][len(result.times) // 6 :]))


def _settled_hamiltonian(result: hl.Result) -> Claim:
    settled = slice(len(result.times) // 6, None)
    L, H = result.info["lagrangian"][settled], result.info["hamiltonian"][settled]
    share = float(np.mean(np.abs(H) < L))
    verdict = "holds: once tracking, |H| stays below L"
    return Claim("hamiltonian_below_lagrangian", share, 0.95, 1.0, verdict)


def _draw(out: Path, targets, shown: dict[str, hl.Result]) -> None:
    for name, target in targets.items():
        figure, axes = _two()
        for axis, setting in zip(axes, SETTINGS, strict=True):
            _target_and_output(axis, target, shown[f"{name} {setting}"], setting)
        _finished(axes, figure, out / f"{name}.png")
    figure, axes = _two()
    for axis, name in zip(axes, targets, strict=True):
        result = shown[f"{name} q1000"]
        for scalar, colour in (("hamiltonian", COLOURS[1]), ("lagrangian", COLOURS[2])):
            values = result.info[scalar][::20]
            axis.plot(result.times[::20], values, colour, lw=0.8, label=scalar)
        axis.set_yscale("symlog", linthresh=0.1)
        axis.set_title(f"{name}, q = 1000", loc="left", fontsize=10)
        axis.set_ylabel("cost per unit of time")
    _finished(axes, figure, out / "energy.png")


def _two():
    return plt.subplots(2, 1, figsize=(9, 4.5), sharex=True, layout="constrained")


def _target_and_output(axis, target, result: hl.Result, setting: str) -> None:
    rmse = target.errors(result.output)["rmse"]
    axis.plot(result.times, target.values, "0.45", lw=2.5, label="target")
    axis.plot(result.times, result.output, COLOURS[0], lw=1, label="output")
    q, theta = SETTINGS[setting]
    text = f"q = {q:g}, c = {SPEED:g}, theta = {theta:g}: RMSE {rmse:.3g}"
    axis.set_title(text, loc="left", fontsize=10)
    axis.set_ylabel("neuron 0")


def _finished(axes, figure, path: Path) -> None:
    axes[0].legend(loc="upper right", ncols=2, frameon=False)
    axes[1].set_xlabel("time (arbitrary units)")
    save(figure, path)
