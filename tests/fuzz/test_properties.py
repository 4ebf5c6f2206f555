"""What must not matter: the order of units, `jit`, `vmap`, single precision."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamlearn as hl

from .families import LAWS, PAIRS, UNITS, made, permuted
from .streams import DT, KEY, signals
from .wrong import taken, tried

NODES = 3
_sgd = hl.updates.Optax(optax.sgd, learning_rate=0.1)
ON_GRAPHS = {
    "RTRL": (hl.RateNetwork, hl.RTRL(update=_sgd)),
    "SnAp-1": (hl.RateNetwork, hl.SnAp1(update=_sgd)),
    "Hamiltonian": (hl.RateNetwork, hl.HamiltonianLearning(dissipation=3.0)),
    "voltages": (hl.VoltageNetwork, hl.RTRL(update=_sgd)),
    "GLE": (hl.VoltageNetwork, hl.GLE(update=_sgd)),
}


@st.composite
def graphs(draw, acyclic):
    """A random graph of `NODES` nodes, with one edge in and one out of each or more;
    without cycles one that ends at node 0."""
    there = draw(st.lists(st.booleans(), min_size=NODES**2, max_size=NODES**2))
    ring = np.roll(np.eye(NODES, dtype=bool), 1, axis=1)
    matrix = np.reshape(there, (NODES, NODES)) | ring
    return np.triu(matrix, 1) if acyclic else matrix


def network(kind, matrix, seed, order, prospective):
    """The network of (receiver, sender) edges with drawn weights, its nodes renumbered."""
    rng = np.random.default_rng(seed)
    W, B, b = (rng.normal(size=s) for s in ((NODES, NODES), (NODES, 1), NODES))
    order = np.asarray(order)
    matrix, W, B, b = matrix[order][:, order], W[order][:, order], B[order], b[order]
    receivers, senders = np.nonzero(matrix)
    graph = hl.Digraph(NODES, senders, receivers)
    more = {"prospective_time_constant": 0.4} if prospective else {}
    net = kind(
        graph, inputs=1, outputs=[int(np.flatnonzero(order == 0)[0])],
        input_nodes=list(range(NODES)), key=KEY, **more,
    )  # fmt: skip
    weight = W[np.asarray(graph.receivers), np.asarray(graph.senders)]
    parts = (weight.reshape(graph.edge_shape), B, b)
    parts = tuple(jnp.asarray(part, net.bias.dtype) for part in parts)
    return eqx.tree_at(lambda n: (n.weight, n.input_weight, n.bias), net, parts)


def outputs(law, net):
    return hl.stream(law, net, signals(), dt=DT, progress=False).output


@pytest.mark.parametrize("name", ON_GRAPHS)
def test_the_order_of_nodes_does_not_matter(name):
    """On random graphs, which are held in other ways for other orders."""
    (kind, law), gle = ON_GRAPHS[name], name == "GLE"

    @tried(3)
    @given(graphs(gle), st.integers(0, 2**16), st.permutations(range(NODES)))
    def each(matrix, seed, order):
        right = outputs(law, network(kind, matrix, seed, range(NODES), gle))
        found = outputs(law, network(kind, matrix, seed, order, gle))
        np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-13)
        taken()

    each()


@pytest.mark.parametrize(
    ("family", "law"), [pair for pair in PAIRS if pair[0] != "prospective"]
)
def test_the_order_of_units_does_not_matter(family, law):
    """In networks of every family; what is learned is permuted too."""

    @tried(5)
    @given(st.integers(0, 2**16), st.permutations(range(UNITS)))
    def each(seed, order):
        net = made(family, seed)
        run = lambda net: hl.stream(
            LAWS[family][law], net, signals(), dt=DT, progress=False
        )
        right, found = run(net), run(permuted(family, net, order))
        np.testing.assert_allclose(found.output, right.output, rtol=1e-9, atol=1e-12)
        wanted = hl.split(permuted(family, right.network, order))[0]
        for name, leaf in hl.split(found.network)[0].items():
            np.testing.assert_allclose(leaf, wanted[name], rtol=1e-9, atol=1e-12)
        taken()

    each()


@pytest.mark.parametrize(("family", "law"), PAIRS[::2])
def test_jit_and_vmap_change_nothing(family, law):
    law = LAWS[family][law]
    samples = signals()

    def run(net):
        return hl.scan(law, law.init(net), samples, DT)[1].output

    together = eqx.filter_jit(eqx.filter_vmap(run, in_axes=(eqx.if_array(0),)))

    @tried(3)
    @given(st.lists(st.integers(0, 2**16), min_size=2, max_size=2))
    def each(seeds):
        nets = [made(family, seed) for seed in seeds]
        right = np.stack([outputs(law, net) for net in nets])
        many = jax.tree.map(
            lambda *a: jnp.stack(a) if eqx.is_array(a[0]) else a[0], *nets
        )
        np.testing.assert_allclose(together(many), right, rtol=1e-11, atol=1e-13)
        taken()

    each()


@pytest.mark.parametrize(("family", "law"), PAIRS)
def test_single_precision_agrees_with_double(family, law):
    law = LAWS[family][law]
    single = lambda a: a.astype(np.float32) if eqx.is_inexact_array(a) else a

    @tried(5)
    @given(st.integers(0, 2**16))
    def each(seed):
        net = made(family, seed)
        found = outputs(law, jax.tree.map(single, net))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, outputs(law, net), rtol=1e-4, atol=1e-5)
        taken()

    each()
