"""Activations with a `custom_vjp` alone, under laws that push changes forward."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl

KEY = jax.random.key(0)
SGD = hl.updates.Optax(optax.sgd, learning_rate=0.1)
FORWARD = {
    "RTRL": hl.RTRL(update=SGD),
    "SnAp-2": hl.SnAp(update=SGD, order=2),
    "e-prop": hl.EProp(update=SGD),
    "UORO": hl.laws.UORO(update=SGD),
    "KF-RTRL": hl.laws.KFRTRL(update=SGD),
    "sign flip": hl.HamiltonianLearning(dissipation=1.0),
}


@jax.custom_vjp
def own(a):
    return jnp.tanh(a)


own.defvjp(lambda a: (jnp.tanh(a), a), lambda a, c: ((1 - jnp.tanh(a) ** 2) * c,))


def samples():
    t = np.arange(6)[:, None]
    return np.sin(t), 0.5 * np.cos(0.7 * t)


@pytest.mark.parametrize("name", FORWARD)
def test_on_rate_networks_the_slopes_are_those_that_it_gives(name):
    graph = hl.Digraph.complete(3, self_loops=True)
    runs = [
        hl.stream(
            FORWARD[name],
            hl.RateNetwork(graph, inputs=1, activation=phi, key=KEY),
            samples(),
            dt=0.1,
            key=KEY,
            progress=False,
        )
        for phi in (own, jnp.tanh)
    ]
    np.testing.assert_allclose(runs[0].loss, runs[1].loss, rtol=1e-12)
    for leaf, other in zip(*(run.state.w.values() for run in runs), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-11, atol=1e-14)


class Cell(eqx.Module):
    weight: jax.Array

    def __call__(self, x, u):
        return own(self.weight * x + u) - x


def test_in_a_cell_of_the_user_s_it_is_named():
    cell = hl.Dynamics(Cell(jnp.ones(1)), initial_state=jnp.zeros(1), inputs=1)
    with pytest.raises(ValueError, match=r"`network` must be made of .*`custom_jvp`"):
        hl.stream(FORWARD["RTRL"], cell, samples(), dt=0.1, progress=False)
