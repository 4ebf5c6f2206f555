"""The optimum against Riccati's, and Pontryagin's principle on networks."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from every_law import LAWS, jets, suited

import hamlearn as hl
from hamlearn import (
    STLP,
    Cost,
    Digraph,
    Dynamics,
    HamiltonianLearning,
    RateNetwork,
    Sample,
)
from hamlearn.action.action import lagrangian
from hamlearn.analysis import action, boundary_value, gap, law_action, two_point
from hamlearn.costates import TimeReversal


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
    found = two_point(Cost(loss_weight=q), network, silent, dt=dt, inertia=r)
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
    cost = Cost(loss_weight=20.0, weight_decay=1.0)
    found = two_point(cost, network, samples, dt=dt, inertia=0.1)
    assert float(found.residual) < 1e-3
    # A costate by finite differences: dJ of a kick of one weight at one time.
    kick = 1e-5
    for k in (0, 10, 20):
        ends = []
        for sign in (1, -1):
            v = found.velocity | {
                "weight": found.velocity["weight"].at[k, 1, 2].add(sign * kick / dt)
            }
            ends.append(float(action(cost, network, samples, v, dt=dt, inertia=0.1)))
        slope = (ends[0] - ends[1]) / (2 * kick)
        assert abs(slope) < 2e-3 * 0.1 * np.abs(found.velocity["weight"]).max()


def test_no_path_near_the_optimum_is_better(getkey):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(loss_weight=20.0, weight_decay=1.0)
    found = two_point(cost, network, samples, dt=dt, inertia=0.1)
    for _ in range(20):
        noise = jax.random.normal(getkey(), found.velocity["weight"].shape)
        v = found.velocity | {"weight": found.velocity["weight"] + 0.3 * noise}
        assert float(action(cost, network, samples, v, dt=dt, inertia=0.1)) > float(
            found.value
        )


@pytest.mark.parametrize("settle", [0, 150])
def test_a_causal_law_costs_more_than_the_optimum(getkey, settle):
    network, samples, dt = tracking(getkey(), duration=0.5 + settle * 0.02)
    cost = Cost(loss_weight=100.0, weight_decay=1.0)
    law = HamiltonianLearning(cost, inertia=0.1, dissipation=20.0)
    found = gap(law, network, samples, dt=dt, settle=settle)
    assert found.ratio > 1.0
    assert float(found.optimum.residual) < 1e-3


def test_newton_solves_a_linear_quadratic_problem_in_one_step():
    steps, dt, q, r = 80, 0.05, 3.0, 0.2
    network = Dynamics(Integrator(jnp.full(1, 0.4)), initial_state=jnp.ones(1))
    silent = Sample(jnp.zeros((steps, 0)), jnp.zeros((steps, 1)))
    rest = {"drift.w": jnp.zeros((steps, 1))}
    found = boundary_value(
        Cost(loss_weight=q), network, silent, dt=dt, inertia=r, velocity=rest
    )
    z = np.array([1.0, 0.4])
    expected = z @ riccati(dt, steps, q, r) @ z / 2
    assert found.steps == 1
    assert np.isclose(float(found.value), expected, rtol=1e-12)
    assert float(found.residual) < 1e-10


@pytest.mark.parametrize("dissipation", [0.0, 1.5])
def test_both_ends_given_and_descent_on_the_control_agree(getkey, dissipation):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(loss_weight=20.0, weight_decay=1.0)
    options = {"dt": dt, "inertia": 0.1, "dissipation": dissipation}
    descent = two_point(cost, network, samples, **options)
    newton = boundary_value(cost, network, samples, **options)
    assert newton.steps < 10
    assert float(newton.residual) < 1e-7
    assert float(descent.residual) < 1e-4
    # At a minimum the value is off by the square of the residual.
    excess = float(descent.value / newton.value) - 1
    assert -1e-14 < excess < 1e-9
    for name, v in newton.velocity.items():
        size = np.abs(v).max()
        assert np.abs(v[-1]).max() == 0  # the condition at the end of time
        assert np.abs(v - descent.velocity[name]).max() < 1e-2 * size


def test_gap_takes_any_way_to_the_optimum(getkey):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(loss_weight=20.0, weight_decay=1.0)
    law = HamiltonianLearning(cost, inertia=0.1, dissipation=20.0)
    found = gap(law, network, samples, dt=dt, find=boundary_value, tolerance=1e-10)
    assert found.ratio > 1.0
    assert float(found.optimum.residual) < 1e-7


@pytest.mark.parametrize("name", LAWS)
def test_every_law_has_an_action_and_a_problem(getkey, name):
    law, key, dt = LAWS[name], getkey(), 0.1
    network, samples = suited(law, key), jets(getkey(), 9, dt)
    J, (start, x, after) = law_action(
        law, network, samples, dt=dt, settle=3, inertia=0.5, key=key
    )
    assert after.target.shape == (6, 2)
    # The same sum by hand, over the path of the law.
    state = law.init(network, key=key)
    first, rest = (
        jax.tree.map(lambda a, s=s: a[s], samples) for s in (slice(3), slice(3, 9))
    )
    state, _ = hl.scan(law, state, first, dt)
    w, frozen = hl.split(start)
    assert all(np.allclose(w[name], state.w[name], rtol=1e-12) for name in w)
    _, path = hl.scan(law, state, rest, dt, lambda state, sample, info: state.w)
    expected = 0.0
    for k in range(6):
        sample = jax.tree.map(lambda a, k=k: a[k], after)
        v = {name: (path[name][k] - w[name]) / dt for name in w}
        paid, x = went(law.cost, hl.join(w, frozen), x, v, sample, jnp.asarray(dt))
        expected += float(paid)
        w = {name: leaf[k] for name, leaf in path.items()}
    assert np.isclose(float(J), expected, rtol=1e-10)


@eqx.filter_jit
def went(cost, network, x, v, sample, dt):
    """(dt L, the next state) of one step."""
    L = lagrangian(cost, network, x, v, sample, inertia=0.5)
    return dt * L, network.transition(x, sample.input, dt)


def test_the_judge_has_the_inertia_of_the_law(getkey):
    key, dt = getkey(), 0.1
    for law, r in (
        (HamiltonianLearning(inertia=0.3), 0.3),
        (HamiltonianLearning(policy=TimeReversal(), inertia=0.3), 0.3),
        (STLP(inertia=0.2), 0.2),
        (hl.GLE(), 1.0),
    ):
        network, samples = suited(law, key), jets(getkey(), 6, dt)
        own, given = (
            law_action(law, network, samples, dt=dt, key=key, **inertia)[0]
            for inertia in ({}, {"inertia": r})
        )
        assert float(own) == float(given)


def test_the_gap_of_a_law_with_voltages(getkey):
    law, key, dt = LAWS["VLE"], getkey(), 0.1
    found = gap(law, suited(law, key), jets(getkey(), 20, dt), dt=dt, key=key)
    assert found.ratio > 1.0
    assert float(found.optimum.residual) < 1e-4


def test_single_precision_comes_near_the_optimum(getkey):
    network, samples, dt = tracking(getkey(), duration=0.5)
    cost = Cost(loss_weight=20.0, weight_decay=1.0)
    exact = two_point(cost, network, samples, dt=dt, inertia=0.1)
    single = lambda a: a.astype(np.float32) if eqx.is_inexact_array(a) else a
    with jax.enable_x64(False):
        cost = Cost(loss_weight=20.0, weight_decay=1.0)
        cast = jax.tree.map(single, (network, samples))
        found = two_point(cost, *cast, dt=dt, inertia=0.1)
    assert found.value.dtype == np.float32
    assert np.isclose(float(found.value), float(exact.value), rtol=1e-5)
