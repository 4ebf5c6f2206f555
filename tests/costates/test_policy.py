"""Policies on the scalar linear-quadratic problem, whose optimum is known."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn.costates.bounded import CostateBox, CostateReset
from hamlearn.costates.riccati import TimeReversal
from hamlearn.costates.sign import (
    HamiltonianSign,
    HysteresisSign,
    NoFlip,
    SignFlip,
    SmoothSign,
)
from hamlearn.mechanics.causal import Motion

HORIZON = 10.0


def linear_quadratic(a=0.0, q=1.0, r=0.1, b=1.0):
    """x' = a x + b v, cost q/2 x^2 + r/2 v^2, so v = -b p / r."""
    return lambda x, p: q / 2 * x**2 + a * x * p - b**2 / (2 * r) * p**2


def motion_of(H, q, p, theta=0.0):
    value, (H_q, H_p) = jax.value_and_grad(H, argnums=(0, 1))(q, p)
    return Motion(q, p, value, H_q, H_p, jnp.asarray(theta), H)


def run(H, policy, *, theta=0.0, q=1.0, r=0.1, end=HORIZON):
    """(x, p, memory, cost) at 101 times, from x(0) = 1, p(0) = 0 on."""

    def field(t, y, args):
        x, p, memory, _ = y
        motion = motion_of(H, x, p, theta)
        p_rate, memory_rate = policy.rates(motion, memory)
        return motion.H_p, p_rate, memory_rate, q / 2 * x**2 + p**2 / (2 * r)

    @jax.jit
    def solve(x):
        start = (x, jnp.zeros(()), policy.init(x), jnp.zeros(()))
        return dfx.diffeqsolve(
            dfx.ODETerm(field),
            dfx.Dopri8(),
            0.0,
            end,
            None,
            start,
            stepsize_controller=dfx.PIDController(rtol=1e-10, atol=1e-12),
            saveat=dfx.SaveAt(ts=jnp.linspace(0, end, 101)),
            max_steps=20_000,
        ).ys

    return solve(jnp.asarray(1.0))


@pytest.mark.parametrize(
    ("a", "reversed_cost", "flip_cost"),
    [(-1.0, 0.1366, 0.1404), (0.0, 0.2108, 0.2372), (1.0, 0.3499, 0.5320)],
)
def test_costs_of_the_linear_quadratic_problem(a, reversed_cost, flip_cost):
    H = linear_quadratic(a)
    riccati = run(H, TimeReversal())[3][-1]
    flipped = run(H, SignFlip(), theta=2 * np.sqrt(10.0))[3][-1]
    np.testing.assert_allclose(riccati, reversed_cost, atol=6e-5)
    np.testing.assert_allclose(flipped, flip_cost, atol=6e-5)


def test_flip_without_dissipation_swings_for_ever():
    """x'' = -(B q) x: the cost is 1/2 int x^2 + v^2 r = T/2 (a = 0)."""
    _, _, _, cost = run(linear_quadratic(), SignFlip())
    np.testing.assert_allclose(cost[-1], 5.0, rtol=1e-7)


@pytest.mark.parametrize("a", [-1.0, 0.0, 1.0])
def test_riccati_matrix_is_the_closed_form(a):
    """P = (a + mu tanh(mu t + phase))/B, mu = sqrt(a^2 + B q), B = b^2/r."""
    _, _, P, _ = run(linear_quadratic(a), TimeReversal(), end=2.0)
    times, B = np.linspace(0, 2.0, 101), 10.0
    mu = np.sqrt(a**2 + B)
    wanted = (a + mu * np.tanh(mu * times - np.arctanh(a / mu))) / B
    np.testing.assert_allclose(P[:, 0, 0], wanted, atol=1e-9)


@pytest.mark.parametrize("a", [-1.0, 0.0, 1.0])
def test_reversed_costate_is_that_of_the_infinite_horizon(a):
    """With P settled, p = P x stays true along the optimal feedback."""
    H = linear_quadratic(a)

    def field(t, y, args):
        x, p = y
        P = jnp.full((1, 1), (a + np.sqrt(a**2 + 10)) / 10)  # settled
        motion = motion_of(H, x, p)
        p_rate, P_rate = TimeReversal().rates(motion, P)
        return motion.H_p, p_rate, jnp.max(jnp.abs(P_rate))

    p_inf = (a + np.sqrt(a**2 + 10)) / 10
    x = jnp.asarray(0.7)
    x_rate, p_rate, P_rate = field(0.0, (x, p_inf * x), None)
    assert P_rate < 1e-14
    np.testing.assert_allclose(p_rate, p_inf * x_rate, rtol=1e-13)


def test_time_reversal_without_riccati_matrix_is_the_flip():
    H = linear_quadratic(0.7)
    motion = motion_of(H, jnp.asarray(0.4), jnp.asarray(-1.3), theta=0.9)
    got, _ = TimeReversal().rates(motion, jnp.zeros((1, 1)))
    wanted, _ = SignFlip().rates(motion, None)
    np.testing.assert_array_equal(got, wanted)


def several():
    """A linear-quadratic problem in three dimensions, on trees."""
    rng = np.random.default_rng(0)
    A, S, Q = (jnp.asarray(rng.normal(size=(3, 3))) for _ in range(3))
    S, Q = S @ S.T, Q @ Q.T
    flat = lambda q: jnp.concatenate([q["b"], q["a"][None]])

    def H(q, p):
        q, p = flat(q), flat(p)
        return q @ Q @ q / 2 + p @ A @ q - p @ S @ p / 2

    return A, S, Q, flat, H


def test_time_reversal_in_several_dimensions():
    A, S, Q, _, H = several()
    rng = np.random.default_rng(1)
    q, p = (
        {"a": jnp.asarray(rng.normal()), "b": jnp.asarray(rng.normal(size=2))}
        for _ in range(2)
    )
    P = rng.normal(size=(3, 3))
    P = jnp.asarray(P + P.T)
    motion = motion_of(H, q, p, theta=0.3)
    p_rate, P_rate = TimeReversal().rates(motion, P)
    # `ravel_pytree` puts "a" first; the matrices above have it last.
    order = np.array([2, 0, 1])
    A, S, Q = (np.asarray(M)[np.ix_(order, order)] for M in (A, S, Q))
    x, lam = (np.concatenate([[z["a"]], z["b"]]) for z in (q, p))
    wanted = Q + A.T @ P + P @ A - P @ S @ P - 0.3 * np.asarray(P)
    np.testing.assert_allclose(P_rate, wanted, rtol=1e-12, atol=1e-12)
    H_q, x_rate = Q @ x + A.T @ lam, A @ x - S @ lam
    wanted = H_q + 2 * P @ x_rate - 0.3 * lam
    got = np.concatenate([[p_rate["a"]], p_rate["b"]])
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_time_reversal_settles_symmetric():
    P = jnp.arange(9.0).reshape(3, 3)
    p, settled = TimeReversal().settle(1.0, jnp.asarray(0.0), P)
    np.testing.assert_array_equal(settled, (np.asarray(P) + np.asarray(P).T) / 2)
    assert p == 1.0


MOVING = {"a": jnp.array([0.5, -2.0]), "b": jnp.asarray(3.0)}


def unused(q, p):
    raise AssertionError("only `TimeReversal` looks at the Hamiltonian itself")


def sample_motion(value=1.0):
    H_q = jax.tree.map(lambda leaf: 2 * leaf + 1, MOVING)
    return Motion(
        MOVING, MOVING, jnp.asarray(value), H_q, MOVING, jnp.asarray(0.5), unused
    )


def rates_with_sign(s, value=1.0):
    return jax.tree.map(lambda h, p: -s * h - 0.5 * p, sample_motion(value).H_q, MOVING)


def quiet_no_flip():
    with pytest.warns(UserWarning, match="diverges"):
        return NoFlip()


@pytest.mark.parametrize("value", [2.0, -2.0, 0.3])
def test_signs(value):
    motion = sample_motion(value)
    expected = [
        (SignFlip(), None, -1.0),
        (quiet_no_flip(), None, 1.0),
        (HamiltonianSign(), None, -1.0 if value > 0 else 1.0),
        (SmoothSign(4.0), None, -np.tanh(value / 4)),
        (HysteresisSign(1.0), jnp.asarray(1.0), 1.0),
        (HysteresisSign(1.0), jnp.asarray(-1.0), -1.0),
    ]
    for policy, memory, sign in expected:
        got, _ = policy.rates(motion, memory)
        for a, b in zip(
            jax.tree.leaves(got), jax.tree.leaves(rates_with_sign(sign)), strict=True
        ):
            np.testing.assert_allclose(a, b, rtol=1e-14)


def test_hysteresis_switches_only_outside_its_band():
    policy = HysteresisSign(1.0)
    memory = policy.init(MOVING)
    path = [0.5, -0.9, -1.1, -0.2, 0.9, 1.2, 0.1, -1.5]
    signs = []
    for value in path:
        p, memory = policy.settle(MOVING, jnp.asarray(value), memory)
        assert p is MOVING
        signs.append(float(memory))
    assert signs == [-1, -1, 1, 1, 1, -1, -1, 1]
    assert policy.jumps
    _, rate = policy.rates(sample_motion(), memory)
    assert rate == 0


def test_box_bounds_every_costate():
    """Under a force that would push |p| to infinity at once."""
    bound = 0.2
    _, p, _, _ = run_euler(CostateBox(bound), steps=20_000)
    # One explicit step may overshoot by h |H_q| = 1e-3 * 5.
    assert np.abs(p).max() < bound + 6e-3
    assert np.abs(p).max() > bound - 1e-3
    _, free, _, _ = run_euler(SignFlip(), steps=20_000)
    assert np.abs(free).max() > 1.3 * bound


def test_box_acts_on_single_entries():
    inner, outer = jnp.array([0.1, -0.1]), jnp.array([0.9, -0.9])
    p = jnp.concatenate([inner, outer])
    H_q = jnp.array([1.0, 2.0, 3.0, -4.0])
    motion = Motion(p, p, jnp.asarray(1.0), H_q, p, jnp.asarray(0.5), unused)
    got, _ = CostateBox(0.5).rates(motion, None)
    wanted = [1 - 0.05, 2 + 0.05, -3 - 0.45, 4 + 0.45]
    np.testing.assert_allclose(got, wanted, rtol=1e-14)
    got, _ = CostateBox(0.5, quiet_no_flip()).rates(motion, None)
    np.testing.assert_allclose(got[:2], [-1 - 0.05, -2 + 0.05], rtol=1e-14)
    np.testing.assert_allclose(got[2:], wanted[2:], rtol=1e-14)


def run_euler(policy, *, steps, h=1e-3, a=0.5):
    """The linear-quadratic problem step by step, with `settle`."""
    H = linear_quadratic(a)

    @jax.jit
    def go(x):
        def step(carry, _):
            x, p, memory, cost = carry
            motion = motion_of(H, x, p)
            p_rate, memory_rate = policy.rates(motion, memory)
            # No memory is None, or a number.
            memory = jax.tree.map(lambda m, rate: m + h * rate, memory, memory_rate)
            new_p, memory = policy.settle(p + h * p_rate, motion.value, memory)
            cost = cost + h * (x**2 / 2 + p**2 / 0.2)
            return (x + h * motion.H_p, new_p, memory, cost), (x, p, cost)

        start = (x, jnp.zeros(()), policy.init(x), jnp.zeros(()))
        return jax.lax.scan(step, start, length=steps)[1]

    x, p, cost = go(jnp.asarray(1.0))
    return np.asarray(x), np.asarray(p), None, np.asarray(cost)


def test_reset_starts_again_from_zero():
    policy = CostateReset(1.0)
    small = jax.tree.map(lambda leaf: leaf / 4, MOVING)
    kept, _ = policy.settle(small, jnp.asarray(0.0), None)
    assert eqx.tree_equal(kept, small)
    gone, _ = policy.settle(MOVING, jnp.asarray(0.0), None)
    assert eqx.tree_equal(gone, jax.tree.map(jnp.zeros_like, MOVING))
    assert policy.jumps


def test_reset_in_a_run():
    _, p, _, _ = run_euler(CostateReset(0.2), steps=20_000)
    resets = np.flatnonzero((p[1:] == 0) & (np.abs(p[:-1]) > 0.15))
    assert np.abs(p).max() <= 0.2
    assert len(resets) > 2


def test_reset_keeps_the_inner_policys_memory():
    policy = CostateReset(1.0, HysteresisSign(0.5))
    memory = policy.init(MOVING)
    assert memory == -1
    gone, memory = policy.settle(MOVING, jnp.asarray(-2.0), memory)
    assert memory == 1
    assert float(gone["b"]) == 0
    got, _ = policy.rates(sample_motion(), memory)
    np.testing.assert_allclose(got["b"], rates_with_sign(1.0)["b"])


def test_which_policies_jump():
    calm = [SignFlip(), quiet_no_flip(), HamiltonianSign(), SmoothSign(),
            TimeReversal(), CostateBox(1.0)]  # fmt: skip
    assert not any(policy.jumps for policy in calm)
    assert CostateBox(1.0, HysteresisSign()).jumps


ERRORS = {
    "`scale` must be positive, but is 0.0.": lambda: SmoothSign(0.0),
    "`band` must be positive, but is -1.0.": lambda: HysteresisSign(-1),
    "`bound` must be positive, but is 0.0.": lambda: CostateBox(0),
    "`bound` must be positive, but is -2.0.": lambda: CostateReset(-2.0),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(message):
    with pytest.raises(ValueError) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
