"""Synthetic gradients against the identity of their traces, and truncation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from online_twin import relative, summed

import hamlearn as hl
from hamlearn.laws import DNI, BPLambda, Law, SlidingBPTT
from hamlearn.sensitivities import SyntheticGradients

DT = 0.2
#: Sums what an optimizer is given, and moves nothing.
SUM = optax.chain(optax.trace(decay=1.0), optax.set_to_zero())


def network(key):
    graph = hl.Digraph.complete(5, self_loops=True)
    return hl.RateNetwork(graph, inputs=2, outputs=2, key=key)


def stream(key, steps=40):
    a, b = jax.random.split(key)
    u = jax.random.normal(a, (steps, 2))
    return hl.Sample(u, jax.random.normal(b, (steps, 2)))


def test_traces_find_every_targets_error(getkey):
    """sum delta E = sum (G - A phi) phi with lambda = gamma = 1, whatever A is."""
    net, samples = network(getkey()), stream(getkey())
    A = jax.random.normal(getkey(), (5, 6))
    law = Law(None, SyntheticGradients(1.0, optimizer=SUM), optax.set_to_zero())
    at = lambda state: state.credit.memory.weight
    state = eqx.tree_at(at, law.init(net), A)
    end, _ = eqx.filter_jit(lambda s: hl.scan(law, s, samples, DT))(state)
    found = -end.credit.memory.optimizer[0].trace

    step = lambda x, u: (net.transition(x, u, DT), x)
    _, x = jax.lax.scan(step, net.initial_state(), samples.input)
    phi = jnp.concatenate([x, jnp.ones((40, 1))], axis=1)
    # Bellman, backward from what is predicted at the last sample.
    ell = lambda x, u, y: hl.Cost().loss(net.readout(x, u), y)
    J = jax.vmap(jax.jacfwd(lambda x, u: net.transition(x, u, DT)))(x, samples.input)
    ell_x = jax.vmap(jax.grad(ell))(x, samples.input, samples.target)
    J, ell_x, phi, A = map(np.asarray, (J, ell_x, phi, A))
    G, wanted = A @ phi[-1], np.zeros_like(A)
    for k in range(38, -1, -1):
        G = (ell_x[k + 1] + G) @ J[k]
        wanted += np.outer(G - A @ phi[k], phi[k])
    np.testing.assert_allclose(found, wanted, atol=1e-12 * np.abs(wanted).max())


def test_untaught_is_truncation(getkey):
    net, samples = network(getkey()), stream(getkey())
    still = optax.set_to_zero()
    for law in (DNI(optimizer=still), BPLambda(optimizer=still)):
        found = summed(law, net, samples)
        wanted = summed(SlidingBPTT(window=2), net, samples)
        assert relative(found, wanted) < 1e-13


def test_learned_credit_is_nearer(getkey):
    """On inputs that last, after learning, one-step targets or traces alike."""
    net, teacher = network(getkey()), network(getkey())
    slow = lambda u, noise: ((0.9 * u + 0.4 * noise), u)
    noise = jax.random.normal(getkey(), (6000, 2))
    u = jax.lax.scan(slow, jnp.zeros(2), noise)[1]
    step = lambda x, u: (teacher.transition(x, u, DT), teacher.readout(x, u))
    y = jax.lax.scan(step, teacher.initial_state(), u)[1]
    score = lambda law: hl.analysis.alignment(
        law, net, hl.Sample(u, y), dt=DT, skip=4000
    ).rows()[-1]["cosine"]
    adam = optax.adam(3e-3)
    base = score(SlidingBPTT(window=2))
    assert score(DNI(optimizer=adam)) > base + 0.02
    assert score(BPLambda(optimizer=adam)) > base + 0.02


def test_refusals():
    with pytest.raises(ValueError, match="`decay` must be at most 1"):
        SyntheticGradients(1.5)
