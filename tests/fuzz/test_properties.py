"""What must not matter: the order of nodes, `jit`, `vmap`, single precision."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamlearn as hl

from .streams import DT, KEY, signals
from .wrong import tried

NODES = 3
_sgd = hl.updates.Optax(optax.sgd, learning_rate=0.1)
LAWS = {
    "RTRL": hl.RTRL(update=_sgd),
    "SnAp-1": hl.SnAp1(update=_sgd),
    "e-prop": hl.EProp(update=_sgd),
    "BPTT": hl.BPTT(update=_sgd, window=2),
    "Hamiltonian": hl.HamiltonianLearning(dissipation=3.0),
}


@st.composite
def graphs(draw):
    """A random graph of `NODES` nodes, with one edge in and one out of each or more."""
    there = draw(st.lists(st.booleans(), min_size=NODES**2, max_size=NODES**2))
    ring = np.roll(np.eye(NODES, dtype=bool), 1, axis=1)
    matrix = np.reshape(there, (NODES, NODES)) | ring
    return matrix, draw(st.integers(0, 2**16))


def network(matrix, seed, dtype=None, order=None):
    """The network of (receiver, sender) edges with drawn weights, its nodes renumbered."""
    rng = np.random.default_rng(seed)
    W, B, b = (rng.normal(size=s) for s in ((NODES, NODES), (NODES, 1), NODES))
    order = np.arange(NODES) if order is None else np.asarray(order)
    matrix, W, B, b = matrix[order][:, order], W[order][:, order], B[order], b[order]
    receivers, senders = np.nonzero(matrix)
    graph = hl.Digraph(NODES, senders, receivers)
    net = hl.RateNetwork(
        graph, inputs=1, outputs=[int(np.flatnonzero(order == 0)[0])],
        input_nodes=list(range(NODES)), dtype=dtype, key=KEY,
    )  # fmt: skip
    weight = W[np.asarray(graph.receivers), np.asarray(graph.senders)]
    parts = (weight.reshape(graph.edge_shape), B, b)
    parts = tuple(jnp.asarray(part, net.bias.dtype) for part in parts)
    return eqx.tree_at(lambda n: (n.weight, n.input_weight, n.bias), net, parts)


def outputs(law, net):
    return hl.stream(law, net, signals(), dt=DT, progress=False).output


@pytest.mark.parametrize("name", LAWS)
def test_the_order_of_nodes_does_not_matter(name):
    @tried(6)
    @given(graphs(), st.permutations(range(NODES)))
    def each(graph, order):
        right = outputs(LAWS[name], network(*graph))
        found = outputs(LAWS[name], network(*graph, order=order))
        np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-13)

    each()


@pytest.mark.parametrize("name", LAWS)
def test_jit_and_vmap_change_nothing(name):
    law, samples = LAWS[name], signals()

    def run(net):
        return hl.scan(law, law.init(net), samples, DT)[1].output

    together = eqx.filter_jit(eqx.filter_vmap(run, in_axes=(eqx.if_array(0),)))

    @tried(2)
    @given(st.lists(st.integers(0, 2**16), min_size=2, max_size=2))
    def each(seeds):
        full = np.ones((NODES, NODES), bool)
        nets = [network(full, seed) for seed in seeds]
        right = np.stack([outputs(law, net) for net in nets])
        many = jax.tree.map(
            lambda *a: jnp.stack(a) if eqx.is_array(a[0]) else a[0], *nets
        )
        np.testing.assert_allclose(together(many), right, rtol=1e-12, atol=1e-14)

    each()


@pytest.mark.parametrize("name", LAWS)
def test_single_precision_agrees_with_double(name):
    @tried(6)
    @given(st.integers(0, 2**16))
    def each(seed):
        full = np.ones((NODES, NODES), bool)
        right = outputs(LAWS[name], network(full, seed))
        found = outputs(LAWS[name], network(full, seed, dtype="float32"))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)

    each()
