"""One network of every family, three units each, and a law that suits it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.graph.nodes import NodeSet
from hamlearn.laws.hamiltonian_flow import LearningHamiltonian

from .streams import KEY

SGD = hl.updates.Optax(optax.sgd, learning_rate=0.05)
UNITS = 3


def _graph():
    return hl.Digraph.complete(UNITS, self_loops=True)


def _rate(key):
    read = eqx.nn.Linear(UNITS, 1, key=key)
    return hl.RateNetwork(_graph(), inputs=1, outputs=UNITS, readout=read, key=key)


def _voltage(key):
    return hl.VoltageNetwork(_graph(), inputs=1, outputs=[0], key=key)


def _prospective(key):
    options = {"membrane_time_constant": 1.0, "prospective_time_constant": 0.4}
    return _layers(hl.VoltageNetwork, [2, 1], key, **options)


def _layers(kind, sizes, key, **options):
    graph, nodes = hl.Digraph.layered(sizes), list(range(sum(sizes)))
    options = {"inputs": 1, "outputs": nodes[-1:], "input_nodes": nodes} | options
    return kind(graph, key=key, **options)


def _diagonal(key):
    return hl.DiagonalNetwork(UNITS, inputs=1, time_constant=(0.5, 5.0), key=key)


def _gated(key):
    return hl.DiagonalNetwork(
        UNITS, inputs=1, time_constant=(0.5, 5.0), gated=True, key=key
    )


def _stack(key):
    a, b, c = jax.random.split(key, 3)
    head = hl.networks.OwnHead(UNITS, inputs=1, key=a)
    below = hl.DiagonalNetwork(
        UNITS, inputs=1, time_constant=(0.5, 5.0), head=head, key=b
    )
    above = hl.DiagonalNetwork(
        UNITS, inputs=UNITS, classes=1, time_constant=(0.5, 5.0), key=c
    )
    return hl.Stack([below, above])


def _deep(key):
    a, b, c = jax.random.split(key, 3)
    middle, above = (
        hl.DiagonalNetwork(
            UNITS, inputs=UNITS, classes=1, time_constant=(0.5, 5.0), head=head, key=b
        )
        for head in (hl.networks.OwnHead(UNITS, inputs=UNITS, key=a), None)
    )
    return hl.Stack([_stack(c).layers[0], middle, above])


def _spiking(key):
    net = hl.networks.SpikingNetwork(
        UNITS, inputs=1, outputs=1, adaptive=1, time_constant=0.5,
        adaptation_time_constant=2.0, readout_time_constant=0.5, threshold=0.3, key=key,
    )  # fmt: skip
    return eqx.tree_at(lambda n: n.beta, net, jnp.linspace(0.1, 0.3, UNITS))


def _hamiltonian(key):
    well = hl.networks.LogCosh(jnp.linspace(0.5, 2.0, UNITS))
    read = eqx.nn.Linear(UNITS, 1, key=key)
    return hl.networks.HamiltonianNetwork(
        well, neurons=UNITS, inputs=1, readout=read, dissipation=0.3, key=key
    )


class Drift(eqx.Module):
    """A cell of a user's own, with a matrix."""

    A: jax.Array
    B: jax.Array

    def __call__(self, x, u):
        return jnp.tanh(self.A @ x + self.B @ u) - x


def _own(key):
    a, b, c = jax.random.split(key, 3)
    draw = lambda key, *shape: jax.random.normal(key, shape)
    drift = Drift(draw(a, UNITS, UNITS), draw(b, UNITS, 1))
    read = eqx.nn.Linear(UNITS, 1, key=c)
    return hl.Dynamics(drift, initial_state=jnp.zeros(UNITS), readout=read, inputs=1)


MAKE = {
    "rate": _rate,
    "voltage": _voltage,
    "prospective": _prospective,
    "diagonal": _diagonal,
    "gated": _gated,
    "stack": _stack,
    "spiking": _spiking,
    "oscillators": _hamiltonian,
    "own": _own,
}
LAYERS = {
    "layers": lambda key: _layers(hl.RateNetwork, [2, 2, 1], key),
    "still": lambda key: _layers(
        hl.VoltageNetwork, [2, 2, 1], key, prospective_time_constant=0.0
    ),
    "latent": lambda key: _layers(
        hl.VoltageNetwork, [2, 2, 1], key, prospective_time_constant=1.0
    ),
    "deep": _deep,
}
"""For laws that take no other network."""
RTRL, BPTT = hl.RTRL(update=SGD), hl.BPTT(update=SGD, window=2)


def _flip(**options):
    return hl.HamiltonianLearning(dissipation=3.0, **options)


def _less_far_away(network, x, sample):
    return hl.Cost(loss_weight=1 / (1 + jnp.sum(x**2)))


def _flow():
    scalar = LearningHamiltonian(hl.Cost(), 1.0)
    return hl.laws.HamiltonianFlow(None, scalar, hl.costates.HamiltonianSign(), 3.0)


LAWS = {
    "rate": {
        "RTRL": RTRL,
        "RTRL, a flow": hl.RTRL(
            update=hl.updates.GradientFlow(0.1), solver=hl.mechanics.Euler()
        ),
        "SnAp": hl.SnAp(update=SGD, order=2),
        "RFLO": hl.RFLO(update=SGD),
        "EProp": hl.EProp(update=SGD),
        "UORO": hl.laws.UORO(update=SGD),
        "KFRTRL": hl.laws.KFRTRL(update=SGD),
        "Hops": hl.laws.Hops(update=SGD, order=2),
        "SpatialTrace": hl.laws.SpatialTrace(update=SGD, sweeps=1),
        "Filtered": hl.laws.Filtered(update=SGD, sweeps=1),
        "DNI": hl.laws.DNI(update=SGD),
        "BPLambda": hl.laws.BPLambda(update=SGD),
        "Instantaneous": hl.laws.Instantaneous(update=SGD, sweeps=1),
        "FeedbackAlignment": hl.laws.FeedbackAlignment(update=SGD, sweeps=1),
        "RecurrentBackprop": hl.laws.RecurrentBackprop(update=SGD),
        "SlidingBPTT": hl.laws.SlidingBPTT(update=SGD, window=2),
        "HamiltonianLearning": _flip(),
        "HamiltonianLearning, smooth": _flip(policy=hl.costates.SmoothSign(0.5)),
        "HamiltonianLearning, held": _flip(policy=hl.costates.HysteresisSign(0.1)),
        "HamiltonianLearning, reset": _flip(policy=hl.costates.CostateReset(0.1)),
        "HamiltonianFlow": _flow(),
        "CostAlong": hl.laws.CostAlong(_flip(), _less_far_away),
    },
    "voltage": {
        "SnAp1": hl.SnAp1(update=SGD),
        "RTRL, block": hl.RTRL(update=SGD, block=2),
    },
    "prospective": {"GLE": hl.GLE(update=SGD), "VLE": hl.VLE(update=SGD, window=2)},
    "layers": {
        "STLP": hl.STLP(inertia=1.0, dissipation=3.0, neuron_mass=0.1),
        "HamiltonianLearning, reversal": _flip(policy=hl.costates.TimeReversal()),
    },
    "still": {"NLA": hl.laws.NLA()},
    "latent": {"LE": hl.LE(update=SGD)},
    "diagonal": {"DiagonalRTRL": hl.laws.DiagonalRTRL(update=SGD), "BPTT": BPTT},
    "gated": {"DiagonalRTRL": hl.laws.DiagonalRTRL(update=SGD)},
    "stack": {
        "DiagonalRTRL": hl.laws.DiagonalRTRL(update=SGD),
        "DiagonalFiltered": hl.laws.DiagonalFiltered(update=SGD),
    },
    "deep": {"MeanSlopeRTRL": hl.laws.MeanSlopeRTRL(update=SGD)},
    "spiking": {"SpikingEProp": hl.laws.SpikingEProp(update=SGD)},
    "oscillators": {"RTRL": RTRL, "Echo": hl.laws.Echo(update=SGD, window=2)},
    "own": {"RTRL": RTRL},
}
"""Every law at least once."""
PAIRS = [(family, law) for family, laws in LAWS.items() for law in laws]
WITHIN = [[1, 0, 2, 3, 4], [0, 1, 3, 2, 4], [1, 0, 3, 2, 4]]
ORDERS = {"prospective": [[1, 0, 2]], **dict.fromkeys(LAYERS, WITHIN), "deep": []}
"""In which orders units may stand, where not in all: layers stay layers."""
NORMAL = ("RFLO", "FeedbackAlignment")
"""Laws that draw numbers which are others in another precision."""
DRAWN = (*NORMAL, "UORO", "KFRTRL")
"""Laws that draw a number for each unit by its place: in another order, others."""


def made(family, seed=0):
    """The network of a seed."""
    return (MAKE | LAYERS)[family](jax.random.fold_in(KEY, seed))


def permuted(family, net, order):
    """The same network with its units in another order."""
    order = np.asarray(order)
    rows = lambda *fields: lambda n: [getattr(n, name) for name in fields]
    change = lambda where, net, new: eqx.tree_at(where, net, new)
    if family in ("rate", "voltage"):
        where = rows("weight", "input_weight", "bias")
        w, b, c = where(net)
        net = change(where, net, [w[order][:, order], b[order], c[order]])
        if family == "voltage":
            return change(lambda n: n.output_nodes, net, NodeSet(np.argsort(order)[:1]))
        return _read(net, order)
    if family in ORDERS:
        graph = net.graph
        at = np.asarray(graph.receivers), np.asarray(graph.senders)
        dense = np.zeros((order.size, order.size))
        dense[at] = np.ravel(net.weight)
        weight = dense[order][:, order][at].reshape(graph.edge_shape)
        weight = jnp.asarray(weight, net.weight.dtype)
        parts = [weight, net.input_weight[order], net.bias[order]]
        return change(rows("weight", "input_weight", "bias"), net, parts)
    if family == "spiking":
        where = rows("weight", "input_weight", "beta")
        w, b, beta = where(net)
        net = change(where, net, [w[order][:, order], b[order], beta[order]])
        return _read(net, order)
    if family == "oscillators":
        where = lambda n: [*jax.tree.leaves(n.potential), n.input_weight]
        net = change(where, net, [leaf[order] for leaf in where(net)])
        return _read(net, order)
    if family == "own":
        where = lambda n: [n.drift.A, n.drift.B]
        A, B = where(net)
        return _read(change(where, net, [A[order][:, order], B[order]]), order)
    if family in ("diagonal", "gated"):
        net = _modes(net, order)
        return change(lambda n: n.head.mix, net, net.head.mix[:, :, order])
    if family == "stack":
        below, above = net.layers
        below = _modes(below, order)
        where = lambda n: [n.head.skip, n.head.bias]
        below = change(where, below, [leaf[order] for leaf in where(below)])
        B = above.input_weight[:, :, order]
        above = change(lambda n: n.input_weight, above, B)
        above = change(lambda n: n.head.skip, above, above.head.skip[:, order])
        return hl.Stack([below, above])
    raise AssertionError(family)


def _read(net, order):
    where = lambda n: n.readout_map.weight
    return eqx.tree_at(where, net, where(net)[:, order])


def _modes(net, order):
    where = lambda n: [n.log_decay, n.log_frequency, n.log_gain]
    net = eqx.tree_at(where, net, [leaf[order] for leaf in where(net)])
    net = eqx.tree_at(lambda n: n.input_weight, net, net.input_weight[:, order])
    if net.keep_weight is None:
        return net
    where = lambda n: [n.keep_weight, n.write_weight]
    return eqx.tree_at(where, net, [leaf[order] for leaf in where(net)])
