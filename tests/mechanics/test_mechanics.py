"""Mechanics against classical systems with closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import pytest
from classical import (
    damped,
    double_pendulum,
    integrate,
    kepler,
    oscillator,
    pendulum,
    rods,
    sphere,
    spherical_pendulum,
    to_plane,
    two_masses,
)
from jax.flatten_util import ravel_pytree

from hamlearn import Cost, Digraph, RateNetwork, Sample
from hamlearn.action.action import hamiltonian, lagrangian
from hamlearn.mechanics.constrained import constrained_euler_lagrange
from hamlearn.mechanics.equations import energy, euler_lagrange, hamilton
from hamlearn.mechanics.legendre import legendre
from hamlearn.mechanics.stabilisation import Baumgarte
from hamlearn.networks.partition import split


@pytest.mark.parametrize("amplitude", [0.1, 1.5, 3.0])
def test_pendulum_comes_back_after_its_period(amplitude):
    system = pendulum(amplitude)
    times = system.period * np.array([0.0, 0.25, 0.5, 1.0])
    q, v = integrate(euler_lagrange(system.lagrangian), (system.q, system.v), times)
    np.testing.assert_allclose(q, [amplitude, 0, -amplitude, amplitude], atol=1e-8)
    wanted = 2 * np.sqrt(2 * (1 - np.cos(amplitude)))  # from the energy, g = 4
    np.testing.assert_allclose(v, [0, -wanted, 0, 0], atol=1e-8)


def test_kepler_conserves_and_closes():
    system = kepler(0.6)
    times = system.period * np.linspace(0, 3, 61)
    q, v = integrate(euler_lagrange(system.lagrangian), (system.q, system.v), times)
    values = jax.vmap(lambda q, v: energy(system.lagrangian)(0.0, q, v))(q, v)
    np.testing.assert_allclose(values, -2.0 / 2, rtol=1e-9)  # -GM/2a
    momentum = q[:, 0] * v[:, 1] - q[:, 1] * v[:, 0]
    np.testing.assert_allclose(momentum, np.sqrt(2.0 * (1 - 0.36)), rtol=1e-9)
    np.testing.assert_allclose(q[20], system.q, atol=1e-7)
    np.testing.assert_allclose(q[60], system.q, atol=1e-7)
    # Kepler's equation at a third of a turn of the mean anomaly.
    mean, E = 2 * np.pi * times / system.period, 2 * np.pi * times / system.period
    for _ in range(50):
        E = E - (E - 0.6 * np.sin(E) - mean) / (1 - 0.6 * np.cos(E))
    np.testing.assert_allclose(q[:, 0], np.cos(E) - 0.6, atol=1e-7)
    np.testing.assert_allclose(q[:, 1], 0.8 * np.sin(E), atol=1e-7)


def test_double_pendulum_in_angles_and_with_rods_agree():
    angles, plane = double_pendulum(), two_masses()
    times = np.linspace(0, 2, 21)
    free = integrate(euler_lagrange(angles.lagrangian), (angles.q, angles.v), times)
    wanted, _ = jax.vmap(to_plane)(*free)
    field = constrained_euler_lagrange(plane.lagrangian, rods)
    got, got_v = integrate(field, (plane.q, plane.v), times)
    for name in ("upper", "lower"):
        np.testing.assert_allclose(got[name], wanted[name], atol=1e-7)
    lengths = np.stack(jax.vmap(lambda q: rods(0.0, q, None))(got))
    assert np.abs(lengths).max() < 1e-8
    total = jax.vmap(lambda q, v: energy(plane.lagrangian)(0.0, q, v))(got, got_v)
    np.testing.assert_allclose(total, total[0], atol=1e-8)


def double_pendulum_accelerations(q, v):
    """The textbook equations of motion, solved for the accelerations."""
    (m1, m2), (l1, l2), g = (1.0, 0.7), (1.0, 0.8), 9.81
    d = q[0] - q[1]
    mass = [
        [(m1 + m2) * l1**2, m2 * l1 * l2 * np.cos(d)],
        [m2 * l1 * l2 * np.cos(d), m2 * l2**2],
    ]
    force = [
        -m2 * l1 * l2 * np.sin(d) * v[1] ** 2 - (m1 + m2) * g * l1 * np.sin(q[0]),
        m2 * l1 * l2 * np.sin(d) * v[0] ** 2 - m2 * g * l2 * np.sin(q[1]),
    ]
    return np.linalg.solve(mass, force)


def test_double_pendulum_field_is_the_textbooks():
    system = double_pendulum()
    rng = np.random.default_rng(0)
    field = jax.jit(euler_lagrange(system.lagrangian))
    for q, v in rng.normal(size=(10, 2, 2)):
        got_v, got_a = field(0.0, (jnp.asarray(q), jnp.asarray(v)))
        np.testing.assert_array_equal(got_v, v)
        wanted = double_pendulum_accelerations(q, v)
        np.testing.assert_allclose(got_a, wanted, rtol=1e-11, atol=1e-11)


def test_free_particle_on_a_sphere_runs_along_a_great_circle():
    system = spherical_pendulum(gravity=0.0)
    start, speed = np.asarray(system.q), np.asarray(system.v)
    speed = speed - (speed @ start) * start  # tangent
    rate = np.linalg.norm(speed)
    times = np.linspace(0, 2 * np.pi / rate, 31)
    field = constrained_euler_lagrange(system.lagrangian, sphere)
    q, _ = integrate(field, (system.q, jnp.asarray(speed)), times)
    wanted = np.outer(np.cos(rate * times), start)
    wanted += np.outer(np.sin(rate * times), speed / rate)
    np.testing.assert_allclose(q, wanted, atol=1e-8)


def test_spherical_pendulum_conserves():
    system = spherical_pendulum(gravity=3.0)
    v = system.v - jnp.vdot(system.v, system.q) * system.q
    field = constrained_euler_lagrange(system.lagrangian, sphere)
    q, v = integrate(field, (system.q, v), np.linspace(0, 10, 101))
    assert np.abs(jax.vmap(lambda q: sphere(0, q, None))(q)).max() < 1e-8
    assert np.abs(jnp.sum(q * v, axis=1)).max() < 1e-8
    values = jax.vmap(lambda q, v: energy(system.lagrangian)(0.0, q, v))(q, v)
    np.testing.assert_allclose(values, values[0], atol=1e-8)
    about_z = q[:, 0] * v[:, 1] - q[:, 1] * v[:, 0]
    np.testing.assert_allclose(about_z, about_z[0], atol=1e-8)
    assert np.ptp(q[:, 2]) > 0.1  # it does swing


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.0), (1.0, 0.0), (2.0, 3.0)])
def test_stabilisation_moves_the_residual_as_it_says(alpha, beta):
    """G'' = -2 alpha G' - beta^2 G from an inconsistent start, against closed forms."""
    system = spherical_pendulum(gravity=3.0)
    q0, v0 = 1.02 * system.q, system.v
    field = constrained_euler_lagrange(
        system.lagrangian, sphere, stabilisation=Baumgarte(alpha, beta)
    )
    times = np.linspace(0, 1, 11)
    q, _ = integrate(field, (q0, v0), times)
    residual = jax.vmap(lambda q: sphere(0, q, None))(q)
    g, rate = float(sphere(0, q0, None)), float(jnp.vdot(q0, v0))
    if alpha == 0:
        wanted = g + rate * times
    elif beta == 0:
        wanted = g + rate * (1 - np.exp(-2 * alpha * times)) / (2 * alpha)
    else:
        swing = np.sqrt(beta**2 - alpha**2)
        wanted = damped(beta, 2 * alpha, g, rate, times)
        assert swing > 0
    np.testing.assert_allclose(residual, wanted, atol=1e-8)


def test_moving_constraint():
    """A bead in the plane on a line that turns at constant rate: r'' = w^2 r."""
    rate = 0.7

    def line(t, q, args):
        return q[1] * jnp.cos(rate * t) - q[0] * jnp.sin(rate * t)

    field = constrained_euler_lagrange(lambda t, q, v, args: jnp.sum(v**2) / 2, line)
    times = np.linspace(0, 3, 16)
    q, _ = integrate(field, (jnp.array([1.0, 0.0]), jnp.array([0.2, rate])), times)
    r = np.cosh(rate * times) + 0.2 / rate * np.sinh(rate * times)
    wanted = r[:, None] * np.stack([np.cos(rate * times), np.sin(rate * times)], axis=1)
    np.testing.assert_allclose(q, wanted, atol=1e-8)


def test_constraint_forces_obey_dissipation():
    """On a circle without gravity the speed decays like e^{-theta t}."""
    field = constrained_euler_lagrange(
        lambda t, q, v, args: jnp.sum(v**2) / 2, sphere, dissipation=0.5
    )
    times = np.linspace(0, 3, 7)
    _, v = integrate(field, (jnp.array([1.0, 0.0]), jnp.array([0.0, 2.0])), times)
    speed = np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(speed, 2 * np.exp(-0.5 * times), atol=1e-8)


@pytest.mark.parametrize("theta", [0.0, 0.3, 2.0])
def test_damped_oscillator(theta):
    system = oscillator(2.0)
    times = np.linspace(0, 5, 26)
    field = euler_lagrange(system.lagrangian, dissipation=theta)
    q, _ = integrate(field, (system.q, system.v), times)
    np.testing.assert_allclose(q, damped(2.0, theta, 1.0, 0.5, times), atol=1e-9)
    kinetic_and_spring = lambda t, q, p, args: p**2 / 2 + 2 * q**2
    field = hamilton(kinetic_and_spring, dissipation=theta)
    q, _ = integrate(field, (system.q, system.v), times)
    np.testing.assert_allclose(q, damped(2.0, theta, 1.0, 0.5, times), atol=1e-9)


def test_dissipation_is_the_exponential_weight():
    """theta does what the explicit factor e^{theta t} does."""
    system, theta = double_pendulum(), 0.8

    def weighted(t, q, v, args):
        return jnp.exp(theta * t) * system.lagrangian(t, q, v, args)

    y, t = (system.q, system.v), jnp.asarray(1.3)
    got = euler_lagrange(system.lagrangian, dissipation=theta)(t, y)
    wanted = euler_lagrange(weighted)(t, y)
    np.testing.assert_allclose(got[1], wanted[1], rtol=1e-11)


def test_time_dependent_lagrangian():
    """m(t) = 1 + t and a force cos t: (m q')' = cos t, integrated by hand."""

    def system(t, q, v, args):
        return (1 + t) * v**2 / 2 + q * jnp.cos(t)

    times = np.linspace(0, 4, 41)
    start = (jnp.asarray(0.2), jnp.asarray(0.5))
    q, v = integrate(euler_lagrange(system), start, times)
    np.testing.assert_allclose((1 + times) * v, 0.5 + np.sin(times), atol=1e-9)
    p0 = (start[0], jnp.asarray(0.5))
    q2, p = integrate(hamilton(legendre(system)), p0, times)
    np.testing.assert_allclose(p, 0.5 + np.sin(times), atol=1e-9)
    np.testing.assert_allclose(q2, q, atol=1e-9)


def test_args_reach_the_lagrangian():
    field = euler_lagrange(lambda t, q, v, k: v**2 / 2 - k * q**2 / 2)
    _, a = field(0.0, (jnp.asarray(2.0), jnp.asarray(0.0)), jnp.asarray(3.0))
    np.testing.assert_allclose(a, -6.0, rtol=1e-14)


class Body(eqx.Module):
    place: jax.Array
    spin: dict


def coupled(t, q, v, args):
    """Positions and a spin, coupled through a mass matrix that depends on q."""
    kinetic = jnp.sum((1 + q.place**2) * v.place**2) / 2 + v.spin["z"] ** 2
    mixed = jnp.tanh(q.spin["z"]) * v.place[0] * v.spin["z"] / 4
    return kinetic + mixed - jnp.sum(jnp.cos(q.place)) * q.spin["z"]


def body(rng):
    return Body(jnp.asarray(rng.normal(size=3)), {"z": jnp.asarray(rng.normal())})


def test_trees_as_coordinates():
    """The same numbers as one flat vector, with a dense mass matrix."""
    rng = np.random.default_rng(2)
    q, v = body(rng), body(rng)
    flat_q, unravel = ravel_pytree(q)
    flat_v, _ = ravel_pytree(v)
    flat = lambda q, v: coupled(0.0, unravel(q), unravel(v), None)
    mass = jax.jacfwd(jax.grad(flat, 1), 1)(flat_q, flat_v)
    mixed = jax.jacfwd(jax.grad(flat, 1), 0)(flat_q, flat_v)
    force = jax.grad(flat, 0)(flat_q, flat_v) - mixed @ flat_v
    force -= 0.4 * jax.grad(flat, 1)(flat_q, flat_v)
    rate, acceleration = jax.jit(euler_lagrange(coupled, dissipation=0.4))(0.0, (q, v))
    assert isinstance(acceleration, Body)
    np.testing.assert_array_equal(ravel_pytree(rate)[0], flat_v)
    wanted = np.linalg.solve(mass, force)
    np.testing.assert_allclose(ravel_pytree(acceleration)[0], wanted, rtol=1e-11)


def test_hamilton_and_euler_lagrange_move_alike():
    rng = np.random.default_rng(3)
    q, v = body(rng), body(rng)
    times = np.linspace(0, 1, 6)
    path, speeds = integrate(euler_lagrange(coupled), (q, v), times)
    p = jax.grad(coupled, 2)(0.0, q, v, None)
    again, momenta = integrate(hamilton(legendre(coupled)), (q, p), times)
    for a, b in zip(jax.tree.leaves(path), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)
    wanted = jax.vmap(lambda q, v: jax.grad(coupled, 2)(0.0, q, v, None))(path, speeds)
    for a, b in zip(jax.tree.leaves(wanted), jax.tree.leaves(momenta), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-8)
    last = lambda tree: jax.tree.map(lambda leaf: leaf[-1], tree)
    value = jax.jit(legendre(coupled))(0.0, last(again), last(momenta))
    wanted = energy(coupled)(0.0, last(path), last(speeds))
    np.testing.assert_allclose(value, wanted, atol=1e-8)


def relativistic(t, q, v, args):
    return -jnp.sqrt(1 - jnp.sum(v**2))


def test_legendre_of_the_relativistic_particle():
    """L = -sqrt(1 - v^2) has H = sqrt(1 + p^2), also where p > 1."""
    evaluate = jax.jit(jax.value_and_grad(legendre(relativistic), argnums=2))
    for size in (0.0, 0.3, 0.9, 3.0, 20.0):
        p = size * jnp.array([0.6, -0.8])
        value, velocity = evaluate(0.0, jnp.zeros(2), p)
        np.testing.assert_allclose(value, np.sqrt(1 + size**2), rtol=1e-9)
        np.testing.assert_allclose(velocity, p / np.sqrt(1 + size**2), rtol=1e-8)


def test_legendre_in_single_precision():
    p = jnp.array([1.8, -2.4], jnp.float32)
    evaluate = jax.jit(jax.value_and_grad(legendre(relativistic), argnums=2))
    value, velocity = evaluate(0.0, jnp.zeros(2, jnp.float32), p)
    assert value.dtype == velocity.dtype == jnp.float32
    np.testing.assert_allclose(value, np.sqrt(10), rtol=3e-6)
    np.testing.assert_allclose(velocity, np.asarray(p) / np.sqrt(10), rtol=3e-6)


def test_legendre_of_a_quartic():
    """L = v^4/4 + v^2/2 at p = 2 has v = 1 and H = 2 - 3/4."""
    H = legendre(lambda t, q, v, args: v**4 / 4 + v**2 / 2 - q**2)
    evaluate = jax.jit(jax.value_and_grad(H, argnums=(1, 2)))
    value, (H_q, H_p) = evaluate(0.0, jnp.asarray(1.5), jnp.asarray(2.0))
    wanted = 2 - 0.75 + 1.5**2
    np.testing.assert_allclose([value, H_q, H_p], [wanted, 3.0, 1.0], rtol=1e-9)


def test_legendre_says_nan_where_no_velocity_fits():
    """L = sqrt(1 + v^2) has |dL/dv| < 1."""
    H = jax.jit(legendre(lambda t, q, v, args: jnp.sqrt(1 + v**2)))
    assert np.isnan(H(0.0, jnp.asarray(0.0), jnp.asarray(2.0)))
    np.testing.assert_allclose(
        H(0.0, jnp.asarray(0.0), jnp.asarray(0.6)), -np.sqrt(1 - 0.36), rtol=1e-9
    )


def learning_problem():
    network = RateNetwork(
        Digraph.random(5, in_degree=2, key=jax.random.key(0)),
        inputs=1,
        key=jax.random.key(1),
    )
    rng = np.random.default_rng(0)
    cost = Cost(loss_weight=3.0, weight_decay=0.2)
    sample = Sample(jnp.array([0.7]), jnp.array([-0.2]))
    w, _ = split(network)
    x, p_x = jnp.asarray(rng.normal(size=5)), jnp.asarray(rng.normal(size=5))
    p_w = {name: jnp.asarray(rng.normal(size=leaf.shape)) for name, leaf in w.items()}
    return network, cost, sample, x, p_x, p_w


def test_learning_hamiltonian_is_the_legendre_transform():
    """min_v L + p_w.v is -max_v (-p_w.v - L), a Legendre transform at -p_w."""
    network, cost, sample, x, p_x, p_w = learning_problem()
    kinetic = lambda t, q, v, args: lagrangian(cost, network, x, v, sample, inertia=0.4)
    minus = jax.tree.map(jnp.negative, p_w)
    minimum = -jax.jit(legendre(kinetic))(0.0, None, minus)
    wanted = minimum + p_x @ network(x, sample.input)
    got = hamiltonian(cost, network, x, p_x, p_w, sample, inertia=0.4)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_learning_hamiltonian_is_a_minimum():
    network, cost, sample, x, p_x, p_w = learning_problem()
    value = hamiltonian(cost, network, x, p_x, p_w, sample, inertia=0.4)
    rng = np.random.default_rng(1)

    def at(v):
        power = sum(jnp.vdot(p_w[name], v[name]) for name in p_w)
        power += jnp.vdot(p_x, network(x, sample.input))
        return lagrangian(cost, network, x, v, sample, inertia=0.4) + power

    best = jax.tree.map(lambda p: -p / 0.4, p_w)
    np.testing.assert_allclose(at(best), value, rtol=1e-13)
    for _ in range(5):
        shift = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape)), p_w)
        moved = jax.tree.map(jnp.add, best, shift)
        square = sum(float(jnp.sum(s**2)) for s in shift.values())
        np.testing.assert_allclose(at(moved) - value, 0.2 * square, rtol=1e-10)


def test_another_linear_solver():
    system = two_masses()
    y = (system.q, system.v)
    direct = jax.jit(constrained_euler_lagrange(system.lagrangian, rods))(0.0, y)
    conjugate = constrained_euler_lagrange(
        system.lagrangian, rods, linear_solver=lx.CG(rtol=1e-12, atol=1e-12)
    )
    iterative = jax.jit(conjugate)(0.0, y)
    for a, b in zip(jax.tree.leaves(direct), jax.tree.leaves(iterative), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_errors():
    with pytest.raises(ValueError) as caught:
        Baumgarte(alpha=-1.0)
    assert str(caught.value) == "`alpha` must be non-negative, but is -1.0."
