"""Equilibrium propagation without symmetric weights against recurrent backprop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from online_twin import instant_of

import hamlearn as hl
from hamlearn.costates import FixedPoint, NudgedRest


def at_rest(key):
    """(a network with a dense, not symmetric W, at rest; its instant)."""
    a, b, c = jax.random.split(key, 3)
    graph = hl.Digraph.complete(6, self_loops=True)
    network = hl.RateNetwork(graph, inputs=2, outputs=2, gain=0.7, key=a)
    u, y = jax.random.normal(b, (2,)), jax.random.normal(c, (2,))
    settle = lambda _, x: x + 0.2 * network(x, u)
    x = jax.lax.fori_loop(0, 2000, settle, network.initial_state())
    return instant_of(network, x, hl.Sample(u, y))


def test_is_recurrent_backprop_in_the_limit(getkey):
    instant = at_rest(getkey())
    wanted = FixedPoint().step(instant, None, None)[0]
    betas, errors = (1e-2, 1e-3, 1e-4, 1e-6), []
    for beta in betas:
        found = NudgedRest(beta, sweeps=2000).step(instant, None, None)[0]
        errors.append(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    slopes = np.diff(np.log10(errors[:3])) / np.diff(np.log10(betas[:3]))
    assert np.all(np.abs(slopes - 1) < 0.1)
    assert errors[-1] < 1e-6


def test_without_the_skew_part_it_is_not(getkey):
    """Plain equilibrium propagation follows J^-1 where J^-T is wanted."""
    instant = at_rest(getkey())
    wanted = FixedPoint().step(instant, None, None)[0]
    J = jax.jacfwd(lambda x: instant.network(x, instant.u))(instant.x)
    plain = jnp.linalg.solve(J, instant.ell_x)
    assert np.linalg.norm(plain - wanted) > 0.1 * np.linalg.norm(wanted)


def test_refusals():
    for options in ({"beta": 0.0}, {"sweeps": 0}, {"rate": -1.0}):
        with pytest.raises(ValueError, match=f"`{next(iter(options))}` must be"):
            NudgedRest(**options)
