"""The transposed derivative of a step at many samples, against one at a time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.costates.transposed import transposed

N, M, T, DT = 20, 2, 9, 0.3


def of(network, x, u):
    samples = hl.Sample(u, jnp.zeros((T, 1)))
    return transposed(network, x, samples, jnp.asarray(DT))


class Masked(eqx.Module):
    """A gated cell, whose weights are masked at every step."""

    weight: jax.Array
    heard: jax.Array
    mask: np.ndarray

    def __call__(self, x, u):
        arrived = (self.weight * self.mask) @ x + self.heard @ u
        return jax.nn.sigmoid(arrived) * jnp.tanh(x) - x


class Many(eqx.Module):
    """A cell with many numbers a sample: it relaxes for fifty turns."""

    weight: jax.Array

    def __call__(self, x, u):
        turn = lambda y, _: (jnp.tanh(self.weight @ y + x), None)
        return jax.lax.scan(turn, x, None, length=50)[0] - x


def masked(key):
    a, b = jax.random.split(key)
    mask = np.random.default_rng(0).integers(0, 2, (N, N)).astype(float)
    cell = Masked(jax.random.normal(a, (N, N)), jax.random.normal(b, (N, M)), mask)
    return hl.Dynamics(cell, initial_state=jnp.zeros(N))


def many(key):
    cell = Many(0.3 * jax.random.normal(key, (N, N)))
    return hl.Dynamics(cell, initial_state=jnp.zeros(N))


def gated(key):
    cell = eqx.nn.GRUCell(M, N, key=key)
    change = lambda x, u: cell(u, x) - x
    return hl.Dynamics(change, initial_state=jnp.zeros(N))


def diagonal(key):
    return hl.DiagonalNetwork(N, inputs=M, outputs=1, key=key)


def stack(key):
    a, b = jax.random.split(key)
    first = hl.DiagonalNetwork(N, inputs=M, outputs=N, key=a)
    return hl.Stack([first, hl.DiagonalNetwork(N, inputs=N, outputs=1, key=b)])


def states(network, key):
    x = network.initial_state()
    keys = iter(jax.random.split(key, 16))
    draw = lambda leaf: jax.random.normal(next(keys), (T, *leaf.shape), leaf.dtype)
    return jax.tree.map(draw, x)


@pytest.mark.parametrize("make", [masked, many, gated, diagonal, stack])
def test_is_the_derivative_at_each_sample(make, getkey):
    network = make(getkey())
    x, p = states(network, getkey()), states(network, getkey())
    u = jax.random.normal(getkey(), (T, M))
    through, each = of(network, x, u)
    for k in range(T):
        now, at, here = (jax.tree.map(lambda a, k=k: a[k], t) for t in (each, x, p))
        _, pull = jax.vjp(lambda x, k=k: network.transition(x, u[k], DT), at)
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)
        jax.tree.map(close, through(now, here), pull(here)[0])


@pytest.mark.parametrize("make", [masked, many, gated])
def test_keeps_some_numbers_a_neuron_and_no_weights(make, getkey):
    network = make(getkey())
    x, u = states(network, getkey()), jax.random.normal(getkey(), (T, M))
    _, each = of(network, x, u)
    kept = sum(leaf.size for leaf in jax.tree.leaves(each))
    assert kept <= 16 * T * N


def test_takes_products_with_weights_out_of_the_way_back(getkey):
    """What is left for each sample is one product, and not the two of a step."""
    network = masked(getkey())
    x, u = states(network, getkey()), jax.random.normal(getkey(), (T, M))

    def back(x, p):
        through, each = of(network, x, u)
        return jax.lax.scan(lambda p, now: (through(now, p), None), p, each)[0]

    program = jax.make_jaxpr(back)(x, x[0]).jaxpr
    (loop,) = [e for e in program.eqns if e.primitive.name == "scan"]
    inside = str(loop.params["jaxpr"])
    assert inside.count("dot_general") == 1
    assert "tanh" not in inside
    assert "logistic" not in inside
