"""RTRL in blocks against RTRL sample by sample, and against BPTT."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from online_twin import relative
from online_twin import summed as summed_by

import hamlearn as hl
from hamlearn import RTRL, Batch, Cost, Digraph, Dynamics, RateNetwork, Sample
from hamlearn.updates import Optax

COST = Cost(loss_weight=1.5, weight_decay=0.01)
EVERYTHING = ("weight", "input_weight", "bias", "readout_map", "time_constant")
GRAPHS = {
    "dense": lambda key: Digraph.complete(5, self_loops=True),
    "layered": lambda key: Digraph.layered([3, 4, 2]),
    "rows": lambda key: Digraph.random(7, in_degree=2, key=key),
}


def make_network(graph, key):
    a, b = jax.random.split(key)
    return RateNetwork(
        graph, inputs=2, outputs=2, key=a, learn=EVERYTHING,
        time_constant=jnp.linspace(0.5, 2.0, graph.num_nodes),
        readout=eqx.nn.Linear(2, 2, key=b),
    )  # fmt: skip


def make_samples(key, steps, batch=(), start=None):
    a, b, c = jax.random.split(key, 3)
    normal = lambda key: jax.random.normal(key, (steps, *batch, 2))
    weight = jax.random.uniform(c, (steps,))
    return Sample(normal(a), normal(b), weight, start=start)


class Twisted(eqx.Module):
    """A module that shares weights between the parts of its state."""

    w: jax.Array

    def __call__(self, x, u):
        a, b = x
        return jnp.tanh(self.w @ b + u) - a, jnp.sin(self.w.T @ a[:2]) - b


class Product(eqx.Module):
    def __call__(self, x, u):
        return x[0] * x[1]


def module(key):
    w = jax.random.normal(key, (2, 2))
    x0 = (jnp.ones(2), jnp.zeros(2))
    return Dynamics(Twisted(w), initial_state=x0, readout=Product())


@pytest.mark.parametrize("kind", [*GRAPHS, "module"])
@pytest.mark.parametrize("block", [1, 4, 15])
def test_blocks_sum_to_the_exact_gradient(getkey, kind, block):
    key, inputs = getkey(), None
    if kind == "module":
        network, inputs = module(key), 2
    else:
        network = make_network(GRAPHS[kind](key), getkey())
    samples = make_samples(getkey(), 60)
    law = RTRL(COST, block=block, inputs=inputs)
    exact = hl.exact_gradient(COST, network, samples, dt=0.2).w
    assert relative(summed_by(law, network, samples), exact) < 1e-12


def test_every_block_has_the_sum_of_its_samples(getkey):
    network = make_network(GRAPHS["dense"](None), getkey())
    samples = make_samples(getkey(), 24)

    def found(law):
        state, every = law.init(network), []
        for k in range(24):
            sample = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
            g, state, _ = eqx.filter_jit(law.estimate)(state, sample, jnp.array(0.2))
            every.append(g)
        return jax.tree.map(lambda *leaves: np.stack(leaves), *every)

    blocks, each = found(RTRL(COST, block=6)), found(RTRL(COST))
    for name, leaf in blocks.items():
        cut = lambda a: a.reshape(4, 6, *a.shape[1:])
        assert not np.any(cut(leaf)[:, :-1])
        wanted = cut(each[name]).sum(1)
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(cut(leaf)[:, -1], wanted, atol=1e-12 * scale)


def test_a_block_of_one_is_rtrl_with_moving_weights(getkey):
    network = make_network(GRAPHS["rows"](getkey()), getkey())
    samples, sgd = make_samples(getkey(), 80), Optax(optax.adam, learning_rate=0.02)
    learned = [
        hl.scan(law, law.init(network), samples, 0.2)[0].w
        for law in (RTRL(COST, sgd), RTRL(COST, sgd, block=1))
    ]
    assert relative(learned[1], learned[0]) < 1e-11
    assert relative(learned[0], hl.split(network)[0]) > 1e-3


def test_credit_ends_where_an_episode_begins(getkey):
    network = make_network(GRAPHS["dense"](None), getkey())
    start = jnp.zeros(40, bool).at[jnp.array([0, 9, 10, 24])].set(True)
    samples = make_samples(getkey(), 40, start=start)
    exact = hl.exact_gradient(COST, network, samples, dt=0.2).w
    g = summed_by(RTRL(COST, block=8), network, samples)
    assert relative(g, exact) < 1e-12
    without = Sample(samples.input, samples.target, samples.weight)
    assert relative(summed_by(RTRL(COST, block=8), network, without), exact) > 1e-3


def test_streams_have_a_sensitivity_each(getkey):
    network = Batch(make_network(GRAPHS["layered"](None), getkey()), 3)
    samples = make_samples(getkey(), 20, batch=(3,))
    exact = hl.exact_gradient(COST, network, samples, dt=0.2).w
    assert relative(summed_by(RTRL(COST, block=5), network, samples), exact) < 1e-12


def test_blocks_may_be_mapped_over_seeds(getkey):
    keys = jax.random.split(getkey(), 3)
    samples, law = make_samples(getkey(), 20), RTRL(COST, block=5)

    def run(key):
        network = make_network(GRAPHS["dense"](None), key)
        return hl.scan(law, law.init(network), samples, 0.2)[1].loss

    alone = jnp.stack([run(key) for key in keys])
    np.testing.assert_allclose(jax.vmap(run)(keys), alone, rtol=1e-12)


def test_bad_blocks_are_named():
    with pytest.raises(ValueError, match="`block` must be an integer of at least 1"):
        RTRL(block=0)
    with pytest.raises(ValueError, match="`solver` must be None for a law with"):
        RTRL(block=2, solver=diffrax.Euler())
