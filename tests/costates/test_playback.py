"""A run played back against the adjoint of the same steps."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oscillators import DT, apart, coupled, read_layer, stream, two_layers

import hamlearn as hl
from hamlearn.costates import Playback

COST = hl.Cost(loss_weight=2.0, weight_decay=0.01)
UNIT = 2.0**-53


def both(network, samples, memory, dt=DT, **options):
    exact = hl.exact_gradient(COST, network, samples, dt=dt, **options)
    found = hl.exact_gradient(COST, network, samples, dt=dt, memory=memory, **options)
    np.testing.assert_allclose(found.value, exact.value, rtol=1e-13)
    return found, exact


@pytest.mark.parametrize("make", [read_layer, two_layers])
def test_error_falls_with_the_square_of_the_pushes(getkey, make):
    network, samples = make(getkey()), stream(getkey(), 100)
    errors = []
    for epsilon in (1e-2, 1e-3, 1e-4):
        found, exact = both(network, samples, Playback(epsilon))
        errors.append(apart(found.w, exact.w))
    slopes = -np.diff(np.log10(errors))
    assert np.all(np.abs(slopes - 2) < 0.1)


@pytest.mark.parametrize(
    ("make", "theta"), [(read_layer, 0.0), (two_layers, 0.2), (coupled, 0.2)]
)
def test_is_the_adjoint_of_the_same_steps(getkey, make, theta):
    network, samples = make(getkey(), dissipation=theta), stream(getkey(), 100)
    counted = jax.random.uniform(getkey(), (100,))
    found, exact = both(network, samples, Playback(), counted=counted)
    assert apart(found.w, exact.w) < 1e-8
    assert apart(found.x0, exact.x0) < 1e-8
    # Without damping the copy that is left alone is back to rounding errors.
    off = max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found.start))
    assert off < 1e3 * UNIT * 100 * np.exp(theta * 100 * DT)


def test_from_any_start_and_over_streams(getkey):
    network = hl.Batch(read_layer(getkey(), neurons=4), 3)
    samples = stream(getkey(), 70, (3,))
    x0 = tuple(jax.random.normal(getkey(), (2, 3, 4)))
    found, exact = both(network, samples, Playback(), x0=x0)
    assert apart(found.w, exact.w) < 1e-8
    assert apart(found.x0, exact.x0) < 1e-8
    assert apart(found.start, x0) < 1e-13


def test_single_precision(getkey):
    to = lambda tree: jax.tree.map(
        lambda a: a.astype(jnp.float32) if eqx.is_inexact_array(a) else a, tree
    )
    network, samples = read_layer(getkey()), stream(getkey(), 100)
    exact = hl.exact_gradient(hl.Cost(), network, samples, dt=DT).w
    found = hl.exact_gradient(
        hl.Cost(), to(network), to(samples), dt=DT, memory=Playback()
    ).w
    assert found["input_weight"].dtype == jnp.float32
    as_double = jax.tree.map(lambda a: a.astype(jnp.float64), found)
    assert apart(as_double, exact) < 1e-4


@pytest.mark.parametrize(("gain", "most"), [(1e6, 1e-6), (1e12, 1e-2)])
def test_pushes_grow_with_what_damping_makes_of_rounding(getkey, gain, most):
    network = read_layer(getkey(), dissipation=np.log(gain) / (100 * DT))
    found, exact = both(network, stream(getkey(), 100), Playback())
    assert apart(found.w, exact.w) < most


def test_damped_while_the_mantissa_lasts(getkey):
    samples = stream(getkey(), 100)
    network = read_layer(getkey(), dissipation=np.log(10) / (100 * DT))
    found, exact = both(network, samples, Playback())
    assert apart(found.w, exact.w) < 1e-6
    bound = 1e-2 / UNIT
    at = lambda gain: read_layer(getkey(), dissipation=np.log(gain) / (100 * DT))
    both(at(bound * 0.99), samples, Playback())
    with pytest.raises(ValueError, match=r"must be at most 9e\+13, 1e-2 over the unit"):
        hl.exact_gradient(
            COST, at(bound * 1.01), samples, dt=DT, memory=Playback()
        )  # fmt: skip


def test_no_dissipation_is_the_plain_form(getkey):
    key, samples = getkey(), stream(getkey(), 100)
    plain, _ = both(read_layer(key), samples, Playback(1e-4))
    damped = read_layer(key, dissipation=1e-300)
    small, _ = both(damped, samples, Playback(1e-4))
    assert apart(small.w, plain.w) < 1e-10


def test_the_steps_are_those_of_the_damped_action(getkey):
    """The half-way positions obey Lagrange's equations of sum e^{theta t} (T - V)."""
    theta, net = 0.7, coupled(getkey(), dissipation=0.7)
    u, x, found = jnp.ones(3), tuple(jnp.ones((2, 6)) / 3), []
    for _ in range(6):
        x, q = net.halfway(x, net.drive(u), DT, net.dissipation)
        found.append(q)
    q, a = np.asarray(found), np.exp(-theta * DT)
    force = np.asarray(jax.vmap(lambda q: jax.grad(net.energy)(q, u))(jnp.asarray(q)))
    after = (1 + a) * q[1:-1] - a * q[:-2] - DT**2 * (1 + a) / 2 * force[1:-1]
    np.testing.assert_allclose(q[2:], after, atol=1e-14)


def test_refuses_what_does_not_run_back(getkey):
    rates = hl.RateNetwork(
        hl.Digraph.layered([2, 2]), inputs=3, outputs=2, key=getkey()
    )  # fmt: skip
    samples = stream(getkey(), 10)
    with pytest.raises(ValueError, match="`network` must be a HamiltonianNetwork"):
        hl.exact_gradient(COST, rates, samples, dt=DT, memory=Playback())
    begun = eqx.tree_at(
        lambda s: s.start, samples, jnp.zeros(10, bool), is_leaf=lambda a: a is None
    )
    with pytest.raises(ValueError, match=r"`samples\.start` must be None"):
        hl.exact_gradient(
            COST, read_layer(getkey()), begun, dt=DT, memory=Playback()
        )  # fmt: skip
    with pytest.raises(ValueError, match="`epsilon` must be positive"):
        Playback(0.0)


def test_memory_does_not_grow_with_the_run(getkey):
    network = read_layer(getkey())

    def scratch(memory, steps):
        samples = stream(jax.random.key(0), steps)
        run = lambda samples: hl.exact_gradient(
            hl.Cost(), network, samples, dt=DT, memory=memory
        )
        return jax.jit(run).lower(samples).compile().memory_analysis()

    played = [scratch(Playback(), n).temp_size_in_bytes for n in (512, 4096)]
    stored = scratch(hl.costates.Stored(), 4096).temp_size_in_bytes
    assert played[1] < 1.5 * played[0]
    assert stored > 5 * played[1]
