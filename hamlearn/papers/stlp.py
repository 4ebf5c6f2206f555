"""Spatiotemporal local propagation (Betti & Gori 2019): its figures, and two more.

The paper shows a linear neuron (Figure 2) and the drift off the constraints with its
cure (Figure 3). It does not show how good the credit is, nor when the motion is
unstable; both are drawn here, and how the credit improves with every exchange.
"""

from pathlib import Path
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import hamlearn as hl

from ..plot import COLOURS
from . import _stlp_credit
from ._claim import Claim
from ._save import save


def run(out: Path, *, quick: bool = False) -> list[Claim]:
    """Draw the figures into `out`; the claims checked.

    **Arguments:** `quick`: shorter runs and fewer points.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with jax.enable_x64(True):
        claims = _neuron(out) + _resonance(out, quick) + _drift(out, quick)
        return claims + _stlp_credit.run(out, quick=quick)


def _linear_neuron(w0: float) -> hl.RateNetwork:
    """An input neuron x_0 = u(t) and a linear neuron x_1 = w x_0."""
    network = hl.RateNetwork(
        hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[0], activation=lambda a: a,
        learn=("weight",), key=jax.random.key(0),
    )  # fmt: skip
    put = lambda n: (n.weight, n.input_weight)
    return eqx.tree_at(put, network, (jnp.array([w0]), jnp.ones((1, 1))))


def _solve(law: Any, network: Any, signal: Any, t1: float, points: int = 1001):
    return hl.solve(
        law, network, signal, t0=0.0, t1=t1, solver=dfx.Dopri8(),
        controller=dfx.PIDController(rtol=1e-10, atol=1e-11),
        saveat=dfx.SaveAt(ts=jnp.linspace(0.0, t1, points)),
    )  # fmt: skip


def _scalar(function):
    return lambda t: jnp.atleast_1d(function(t))


_INPUTS = {
    "u tends to 1": lambda t: 1 - 0.8 * jnp.exp(-(t**2) / 8),
    "u = 1 + sin(2t)/2": lambda t: 1 + 0.5 * jnp.sin(2 * t),
}


def _neuron(out: Path) -> list[Claim]:
    """Figure 2: constant and oscillating input."""
    law = hl.STLP(neuron_mass=0.05, stabilisation=hl.mechanics.Baumgarte())
    results, weights = [], []
    for u in _INPUTS.values():
        signal = hl.Signal(_scalar(u), _scalar(lambda t: 1.5 + 0 * t))
        results.append(_solve(law, _linear_neuron(0.0), signal, 30.0))
        weights.append(results[-1].output[:, 0] / jax.vmap(u)(results[-1].times))
    _draw_neuron(out / "stlp_linear_neuron.png", results, weights)
    error = abs(float(results[0].network.weight[0]) - 1.5)
    drift = max(float(r.info["residual"].max()) for r in results)
    return [
        Claim("stlp_single", error, None, 1e-3,
              "holds: a linear neuron with settling input learns w = y/u"),
        Claim("stlp_single_drift", drift, None, 1e-8,
              "holds: |G| stays at the solver's tolerance on both runs"),
        Claim("stlp_oscillating", float(np.mean(weights[1][-334:])), 1.23, 1.43,
              "holds: w oscillates about its least-squares value 4/3"),
    ]  # fmt: skip


def _draw_neuron(path: Path, results: list[hl.Result], weights: list) -> None:
    figure, axes = plt.subplots(
        2, 2, sharex=True, figsize=(9, 4.6), layout="constrained"
    )
    limits = (1.5, "y/u"), (4 / 3, "least squares <uy>/<u²>")
    for k, (name, (limit, label)) in enumerate(zip(_INPUTS, limits, strict=True)):
        (top, low), result = axes[:, k], results[k]
        top.axhline(1.5, color="0.45", lw=2.5, label="target")
        top.plot(result.times, result.output[:, 0], color=COLOURS[0], label="output")
        top.set_title(name)
        low.plot(result.times, weights[k], color=COLOURS[1], label="weight w")
        low.axhline(limit, color="0.45", ls="--", lw=1, label=label)
        low.set_xlabel("time (units of 1/dissipation)")
        top.legend(frameon=False)
        low.legend(frameon=False)
    axes[0, 0].set_ylabel("output (1)")
    axes[1, 0].set_ylabel("weight (1)")
    save(figure, path)


def _resonance(out: Path, quick: bool) -> list[Claim]:
    """What the paper lacks: the motion is unstable where m_x omega^2 > 1."""
    numbers = [0.8, 0.96, 1.04, 1.2, *([] if quick else [0.3, 0.6, 1.1, 1.4, 1.7, 2.0])]
    signal = hl.Signal(
        _scalar(lambda t: jnp.sin(2 * t)), _scalar(lambda t: 1.5 + 0 * t)
    )

    def reached(number: float) -> float:
        law = hl.STLP(neuron_mass=number / 4)
        result = _solve(law, _linear_neuron(0.3), signal, 40.0, 11)
        return abs(float(result.network.weight[0]))

    found = {number: reached(number) for number in sorted(numbers)}
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axis.semilogy(*zip(*found.items(), strict=True), "o-", color=COLOURS[0],
                  label="|w| after 40 units")  # fmt: skip
    axis.axvline(1.0, color=COLOURS[1], ls="--", label="resonance")
    axis.axhline(0.3, color="0.45", lw=1, label="start")
    axis.set_xlabel("neuron mass times squared input frequency (1)")
    axis.set_ylabel("weight (1)")
    axis.legend(frameon=False)
    save(figure, out / "stlp_resonance.png")
    below, above = (found[number] / 0.3 for number in (0.8, 1.2))
    verdict = "holds if m_x omega^2 < 1: oscillating inputs can be learned from"
    return [
        Claim("stlp_resonance_below", below, None, 3.0, verdict),
        Claim("stlp_resonance_above", above, 10.0, None, verdict),
    ]


def _drift(out: Path, quick: bool) -> list[Claim]:
    """Figure 3: drift off the constraints and what becomes of it."""
    cures = {
        "none": hl.mechanics.Baumgarte(),
        "potential on the constraint": hl.mechanics.ConstraintPotential(10.0),
        "Baumgarte": hl.mechanics.Baumgarte(10**0.5, 10**0.5),
        "projection": hl.mechanics.Projection(),
    }
    t1 = 50.0 if quick else 200.0
    runs = {name: _drifting(cure, t1) for name, cure in cures.items()}
    _draw_drift(out / "stlp_drift.png", runs)
    drift = {name: run.info["residual"] for name, run in runs.items()}
    none, most = drift["none"], {name: float(G.max()) for name, G in drift.items()}
    same = float(np.max(np.abs(drift["potential on the constraint"] - none)))
    return [
        Claim("stlp_drift", most["none"], 1e-3, 1e-1,
              "holds: without drift control |G| grows with time"),
        Claim("stlp_pot_cancel", same / most["none"], None, 1e-6,
              "does not hold: the paper's potential on the constraint changes nothing"),
        Claim("stlp_baum", most["Baumgarte"], None, 3e-4,
              "holds if the cure is Baumgarte's"),
        Claim("stlp_projection", most["projection"], None, 1e-9,
              "holds if the cure is projection"),
    ]  # fmt: skip


def _drifting(cure: hl.mechanics.AbstractStabilisation, t1: float) -> hl.Result:
    """Two neurons, by Heun's rule of a constant step."""
    network = hl.RateNetwork(
        hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[0], key=jax.random.key(1),
        learn=("weight", "input_weight"),
    )  # fmt: skip
    put = lambda n: (n.weight, n.input_weight)
    network = eqx.tree_at(put, network, (jnp.array([0.5]), jnp.array([[0.8]])))
    signal = hl.Signal(
        _scalar(lambda t: 0.8 + 0.4 * jnp.sin(1.5 * t)), _scalar(lambda t: 0.6 + 0 * t)
    )
    law = hl.STLP(neuron_mass=0.05, stabilisation=cure)
    return hl.solve(
        law, network, signal, t0=0.0, t1=t1, dt0=0.02,
        solver=hl.mechanics.Projected(hl.mechanics.Heun(), law.project),
        controller=dfx.ConstantStepSize(), saveat=dfx.SaveAt(steps=True),
        max_steps=10_000,
    )  # fmt: skip


def _draw_drift(path: Path, runs: dict[str, hl.Result]) -> None:
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    styles: Any = {"potential on the constraint": (0, (4, 4))}
    for (name, run), colour in zip(runs.items(), COLOURS, strict=False):
        G = np.maximum(run.info["residual"], 1e-17)
        look = {"color": colour, "ls": styles.get(name, "-"), "label": name}
        axis.semilogy(run.times, G, lw=1.2, **look)
    axis.set_xlabel("time (units of 1/dissipation)")
    axis.set_ylabel("largest |G| (1)")
    title = "A potential changes nothing; the other two hold the constraints"
    axis.set_title(title, fontsize=10)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    save(figure, path)
