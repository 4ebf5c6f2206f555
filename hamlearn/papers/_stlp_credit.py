"""What the paper on spatiotemporal local propagation lacks: how good its credit is."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import hamlearn as hl

from ..plot import COLOURS, looks
from ._claim import Claim
from ._save import save

THETA = 100.0
DT = 0.01  # of the step whose credit is looked at; it does not matter


class Exchanged(NamedTuple):
    """Errors of the credit by exchanges; `depth` of the graph in edges.

    `plain`: conjugate gradients; `swept`: with sweeps; `backprop`: its gradient.
    """

    depth: int
    plain: dict[int, float]
    swept: dict[int, float]
    backprop: float


def run(out: Path, *, quick: bool = False) -> list[Claim]:
    """How far the credit is from the gradient, and after how many exchanges."""
    return _credit(out, quick) + _exchanges(out, quick)


def _dag(
    neurons: int, in_degree: int
) -> tuple[hl.RateNetwork, Callable[[bool], hl.Sample]]:
    """(a network without cycles, a sample of a moving or a constant input)."""
    key, t = jax.random.key(1), jnp.array([0.7])
    graph = hl.Digraph.random(neurons, in_degree=in_degree, acyclic=True, key=key)
    network = hl.RateNetwork(
        graph, inputs=3, outputs=2, input_nodes=[0, 1, 4], key=key, learn=("weight",)
    )
    omega = jnp.array([1.0, 1.7, 0.6])
    wave = lambda t: jnp.sin(omega * t + jnp.arange(3.0))
    target = lambda t: jnp.array([0.6, -0.4]) * jnp.cos(t)

    def sample(moving: bool) -> hl.Sample:
        signal = hl.Signal(wave if moving else lambda s: wave(t[0] + 0 * s), target)
        return jax.tree.map(lambda leaf: leaf[0], signal.jets(t))

    return network, sample


def _law(ratio: float, gram: hl.mechanics.AbstractGram | None = None) -> hl.STLP:
    """Strong dissipation at unit rate, with m_x/m_w = `ratio`."""
    return hl.STLP(
        inertia=1 / THETA, dissipation=THETA, neuron_mass=ratio / THETA, gram=gram
    )


def _found(law: hl.STLP, network: hl.RateNetwork, sample: hl.Sample) -> jax.Array:
    """The credit of the weights at the first sample."""
    return _estimate(law, law.init(network), sample, jnp.asarray(DT))["weight"]


@eqx.filter_jit
def _estimate(law, state, sample, dt):
    return law.estimate(state, sample, dt)[0]


def _true_gradient(network: hl.RateNetwork, sample: hl.Sample) -> jax.Array:
    """d loss / d weight of the forward pass."""

    def loss(weight):
        learned = eqx.tree_at(lambda n: n.weight, network, weight)
        x = jnp.zeros(network.graph.num_nodes)
        for _ in range(network.graph.num_nodes):
            x = network.activation(learned.drive(x, sample.input))
        return hl.Cost().loss(learned.readout(x, sample.input), sample.target)

    return jax.grad(loss)(network.weight)


def _relative(a: jax.Array, b: jax.Array) -> float:
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))


def _credit(out: Path, quick: bool) -> list[Claim]:
    """How far the credit is from the gradient, by the ratio of masses."""
    network, sample = _dag(9, 3)
    ratios = np.logspace(-6, 0, 7 if quick else 13)
    true = _true_gradient(network, sample(True))
    errors = {
        name: [
            _relative(_found(_law(ratio), network, sample(moving)), true)
            for ratio in ratios
        ]
        for name, moving in {"moving": True, "constant": False}.items()
    }
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    look = looks(["STLP"])["STLP"]
    fills = {"moving": look.colour, "constant": "white"}
    for name, values in errors.items():
        style = {"color": look.colour, "marker": look.mark, "mfc": fills[name]}
        axis.loglog(ratios, values, label=f"{name} input", **style)
    axis.loglog(ratios, 10 * ratios, color="0.45", ls="--", lw=1, label="slope 1")
    axis.set_xlabel("mass of a neuron / mass of a weight (1)")
    axis.set_ylabel("relative error of the gradient (1)")
    title = "STLP's gradient is backprop's where the ratio of masses vanishes"
    axis.set_title(title, fontsize=10)
    axis.legend(frameon=False)
    save(figure, out / "stlp_credit.png")
    moving = np.array(errors["moving"])
    at, small = int(np.argmin(np.abs(ratios - 1e-4))), ratios < 2e-3
    slope = np.polyfit(np.log(ratios[small]), np.log(moving[small]), 1)[0]
    verdict = "holds if m_x/m_w vanishes; large dissipation alone is not enough"
    return [
        Claim("stlp_bp", float(moving[at]), None, 1.5e-3, verdict),
        Claim("stlp_bp_slope", float(slope), 0.9, 1.1, verdict),
        Claim("stlp_bp_equal_masses", float(moving[-1]), 0.3, None, verdict),
    ]


def exchanged(counts: Sequence[int], rounds: Sequence[int]) -> Exchanged:
    """The credit of forty neurons after a number of exchanges, `counts` and `rounds`
    being steps of conjugate gradients alone and with sweeps.

    A product with A is two exchanges, across and along; a sweep is as many as deep.
    """
    (network, sample), ratio = _dag(40, 4), 1e-4
    deep = network.graph.depth() or 1
    credit = lambda gram: _found(_law(ratio, gram), network, sample(True))
    exact = credit(hl.mechanics.LocalCholesky())
    error = lambda gram: _relative(credit(gram), exact)
    cg, sweep = hl.mechanics.ConjugateGradients, hl.mechanics.NeumannSweeps(deep)
    return Exchanged(
        deep,
        {2 * k: error(cg(max_steps=k)) for k in counts},
        {(2 + 2 * deep) * k: error(cg(sweep, max_steps=k)) for k in rounds},
        _relative(_true_gradient(network, sample(True)), exact),
    )


def _exchanges(out: Path, quick: bool) -> list[Claim]:
    """The credit after a number of exchanges between neighbours."""
    counts = [1, 4, 16, 64] if quick else [1, 2, 4, 8, 16, 32, 64]
    found = exchanged(counts, (1, 2, 3, 4))
    curves = {
        "conjugate gradients": (found.plain, "o"),
        "with a forward and a backward sweep each": (found.swept, "s"),
    }
    figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
    for (name, (errors, mark)), colour in zip(curves.items(), COLOURS, strict=False):
        style = {"marker": mark, "color": colour, "label": name}
        axis.loglog(list(errors), list(errors.values()), **style)
    line = {"color": "0.45", "ls": "--", "lw": 1, "label": "backprop's gradient"}
    axis.axhline(found.backprop, **line)
    axis.set_xlabel("exchanges with neighbours (each one hop, all neurons at once)")
    axis.set_ylabel("relative error of the credit (1)")
    title = "Credit is a solve over the graph: right after many exchanges"
    axis.set_title(title, fontsize=10)
    axis.legend(frameon=False)
    save(figure, out / "stlp_exchanges.png")
    verdict = (
        "holds if the multipliers are given: these are a linear solve over the graph"
    )
    first, last = min(found.plain), max(found.swept)
    return [
        Claim("stlp_locality", found.plain[first], 1e-2, None, verdict),
        Claim("stlp_sweeps", found.swept[last], None, 1e-6, verdict),
    ]
