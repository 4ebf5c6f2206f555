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
from ._claim import Claim


def run(out: Path, *, quick: bool = False) -> list[Claim]:
    """Draw the figures into `out`; the claims checked.

    **Arguments:** `quick`: shorter runs and fewer points.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with jax.enable_x64(True):
        claims = _neuron(out) + _resonance(out, quick) + _drift(out, quick)
        return claims + _credit(out, quick) + _exchanges(out, quick)


def _linear_neuron(w0: float) -> hl.RateNetwork:
    """An input neuron x_0 = u(t) and a linear neuron x_1 = w x_0."""
    network = hl.RateNetwork(
        hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[0], activation=lambda a: a,
        learn=("weight",), key=jax.random.key(0),
    )  # fmt: skip
    put = lambda n: (n.weight, n.input_weight)
    return eqx.tree_at(put, network, (jnp.array([w0]), jnp.ones((1, 1))))


def _solve(rule: Any, network: Any, signal: Any, t1: float, points: int = 1001):
    return hl.solve(
        rule, network, signal, t0=0.0, t1=t1, solver=dfx.Dopri8(),
        controller=dfx.PIDController(rtol=1e-10, atol=1e-11),
        saveat=dfx.SaveAt(ts=jnp.linspace(0.0, t1, points)),
    )  # fmt: skip


def _scalar(function):
    return lambda t: jnp.atleast_1d(function(t))


def _neuron(out: Path) -> list[Claim]:
    """Figure 2: constant and oscillating input."""
    inputs = {
        "u tends to 1": lambda t: 1 - 0.8 * jnp.exp(-(t**2) / 8),
        "u = 1 + sin(2t)/2": lambda t: 1 + 0.5 * jnp.sin(2 * t),
    }
    figure, axes = plt.subplots(
        2, 2, sharex=True, figsize=(9, 4.6), layout="constrained"
    )
    rule = hl.STLP(
        hl.Cost(dissipation=1.0), neuron_mass=0.05, stabilisation=hl.drift.Baumgarte()
    )
    results = []
    for column, (name, u) in enumerate(inputs.items()):
        signal = hl.Signal(_scalar(u), _scalar(lambda t: 1.5 + 0 * t))
        result = _solve(rule, _linear_neuron(0.0), signal, 30.0)
        results.append(result)
        top, low = axes[:, column]
        top.axhline(1.5, color="0.45", lw=2.5, label="target")
        top.plot(result.times, result.output[:, 0], color=COLOURS[0], label="output")
        top.set_title(name)
        weight = result.output[:, 0] / jax.vmap(u)(result.times)
        low.plot(result.times, weight, color=COLOURS[1], label="weight w")
        limit = [(1.5, "y/u"), (4 / 3, "least squares <uy>/<u²>")][column]
        low.axhline(limit[0], color="0.45", ls="--", lw=1, label=limit[1])
        low.set_xlabel("time (units of 1/dissipation)")
        top.legend(frameon=False)
        low.legend(frameon=False)
    axes[0, 0].set_ylabel("output (1)")
    axes[1, 0].set_ylabel("weight (1)")
    _save(figure, out / "stlp_linear_neuron.png")
    tail = results[1].output[-334:, 0] / jax.vmap(inputs["u = 1 + sin(2t)/2"])(
        results[1].times[-334:]
    )
    error = abs(float(results[0].network.weight[0]) - 1.5)
    drift = max(float(r.info["residual"].max()) for r in results)
    return [
        Claim("stlp_single", error, None, 1e-3,
              "holds: a linear neuron with settling input learns w = y/u"),
        Claim("stlp_single_drift", drift, None, 1e-8,
              "holds: |G| stays at the solver's tolerance on both runs"),
        Claim("stlp_oscillating", float(np.mean(tail)), 1.23, 1.43,
              "holds: w oscillates about its least-squares value 4/3"),
    ]  # fmt: skip


def _resonance(out: Path, quick: bool) -> list[Claim]:
    """What the paper lacks: the motion is unstable where m_x omega^2 > 1."""
    numbers = [0.8, 0.96, 1.04, 1.2, *([] if quick else [0.3, 0.6, 1.1, 1.4, 1.7, 2.0])]
    numbers = sorted(numbers)
    signal = hl.Signal(
        _scalar(lambda t: jnp.sin(2 * t)), _scalar(lambda t: 1.5 + 0 * t)
    )
    reached = []
    for number in numbers:
        rule = hl.STLP(hl.Cost(dissipation=1.0), neuron_mass=number / 4)
        result = _solve(rule, _linear_neuron(0.3), signal, 40.0, 11)
        reached.append(abs(float(result.network.weight[0])))
    figure, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axis.semilogy(numbers, reached, "o-", color=COLOURS[0], label="|w| after 40 units")
    axis.axvline(1.0, color=COLOURS[1], ls="--", label="resonance")
    axis.axhline(0.3, color="0.45", lw=1, label="start")
    axis.set_xlabel("neuron mass times squared input frequency (1)")
    axis.set_ylabel("weight (1)")
    axis.legend(frameon=False)
    _save(figure, out / "stlp_resonance.png")
    below, above = (reached[numbers.index(k)] / 0.3 for k in (0.8, 1.2))
    verdict = "holds if m_x omega^2 < 1: oscillating inputs can be learned from"
    return [
        Claim("stlp_resonance_below", below, None, 3.0, verdict),
        Claim("stlp_resonance_above", above, 10.0, None, verdict),
    ]


def _drift(out: Path, quick: bool) -> list[Claim]:
    """Figure 3: drift off the constraints and what becomes of it."""
    network = hl.RateNetwork(
        hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[0], key=jax.random.key(1),
        learn=("weight", "input_weight"),
    )  # fmt: skip
    put = lambda n: (n.weight, n.input_weight)
    network = eqx.tree_at(put, network, (jnp.array([0.5]), jnp.array([[0.8]])))
    signal = hl.Signal(
        _scalar(lambda t: 0.8 + 0.4 * jnp.sin(1.5 * t)), _scalar(lambda t: 0.6 + 0 * t)
    )
    cures = {
        "none": hl.drift.Baumgarte(),
        "potential on the constraint": hl.drift.ConstraintPotential(10.0),
        "Baumgarte": hl.drift.Baumgarte(10**0.5, 10**0.5),
        "projection": hl.drift.Projection(),
    }
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    drift, styles = {}, {"potential on the constraint": (0, (4, 4))}
    for k, (name, cure) in enumerate(cures.items()):
        rule = hl.STLP(hl.Cost(dissipation=1.0), neuron_mass=0.05, stabilisation=cure)
        result = hl.solve(
            rule, network, signal, t0=0.0, t1=50.0 if quick else 200.0, dt0=0.02,
            solver=hl.Projected(hl.Heun(), rule.project),
            controller=dfx.ConstantStepSize(),
            saveat=dfx.SaveAt(steps=True), max_steps=10_000,
        )  # fmt: skip
        G = result.info["residual"]
        drift[name] = G
        axis.semilogy(result.times, np.maximum(G, 1e-17), color=COLOURS[k], lw=1.2,
                      ls=styles.get(name, "-"), label=name)  # fmt: skip
    axis.set_xlabel("time (units of 1/dissipation)")
    axis.set_ylabel("largest |G| (1)")
    axis.legend(frameon=False, loc="center right")
    _save(figure, out / "stlp_drift.png")
    same = np.max(np.abs(drift["potential on the constraint"] - drift["none"]))
    return [
        Claim("stlp_drift", float(drift["none"].max()), 1e-3, 1e-1,
              "holds: without drift control |G| grows with time"),
        Claim("stlp_pot_cancel", float(same / drift["none"].max()), None, 1e-6,
              "does not hold: the paper's potential on the constraint changes nothing"),
        Claim("stlp_baum", float(drift["Baumgarte"].max()), None, 3e-4,
              "holds if the cure is Baumgarte's"),
        Claim("stlp_projection", float(drift["projection"].max()), None, 1e-9,
              "holds if the cure is projection"),
    ]  # fmt: skip


def _dag(neurons: int, in_degree: int) -> tuple[hl.RateNetwork, hl.Signal]:
    key = jax.random.key(1)
    graph = hl.Digraph.random(neurons, in_degree=in_degree, acyclic=True, key=key)
    network = hl.RateNetwork(
        graph, inputs=3, outputs=2, input_nodes=[0, 1, 4], key=key, learn=("weight",)
    )
    omega = jnp.array([1.0, 1.7, 0.6])
    return network, hl.Signal(
        lambda t: jnp.sin(omega * t + jnp.arange(3.0)),
        lambda t: jnp.array([0.6, -0.4]) * jnp.cos(t),
    )


def _true_gradient(network: hl.RateNetwork, sample: hl.Sample) -> jax.Array:
    """d loss / d weight of the forward pass."""

    def loss(weight):
        learned = eqx.tree_at(lambda n: n.weight, network, weight)
        x = jnp.zeros(network.graph.num_nodes)
        for _ in range(network.graph.num_nodes):
            x = network.activation(learned.drive(x, sample.input))
        return hl.squared_error(learned.readout(x, sample.input), sample.target)

    return jax.grad(loss)(network.weight)


def _relative(a, b) -> float:
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))


def _credit(out: Path, quick: bool) -> list[Claim]:
    """What the paper lacks: how far the credit is from the gradient."""
    network, moving = _dag(9, 3)
    held = hl.Signal(lambda t: moving(0.7 + 0 * t).input, moving.target)
    ratios, theta, t = np.logspace(-6, 0, 7 if quick else 13), 100.0, jnp.array(0.7)
    true = _true_gradient(network, moving(t))
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    errors = {}
    for k, (name, signal) in enumerate({"moving": moving, "constant": held}.items()):
        credit = eqx.filter_jit(
            lambda r, y, still, s=signal: r.gradient(t, y, (still, s))
        )
        errors[name] = []
        for ratio in ratios:
            rule = hl.STLP(
                hl.Cost(inertia=1 / theta, dissipation=theta), neuron_mass=ratio / theta
            )
            state = rule.begin(rule.init(network), t, signal)
            ours = credit(rule, state.flow, state.still)["weight"]
            errors[name].append(_relative(ours, true))
        axis.loglog(ratios, errors[name], "o-", color=COLOURS[k], label=f"{name} input")
    axis.loglog(ratios, 10 * ratios, color="0.45", ls="--", lw=1, label="slope 1")
    axis.set_xlabel("mass of a neuron / mass of a weight (1)")
    axis.set_ylabel("relative error of the gradient (1)")
    axis.legend(frameon=False)
    _save(figure, out / "stlp_credit.png")
    at = errors["moving"][int(np.argmin(np.abs(ratios - 1e-4)))]
    small = ratios < 2e-3
    fit = np.polyfit(
        np.log(ratios[small]), np.log(np.array(errors["moving"])[small]), 1
    )
    verdict = "holds if m_x/m_w vanishes; large dissipation alone is not enough"
    return [
        Claim("stlp_bp", at, None, 1.5e-3, verdict),
        Claim("stlp_bp_slope", float(fit[0]), 0.9, 1.1, verdict),
        Claim("stlp_bp_equal_masses", errors["moving"][-1], 0.3, None, verdict),
    ]


def _exchanges(out: Path, quick: bool) -> list[Claim]:
    """The credit after a number of exchanges between neighbours."""
    network, signal = _dag(40, 4)
    theta, ratio, t = 100.0, 1e-4, jnp.array(0.7)
    counts = [1, 4, 16, 64] if quick else [1, 2, 4, 8, 16, 32, 64]
    levels = network.graph.levels()
    assert levels is not None
    deep = int(levels.max())
    base = hl.STLP(
        hl.Cost(inertia=1 / theta, dissipation=theta), neuron_mass=ratio / theta
    )
    state = base.begin(base.init(network), t, signal)

    def credit(gram):
        rule = eqx.tree_at(lambda r: r.gram, base, gram)
        still = eqx.tree_at(lambda s: s.gram, state.still, gram)
        return rule.gradient(t, state.flow, (still, signal))["weight"]

    solvers: dict[str, hl.gram.AbstractGram] = {"exact": hl.gram.LocalCholesky()}
    for k in counts:
        solvers[f"plain {k}"] = hl.gram.ConjugateGradients(max_steps=k)
    for k in (1, 2, 3, 4):
        swept = hl.gram.ConjugateGradients(hl.gram.Sweeps(deep), max_steps=k)
        solvers[f"swept {k}"] = swept
    found = eqx.filter_jit(lambda: {n: credit(gram) for n, gram in solvers.items()})()
    error = {n: _relative(g, found["exact"]) for n, g in found.items() if n != "exact"}
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    # A product with A is two exchanges, across and along; a sweep is as many as deep.
    axis.loglog([2 * k for k in counts], [error[f"plain {k}"] for k in counts], "o-",
                color=COLOURS[0], label="conjugate gradients")  # fmt: skip
    axis.loglog([(2 + 2 * deep) * k for k in (1, 2, 3, 4)],
                [error[f"swept {k}"] for k in (1, 2, 3, 4)], "s-", color=COLOURS[1],
                label="with a forward and a backward sweep each")  # fmt: skip
    bp = _relative(_true_gradient(network, signal(t)), found["exact"])
    axis.axhline(bp, color="0.45", ls="--", lw=1, label="Backprop's gradient")
    axis.set_xlabel("exchanges with neighbours (each one hop, all neurons at once)")
    axis.set_ylabel("relative error of the credit (1)")
    axis.legend(frameon=False)
    _save(figure, out / "stlp_exchanges.png")
    verdict = (
        "holds if the multipliers are given: these are a linear solve over the graph"
    )
    return [
        Claim("stlp_locality", error[f"plain {counts[0]}"], 1e-2, None, verdict),
        Claim("stlp_sweeps", error["swept 4"], None, 1e-6, verdict),
    ]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=150)
    plt.close(figure)
