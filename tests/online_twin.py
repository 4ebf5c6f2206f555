"""Sums of estimates, and exact means over random signs, for laws of the moment."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from hamlearn import Cost
from hamlearn.action.cost import running_cost
from hamlearn.networks.partition import join, split
from hamlearn.rules._online import Moment

COST, DT = Cost(accuracy=1.5), 0.2


def summed(rule, network, samples, key=None):
    """sum_k g_k with the weights held."""
    state = rule.init(network, key=key)

    def body(state, sample):
        g, state, _ = rule.estimate(state, sample, jnp.asarray(DT))
        return state, g

    each = jax.jit(lambda state: jax.lax.scan(body, state, samples)[1])(state)
    return jax.tree.map(lambda leaf: leaf.sum(0), each)


def relative(a, b):
    """The error of a against b over all weights, relative to b."""
    top = sum(np.sum((np.asarray(a[k]) - b[k]) ** 2) for k in b)
    return np.sqrt(top / sum(np.sum(np.asarray(b[k]) ** 2) for k in b))


def mean_over_signs(network, samples, start, advance, gradient, bits):
    """The mean of sum_k g_k over every way to draw `bits` signs a sample."""
    w, frozen = split(network)
    steps = samples.target.shape[0]

    def total(signs):
        x, trace, g = network.initial_state(), start, None
        for k in range(steps):
            now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
            ell = lambda x, w, now=now: running_cost(COST, join(w, frozen), x, now)
            c_x, c_w = jax.grad(ell, argnums=(0, 1))(x, w)
            moment = Moment(
                x, w, frozen, now, jnp.asarray(DT), c_x, c_w, jnp.zeros(1), None
            )
            part = gradient(moment, trace)
            g = part if g is None else jax.tree.map(jnp.add, g, part)
            trace = advance(moment, trace, signs[k])
            x = moment.transition(x, w)
        return g

    draws = itertools.product([1.0, -1.0], repeat=bits * (steps - 1))
    draws = jnp.asarray(list(draws)).reshape(-1, steps - 1, bits)
    draws = jnp.concatenate([draws, jnp.ones((len(draws), 1, bits))], axis=1)
    return jax.tree.map(lambda leaf: leaf.mean(0), jax.jit(jax.vmap(total))(draws))
