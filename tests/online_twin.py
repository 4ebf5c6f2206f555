"""Sums of estimates, and exact means over random signs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from hamlearn import Cost, split
from hamlearn.action.action import Instant
from hamlearn.action.residual import Dynamical

COST, DT = Cost(loss_weight=1.5), 0.2


def estimates(law, network, samples, *, dt=DT, key=None):
    """Every g_k with the weights held."""
    state = law.init(network, key=key)

    def body(state, sample):
        g, state, _ = law.estimate(state, sample, jnp.asarray(dt))
        return state, g

    return jax.jit(lambda state: jax.lax.scan(body, state, samples)[1])(state)


def summed(law, network, samples, key=None, *, dt=DT):
    """sum_k g_k with the weights held."""
    each = estimates(law, network, samples, dt=dt, key=key)
    return jax.tree.map(lambda leaf: leaf.sum(0), each)


def relative(a, b):
    """The error of a against b over all weights, relative to b."""
    top = sum(np.sum((np.asarray(a[k]) - b[k]) ** 2) for k in b)
    return np.sqrt(top / sum(np.sum(np.asarray(b[k]) ** 2) for k in b))


def instant_of(network, x, sample, cost=COST):
    """What a law looks at, of one stream."""
    w, frozen = split(network)
    output = network.readout(x, sample.input)
    v = network(x, sample.input)
    return Instant(
        cost, Dynamical(), w, frozen, x, v, None, sample, jnp.asarray(DT), output,
        jnp.zeros(()), jax.random.key(0),
    )  # fmt: skip


def mean_over_signs(network, samples, start, advance, estimate, bits):
    """The mean of sum_k g_k over every way to draw `bits` signs per sample.

    `estimate`: of an instant and the trace; `advance`: of these and some signs.
    """
    steps = samples.target.shape[0]

    def total(signs):
        def step(carry, now):
            (x, trace), (sample, sign) = carry, now
            instant = instant_of(network, x, sample)
            after = network.transition(x, sample.input, DT)
            g = estimate(instant, trace)
            return (after, advance(instant, trace, sign)), g

        g = jax.lax.scan(step, (network.initial_state(), start), (samples, signs))[1]
        return jax.tree.map(lambda leaf: leaf.sum(0), g)

    draws = itertools.product([1.0, -1.0], repeat=bits * (steps - 1))
    draws = jnp.asarray(list(draws)).reshape(-1, steps - 1, bits)
    draws = jnp.concatenate([draws, jnp.ones((len(draws), 1, bits))], axis=1)
    return jax.tree.map(lambda leaf: leaf.mean(0), jax.jit(jax.vmap(total))(draws))
