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

from .families import DRAWN, LAWS, NORMAL, ORDERS, PAIRS, UNITS, made, permuted
from .streams import DT, KEY, jets
from .wrong import refused, taken, tried

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


def streamed(law, net):
    return hl.stream(law, net, jets(), dt=DT, key=KEY, progress=False)


@pytest.mark.parametrize("name", ON_GRAPHS)
def test_the_order_of_nodes_does_not_matter(name):
    """On random graphs, which are held in other ways for other orders."""
    (kind, law), gle = ON_GRAPHS[name], name == "GLE"

    @tried(3)
    @given(graphs(gle), st.integers(0, 2**16), st.permutations(range(NODES)))
    def each(matrix, seed, order):
        right = streamed(law, network(kind, matrix, seed, range(NODES), gle)).output
        found = streamed(law, network(kind, matrix, seed, order, gle)).output
        np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-13)
        taken()

    each()


PERMUTED = [
    pair for pair in PAIRS if ORDERS.get(pair[0], [True]) and pair[1] not in DRAWN
]


@pytest.mark.parametrize(("family", "law"), PERMUTED)
def test_the_order_of_units_does_not_matter(family, law):
    """In networks of every family; what is learned is permuted too."""
    orders = ORDERS.get(family)
    orders = st.sampled_from(orders) if orders else st.permutations(range(UNITS))

    @tried(4)
    @given(st.integers(0, 2**16), orders)
    def each(seed, order):
        net = made(family, seed)
        right = streamed(LAWS[family][law], net)
        found = streamed(LAWS[family][law], permuted(family, net, order))
        np.testing.assert_allclose(found.output, right.output, rtol=1e-9, atol=1e-12)
        wanted = hl.split(permuted(family, right.network, order))[0]
        for name, leaf in hl.split(found.network)[0].items():
            np.testing.assert_allclose(leaf, wanted[name], rtol=1e-9, atol=1e-12)
        taken()

    each()


@pytest.mark.parametrize(("family", "law"), PAIRS)
def test_jit_and_vmap_change_nothing(family, law):
    """Nor where the state is made inside, of a network that comes from outside."""
    law, inside = LAWS[family][law], made(family)
    graph = getattr(inside, "graph", None)

    def run(net):
        if graph is not None:  # SnAp asks for the edges before any program is built
            net = eqx.tree_at(lambda net: net.graph, net, graph)
        return hl.scan(law, law.init(net, key=KEY), jets(), DT)[1].output

    together = eqx.filter_jit(eqx.filter_vmap(run, in_axes=(eqx.if_array(0),)))

    @tried(2)
    @given(st.lists(st.integers(0, 2**16), min_size=2, max_size=2))
    def each(seeds):
        nets = [made(family, seed) for seed in seeds]
        right = np.stack([streamed(law, net).output for net in nets])
        many = jax.tree.map(
            lambda *a: jnp.stack(a) if eqx.is_array(a[0]) else a[0], *nets
        )
        np.testing.assert_allclose(together(many), right, rtol=1e-11, atol=1e-13)
        taken()

    each()


@pytest.mark.parametrize(("family", "law"), PAIRS)
def test_what_a_law_carries_is_known_without_any_number(family, law):
    net, law = made(family), LAWS[family][law]
    init = lambda net: eqx.filter(law.init(net, key=KEY), eqx.is_array)
    if law is LAWS["rate"]["SnAp"]:
        refused(lambda: eqx.filter_eval_shape(init, net), "network.graph")
        return
    shapes = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)
    assert shapes(eqx.filter_eval_shape(init, net)) == shapes(init(net))


@pytest.mark.parametrize(
    ("family", "law"), [pair for pair in PAIRS if pair[1] not in NORMAL]
)
def test_single_precision_agrees_with_double(family, law):
    law = LAWS[family][law]
    single = lambda a: a.astype(np.float32) if eqx.is_inexact_array(a) else a

    @tried(4)
    @given(st.integers(0, 2**16))
    def each(seed):
        net = made(family, seed)
        found = streamed(law, jax.tree.map(single, net)).output
        assert found.dtype == np.float32
        right = streamed(law, net).output
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
        taken()

    each()


def test_every_law_is_among_them():
    rest = {"Law", "AbstractLaw", "AbstractFlow", "State", "Info"}
    known = {name for name in vars(hl.laws) if name[0].isupper()} - rest
    assert {law.split(",")[0] for _, law in PAIRS} == known
