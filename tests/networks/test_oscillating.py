"""Oscillators from one scalar: their step, its reversal, the laws that teach them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from online_twin import summed
from oscillators import DT, apart, coupled, layer, read_layer, stream, two_layers

import hamlearn as hl
from hamlearn.networks import HamiltonianNetwork, Harmonic, LogCosh, oscillations


def test_step_is_that_of_the_equations(getkey):
    net = layer(getkey(), dissipation=0.4)
    q, p, u = (np.asarray(jax.random.normal(getkey(), (n,))) for n in (16, 16, 3))
    V, B = net.potential, np.asarray(net.input_weight)
    keep = np.exp(-0.4 * DT / 2)
    middle = q + DT / 2 * keep * p
    a = np.asarray(V.slope) * middle + B @ u + np.asarray(V.bias)
    force = -np.asarray(V.stiffness) * middle - np.asarray(V.gain) * np.tanh(a)
    kicked = keep * p + DT * force
    found = net.transition((jnp.asarray(q), jnp.asarray(p)), jnp.asarray(u), DT)
    np.testing.assert_allclose(found[0], middle + DT / 2 * kicked, rtol=1e-13)
    np.testing.assert_allclose(found[1], keep * kicked, rtol=1e-13)


def test_converges_to_hamiltons_equations_at_second_order(getkey):
    net, u = coupled(getkey(), dissipation=0.3), jax.random.normal(getkey(), (3,))
    x0 = tuple(jax.random.normal(getkey(), (2, 6)))

    def end(steps):
        step = lambda x, _: (net.transition(x, u, 1 / steps), None)
        return jax.lax.scan(step, x0, None, steps)[0]

    exact = end(4096)
    errors = [apart(end(n), exact) for n in (8, 16, 32)]
    slopes = np.diff(np.log2(errors))
    assert np.all(np.abs(slopes + 2) < 0.1)


@pytest.mark.parametrize("theta", [0.0, 0.3])
def test_undone_with_p_reversed(getkey, theta):
    net = coupled(getkey(), dissipation=theta)
    u, dt = jax.random.normal(getkey(), (3,)), jnp.asarray(0.7)
    q, p = jax.random.normal(getkey(), (2, 6))
    (q1, p1), there = net.halfway((q, p), net.drive(u), dt, net.dissipation)
    (q2, p2), back = net.halfway((q1, -p1), net.drive(u), dt, -net.dissipation)
    for found, wanted in ((q2, q), (-p2, p), (back, there)):
        np.testing.assert_allclose(found, wanted, atol=1e-14)


def test_the_scalar_is_kept_without_input_and_dissipation(getkey):
    net, u = coupled(getkey()), jnp.zeros(3)
    x = tuple(jax.random.normal(getkey(), (2, 6)))

    def spread(dt):
        step = lambda x, _: (net.transition(x, u, dt), net.hamiltonian(x, u))
        H = jax.lax.scan(step, x, None, int(40 / dt))[1]
        return float(jnp.ptp(H) / jnp.abs(H[0]))

    assert spread(0.05) < 2e-3
    np.testing.assert_allclose(spread(0.1) / spread(0.05), 4, rtol=0.15)


def test_a_force_at_the_old_position_is_not_undone(getkey):
    net, c = coupled(getkey()), jnp.zeros(6)

    def old(q, p):
        middle = q + DT / 2 * p
        p = p - DT * jax.grad(net.potential)(q, c)
        return middle + DT / 2 * p, p

    q, p = jax.random.normal(getkey(), (2, 6))
    q1, p1 = old(q, p)
    assert apart(old(q1, -p1)[0], q) > 1e-4


@pytest.mark.parametrize("theta", [0.0, 0.2])
def test_all_states_at_once_are_those_one_by_one(getkey, theta):
    well = Harmonic(jax.random.uniform(getkey(), (5,), maxval=3.0))
    net = HamiltonianNetwork(
        well, neurons=5, inputs=2, dissipation=theta, key=getkey()
    )  # fmt: skip
    u, x0 = jax.random.normal(getkey(), (200, 2)), tuple(jnp.ones((2, 5)))

    def step(x, u):
        return (after := net.transition(x, u, DT)), after

    _, (q, p) = jax.lax.scan(step, x0, u)
    at_once = eqx.filter_jit(oscillations)
    found = at_once(net, u, DT, x0)
    np.testing.assert_allclose(found[0][1:], q, atol=1e-11)
    np.testing.assert_allclose(found[1][1:], p, atol=1e-11)
    np.testing.assert_array_equal(found[0][0], x0[0])
    # A frequency that dt does not see: sqrt(a) = omega without input or damping.
    free = at_once(
        HamiltonianNetwork(Harmonic(jnp.ones(1) * 4), neurons=1, key=getkey()),
        jnp.zeros((1000, 0)), 1e-3, (jnp.ones(1), jnp.zeros(1)),
    )[0][:, 0]  # fmt: skip
    np.testing.assert_allclose(free, np.cos(2e-3 * np.arange(1001)), atol=1e-6)


def test_only_harmonic_ones_at_once(getkey):
    with pytest.raises(ValueError, match=r"`network.potential` must be a Harmonic"):
        oscillations(layer(getkey()), jnp.zeros((4, 3)), DT)


def test_refusals(getkey):
    key, well = getkey(), Harmonic(jnp.ones(3))
    make = lambda potential=well, **more: HamiltonianNetwork(
        potential, **{"neurons": 3, "key": key} | more
    )
    for options, words in (
        ({"potential": lambda q, c: q}, "`potential` must be .* to one number"),
        ({"neurons": 2}, r"`stiffness` must be an array of shape \(2\), but is .*3"),
        ({"neurons": 0}, "`neurons` must be an integer of at least 1"),
        ({"dissipation": -1.0}, "`dissipation` must be non-negative, but is -1.0"),
    ):
        with pytest.raises(ValueError, match=words):
            make(**options)
    with pytest.raises(ValueError, match="`stiffness` must be an array of shape"):
        LogCosh(1.0)


LAWS = {
    "BPTT": hl.BPTT(window=20),
    "RTRL": hl.RTRL(),
}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("make", [coupled, two_layers])
def test_exact_laws_find_the_gradient(getkey, name, make):
    net = make(getkey()) if make is coupled else make(getkey(), neurons=3)
    samples = stream(getkey(), 20)
    truth = hl.exact_gradient(hl.Cost(), net, samples, dt=DT).w
    found = summed(LAWS[name], net, samples, dt=DT)
    assert apart(found, truth) < 1e-10


@pytest.mark.parametrize(
    "law",
    [
        hl.SnAp1(),
        hl.SnAp(order=2),
        hl.laws.UORO(),
        hl.HamiltonianLearning(dissipation=5.0),
        hl.laws.Instantaneous(sweeps=1),
        hl.laws.RecurrentBackprop(),
    ],
    ids=lambda law: law.title,
)
def test_other_laws_run(getkey, law):
    net = read_layer(getkey(), neurons=4)
    result = hl.stream(law, net, stream(getkey(), 20), dt=0.02, key=getkey())
    assert np.all(np.isfinite(result.output))


def test_a_law_for_neurons_refuses_it(getkey):
    with pytest.raises(ValueError, match=r"`network` must be .*HamiltonianNetwork"):
        hl.RFLO().init(read_layer(getkey()), key=getkey())
