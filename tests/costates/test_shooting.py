"""The costate shot forward: exact while a network remembers, noise once it forgets."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oscillators import apart, coupled, stream

import hamlearn as hl
from hamlearn.costates import Shooting

DT, UNIT = 0.05, 2.0**-53
COST = hl.Cost(loss_weight=2.0, weight_decay=0.01)


def both(network, samples, dt=DT, **options):
    run = lambda memory: hl.exact_gradient(
        COST, network, samples, dt=dt, memory=memory, **options
    )
    return run(Shooting()), run(None)


def rates(key):
    graph = hl.Digraph.complete(5, self_loops=True)
    return hl.RateNetwork(graph, inputs=3, outputs=2, key=key)


@pytest.mark.parametrize("make", [rates, lambda key: coupled(key, neurons=3)])
def test_is_the_adjoint_of_what_remembers(getkey, make):
    network, samples = make(getkey()), stream(getkey(), 40)
    counted = jax.random.uniform(getkey(), (40,))
    x0 = jax.tree.map(lambda leaf: leaf + 0.3, network.initial_state())
    found, exact = both(network, samples, counted=counted, x0=x0)
    np.testing.assert_allclose(found.value, exact.value, rtol=1e-13)
    assert apart(found.w, exact.w) < 1e-11
    assert apart(found.x0, exact.x0) < 1e-11


def test_over_streams(getkey):
    found, exact = both(hl.Batch(rates(getkey()), 3), stream(getkey(), 30, (3,)))
    assert apart(found.w, exact.w) < 1e-11
    assert apart(found.x0, exact.x0) < 1e-11


def modes(key):
    """Modes that all forget alike, by e^{-dt} per sample."""
    return hl.DiagonalNetwork(4, inputs=3, outputs=2, time_constant=(1, 1), key=key)


def test_fails_as_the_network_forgets(getkey):
    """The error is rounding over what is left of the start."""
    network, stream_ = modes(getkey()), stream(getkey(), 800)
    left, errors = [], []
    for samples in (200, 300, 400, 500):
        part = jax.tree.map(lambda leaf, n=samples: leaf[:n], stream_)
        found, exact = both(network, part)
        left.append(np.exp(-DT * samples))
        errors.append(apart(found.w, exact.w))
    slope = np.diff(np.log(errors)) / -np.diff(np.log(left))
    assert np.all(np.abs(slope - 1) < 0.3)
    assert np.all(np.array(errors) < 1e3 * UNIT / np.array(left))
    found, exact = both(network, stream_)
    assert np.exp(-DT * 800) < UNIT
    assert not apart(found.w, exact.w) < 1


def test_refuses_episodes(getkey):
    samples = stream(getkey(), 10)
    samples = eqx.tree_at(
        lambda s: s.start, samples, jnp.zeros(10, bool), is_leaf=lambda a: a is None
    )
    with pytest.raises(ValueError, match=r"`samples\.start` must be None"):
        both(rates(getkey()), samples)
