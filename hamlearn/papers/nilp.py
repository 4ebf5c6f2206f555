"""Betti & Gori (2024), Nature-Inspired Local Propagation: figures 1 to 4 and claims.

Published: five fully connected neurons, q = 100 and 1000, r = 0.1, r_w = 1, explicit
Euler. Found here, because they are not published or do not work without: propagation
speed c, dissipation theta, a constant input (the bias), the step dt = 1e-3.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .. import tasks
from ..costates.riccati import TimeReversal
from ..jobs.track import track
from ..run.result import Result
from . import _nilp_optimum, _nilp_theory, _nilp_waves
from ._claim import Claim

SETTINGS = {"q100": (100.0, 20.0), "q1000": (1000.0, 60.0)}
SPEED = 10.0


def run(out: Path, *, quick: bool = False) -> Iterator[Claim]:
    """Draw `waves`, `sine`, `patched`, `energy`, `limit` and check the claims."""
    yield from _nilp_waves.run(out)
    yield from _tracking(out, quick)
    yield from _nilp_optimum.run(quick=quick)
    yield from _nilp_theory.run(out)


def _tracking(out: Path, quick: bool) -> Iterator[Claim]:
    seeds = range(1 if quick else 3)
    targets = {"sine": tasks.sine(), "patched": tasks.patched()}
    bounds = {("sine", "q100"): 0.035, ("sine", "q1000"): 0.03}
    bounds |= {("patched", "q100"): 0.2, ("patched", "q1000"): 0.15}
    shown: dict[str, Result] = {}
    for (name, setting), bound in bounds.items():
        q, theta = SETTINGS[setting]
        results = [_tracked(targets[name], q, theta, seed) for seed in seeds]
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


def _tracked(target, q: float, theta: float, seed: int) -> Result:
    return track(
        target, accuracy=q, dissipation=theta, speed=SPEED, seed=seed, progress=False
    )


def _without_dissipation(target) -> Claim:
    result = track(
        target, accuracy=100.0, dissipation=0.0, speed=1.0, seed=0, progress=False
    )
    rmse = target.errors(result.output)["rmse"]
    verdict = (
        "does not hold: the published parameters alone, without dissipation, do "
        "worse than predicting zero (0.354)"
    )
    return Claim("tracks_without_dissipation", float(rmse), 0.3, None, verdict)


def _reversal(targets, shown: dict[str, Result]) -> Iterator[Claim]:
    """Time reversal without dissipation against the flip with its best one.

    Compared by what both minimise, the mean of the Lagrangian once settled.
    """
    results = {
        name: track(
            target, policy=TimeReversal(), accuracy=100.0, dissipation=0.0,
            speed=SPEED, seed=0, progress=False,
        )
        for name, target in targets.items()
    }  # fmt: skip
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


def _settled_cost(result: Result) -> float:
    return float(np.mean(result.info["lagrangian"][len(result.times) // 6 :]))


def _settled_hamiltonian(result: Result) -> Claim:
    settled = slice(len(result.times) // 6, None)
    L, H = result.info["lagrangian"][settled], result.info["hamiltonian"][settled]
    share = float(np.mean(np.abs(H) < L))
    verdict = "holds: once tracking, |H| stays below L"
    return Claim("hamiltonian_below_lagrangian", share, 0.95, 1.0, verdict)


def _draw(out: Path, targets, shown: dict[str, Result]) -> None:
    import matplotlib.pyplot as plt

    from ..plot import COLOURS

    for name, target in targets.items():
        figure, axes = plt.subplots(
            2, 1, figsize=(9, 4.5), sharex=True, layout="constrained"
        )
        for axis, setting in zip(axes, SETTINGS, strict=True):
            result = shown[f"{name} {setting}"]
            rmse = target.errors(result.output)["rmse"]
            axis.plot(result.times, target.values, "0.45", lw=2.5, label="target")
            axis.plot(result.times, result.output, COLOURS[0], lw=1, label="output")
            q, theta = SETTINGS[setting]
            text = f"q = {q:g}, c = {SPEED:g}, theta = {theta:g}: RMSE {rmse:.3g}"
            axis.set_title(text, loc="left", fontsize=10)
            axis.set_ylabel("neuron 0")
        axes[0].legend(loc="upper right", ncols=2, frameon=False)
        axes[1].set_xlabel("time (arbitrary units)")
        figure.savefig(out / f"{name}.png", dpi=150)
        plt.close(figure)
    figure, axes = plt.subplots(
        2, 1, figsize=(9, 4.5), sharex=True, layout="constrained"
    )
    for axis, name in zip(axes, targets, strict=True):
        result = shown[f"{name} q1000"]
        for scalar, colour in (("hamiltonian", COLOURS[1]), ("lagrangian", COLOURS[2])):
            values = result.info[scalar][::20]
            axis.plot(result.times[::20], values, colour, lw=0.8, label=scalar)
        axis.set_yscale("symlog", linthresh=0.1)
        axis.set_title(f"{name}, q = 1000", loc="left", fontsize=10)
        axis.set_ylabel("cost a unit of time")
    axes[0].legend(loc="upper right", ncols=2, frameon=False)
    axes[1].set_xlabel("time (arbitrary units)")
    figure.savefig(out / "energy.png", dpi=150)
    plt.close(figure)
