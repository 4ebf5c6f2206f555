"""RTRL against BPTT on every kind of dynamics, with the weights held."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from online_twin import estimates, relative
from online_twin import summed as summed_by

from hamlearn import (
    RTRL,
    Batch,
    Cost,
    Digraph,
    Dynamics,
    RateNetwork,
    Sample,
    exact_gradient,
    split,
    stream,
)
from hamlearn.updates import Optax

COST = Cost(loss_weight=1.5, weight_decay=0.01)


def summed(network, samples):
    return summed_by(RTRL(COST), network, samples)


def make_samples(key, steps=15, inputs=2, outputs=2, batch=()):
    key_u, key_y = jax.random.split(key)
    u = jax.random.normal(key_u, (steps, *batch, inputs))
    return Sample(u, jax.random.normal(key_y, (steps, *batch, outputs)))


GRAPHS = {
    "dense": lambda key: Digraph.complete(5, self_loops=True),
    "without loops": lambda key: Digraph.complete(5, self_loops=False),
    "layered": lambda key: Digraph.layered([3, 4, 2]),
    "rows": lambda key: Digraph.random(7, in_degree=2, key=key),
    "acyclic": lambda key: Digraph.random(7, in_degree=2, acyclic=True, key=key),
    "with some loops": lambda key: Digraph(4, [0, 0, 1, 2, 3, 3], [0, 1, 2, 3, 3, 0]),
}
EVERYTHING = ("weight", "input_weight", "bias", "readout_map", "time_constant")


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize("leaky", [True, False])
def test_rtrl_is_bptt_on_every_graph(getkey, kind, leaky):
    graph = GRAPHS[kind](getkey())
    tau = jnp.linspace(0.5, 2.0, graph.num_nodes) if leaky else 0.2
    network = RateNetwork(
        graph, inputs=2, outputs=2, time_constant=tau, key=getkey(),
        readout=eqx.nn.Linear(2, 2, key=getkey()), learn=EVERYTHING,
    )  # fmt: skip
    samples = make_samples(getkey())
    exact = exact_gradient(COST, network, samples, dt=0.2).w
    g = summed(network, samples)
    assert relative(g, exact) < 1e-12
    assert all(np.abs(exact[name]).max() > 1e-6 for name in exact)


class GRU(eqx.Module):
    """A gated cell with a pytree as state: the user's own module."""

    gate: eqx.nn.Linear
    new: eqx.nn.Linear

    def __init__(self, inputs, units, key):
        a, b = jax.random.split(key)
        self.gate = eqx.nn.Linear(inputs + units, units, key=a)
        self.new = eqx.nn.Linear(inputs + units, units, key=b)

    def __call__(self, x, u):
        h = x["h"]
        z = jax.nn.sigmoid(self.gate(jnp.concatenate([u, h])))
        new = jnp.tanh(self.new(jnp.concatenate([u, z * h])))
        return {
            "h": z * (new - h) + 0.1 * x["slow"][:3],
            "slow": 0.3 * (h[0] - x["slow"]),
        }


class Read(eqx.Module):
    linear: eqx.nn.Linear

    def __call__(self, x, u):
        return self.linear(x["h"])


def gru(key):
    a, b = jax.random.split(key)
    return Dynamics(
        GRU(2, 3, a),
        initial_state={"h": jnp.zeros(3), "slow": jnp.ones(4)},
        readout=Read(eqx.nn.Linear(3, 2, key=b)),
    )


def test_rtrl_is_bptt_on_any_module(getkey):
    network, samples = gru(getkey()), make_samples(getkey())
    exact = exact_gradient(COST, network, samples, dt=0.2).w
    g = summed(network, samples)
    assert relative(g, exact) < 1e-12


def test_rtrl_is_the_forward_jacobian_at_every_sample(getkey):
    network, samples = gru(getkey()), make_samples(getkey(), 6)
    each = estimates(RTRL(COST), network, samples)
    for k in range(6):
        only = jnp.zeros(6).at[k].set(1.0)
        exact = exact_gradient(COST, network, samples, dt=0.2, counted=only).w
        g = jax.tree.map(lambda leaf, k=k: leaf[k], each)
        assert relative(g, exact) < 1e-12


@pytest.mark.parametrize("kind", ["rate", "module"])
def test_a_batch_is_the_mean_over_its_streams(getkey, kind):
    graph = Digraph.random(5, in_degree=2, key=getkey())
    network = RateNetwork(graph, inputs=2, outputs=2, key=getkey())
    network = network if kind == "rate" else gru(getkey())
    samples = make_samples(getkey(), batch=(3,))
    exact = exact_gradient(COST, Batch(network, 3), samples, dt=0.2).w
    g = summed(Batch(network, 3), samples)
    assert relative(g, exact) < 1e-12


def test_the_sensitivities_hold_only_weights_that_move_the_state(getkey):
    graph = Digraph.random(20, in_degree=3, key=getkey())
    network = RateNetwork(
        graph, outputs=2, readout=eqx.nn.Linear(2, 7, key=getkey()), key=getkey()
    )
    state = RTRL(COST).init(network)
    assert state.credit.memory.shape == (20, 20 * 3 + 20)
    w, _ = split(network)
    assert {name: leaf.shape for name, leaf in state.w.items()} == {
        name: leaf.shape for name, leaf in w.items()
    }


def test_estimates_do_not_see_the_future(getkey):
    network, samples = gru(getkey()), make_samples(getkey())
    other = eqx.tree_at(lambda s: s.input, samples, samples.input.at[8:].add(3.0))
    a = estimates(RTRL(COST), network, samples)
    b = estimates(RTRL(COST), network, other)
    for name in a:
        assert np.array_equal(a[name][:8], b[name][:8])
        assert not np.array_equal(a[name][9:], b[name][9:])


def test_it_learns_what_truncation_to_one_step_cannot(getkey):
    # y_k = u_{k-4}: only credit through time can hold an input for four samples.
    network = RateNetwork(
        Digraph.complete(12, self_loops=True), inputs=1, outputs=12, gain=1.0,
        readout=eqx.nn.Linear(12, 1, key=getkey()), time_constant=1.0, key=getkey(),
    )  # fmt: skip
    u = jax.random.rademacher(getkey(), (12000, 1), jnp.float64)
    y = jnp.roll(u, 4, axis=0)
    law = RTRL(Cost(), Optax(optax.adam, learning_rate=3e-3))
    result = stream(law, network, (u, y), dt=1.0, progress=False)
    assert result.loss[-1000:].mean() < 0.2 * result.losses["zero"]
