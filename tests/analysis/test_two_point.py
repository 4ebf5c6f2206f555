"""The optimum against Riccati's, and Pontryagin's principle on networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn import (
    Cost,
    Digraph,
    Dynamics,
    HamiltonianLearning,
    RateNetwork,
    Sample,
    SignFlip,
)
from hamlearn.analysis import action, boundary_value, gap, two_point


class Integrator(eqx.Module):
    """dx/dt = a x + b w: with the cost on dw/dt, a linear-quadratic problem."""

    w: jax.Array

    def __call__(self, x, u):
        return -0.5 * x + 2.0 * self.w


def riccati(dt, steps, q, r):
    """P of J = dt sum (q/2 x^2 + r/2 v^2) = z P z/2 at the start, z = (x, w)."""
    A = np.array([[1 - 0.5 * dt, 2 * dt], [0, 1.0]])
    B, Q, P = np.array([[0.0], [dt]]), dt * np.diag([q, 0.0]), np.zeros((2, 2))
    for _ in range(steps):
        K = np.linalg.solve(dt * r + B.T @ P @ B, B.T @ P @ A)
        P = Q + A.T @ P @ A - A.T @ P @ B @ K
    return P


def test_a_linear_quadratic_problem_has_riccatis_optimum():
    steps, dt, q, r = 80, 0.05, 3.0, 0.2
    network = Dynamics(Integrator(jnp.full(1, 0.4)), initial_state=jnp.ones(1))
    silent = Sample(jnp.zeros((steps, 0)), jnp.zeros((steps, 1)))
    found = two_point(Cost(accuracy=q, inertia=r), network, silent, dt=dt)
    z = np.array([1.0, 0.4])
    expected = z @ riccati(dt, steps, q, r) @ z / 2
    assert np.isclose(float(found.value), expected, rtol=1e-6)
    assert float(found.residual) < 1e-3


def tracking(key, dt=0.02, duration=2.0):
    network = RateNetwork(
        Digraph.complete(5, self_loops=True), outputs=[0], inputs=1,
        time_constant=0.1, key=key,
    )  # fmt: skip
    t = dt * jnp.arange(duration / dt)
    u = jnp.ones((t.size, 1))
    return network, Sample(u, 0.5 * jnp.sin(2.0 * t)[:, None]), dt


def test_pontryagin_holds_with_costates_integrated_backwards(getkey):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(accuracy=20.0, weight_decay=1.0, inertia=0.1)
    found = two_point(cost, network, samples, dt=dt)
    assert float(found.residual) < 1e-3
    # A costate by finite differences: dJ of a kick of one weight at one time.
    kick = 1e-5
    for k in (0, 10, 20):
        ends = []
        for sign in (1, -1):
            v = found.velocity | {
                "weight": found.velocity["weight"].at[k, 1, 2].add(sign * kick / dt)
            }
            ends.append(float(action(cost, network, samples, v, dt=dt)))
        slope = (ends[0] - ends[1]) / (2 * kick)
        assert abs(slope) < 2e-3 * 0.1 * np.abs(found.velocity["weight"]).max()


def test_no_path_near_the_optimum_is_better(getkey):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(accuracy=20.0, weight_decay=1.0, inertia=0.1)
    found = two_point(cost, network, samples, dt=dt)
    for _ in range(20):
        noise = jax.random.normal(getkey(), found.velocity["weight"].shape)
        v = found.velocity | {"weight": found.velocity["weight"] + 0.3 * noise}
        assert float(action(cost, network, samples, v, dt=dt)) > float(found.value)


@pytest.mark.parametrize("settle", [0, 150])
def test_a_causal_law_costs_more_than_the_optimum(getkey, settle):
    network, samples, dt = tracking(getkey(), duration=0.5 + settle * 0.02)
    cost = Cost(accuracy=100.0, weight_decay=1.0, inertia=0.1, dissipation=20.0)
    rule = HamiltonianLearning(cost, SignFlip())
    found = gap(rule, network, samples, dt=dt, settle=settle)
    assert found.ratio > 1.0
    assert float(found.optimum.residual) < 1e-3


def test_newton_solves_a_linear_quadratic_problem_in_one_step():
    steps, dt, q, r = 80, 0.05, 3.0, 0.2
    network = Dynamics(Integrator(jnp.full(1, 0.4)), initial_state=jnp.ones(1))
    silent = Sample(jnp.zeros((steps, 0)), jnp.zeros((steps, 1)))
    rest = {"drift.w": jnp.zeros((steps, 1))}
    cost = Cost(accuracy=q, inertia=r)
    found = boundary_value(cost, network, silent, dt=dt, velocity=rest)
    z = np.array([1.0, 0.4])
    expected = z @ riccati(dt, steps, q, r) @ z / 2
    assert found.steps == 1
    assert np.isclose(float(found.value), expected, rtol=1e-12)
    assert float(found.residual) < 1e-10


@pytest.mark.parametrize("dissipation", [0.0, 1.5])
def test_both_ends_given_and_descent_on_the_control_agree(getkey, dissipation):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(
        accuracy=20.0, weight_decay=1.0, inertia=0.1, dissipation=dissipation
    )  # fmt: skip
    descent = two_point(cost, network, samples, dt=dt)
    newton = boundary_value(cost, network, samples, dt=dt)
    assert newton.steps < 10
    assert float(newton.residual) < 1e-7
    assert float(descent.residual) < 1e-3
    # At a minimum the value is off by the square of the residual.
    excess = float(descent.value / newton.value) - 1
    assert 0 <= excess < 1e-5
    for name, v in newton.velocity.items():
        size = np.abs(v).max()
        assert np.abs(v[-1]).max() == 0  # the condition at the end of time
        assert np.abs(v - descent.velocity[name]).max() < 1e-2 * size


def test_gap_takes_any_way_to_the_optimum(getkey):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(accuracy=20.0, weight_decay=1.0, inertia=0.1, dissipation=20.0)
    rule = HamiltonianLearning(cost, SignFlip())
    found = gap(rule, network, samples, dt=dt, find=boundary_value, tolerance=1e-10)
    assert found.ratio > 1.0
    assert float(found.optimum.residual) < 1e-7
