"""Signals: the mollifier, held samples, jets and Taylor samples."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from hamlearn import Sample, Signal
from hamlearn.signals.held import Held, Mollified, mollifier, smooth_step


def rho(s):
    return np.exp(-1 / (1 - s * s)) / 0.443993816168079437823 if abs(s) < 1 else 0.0


POINTS = np.concatenate([np.linspace(-0.999, 0.999, 37), [-1.5, -1.0, 0.0, 1.0, 2.0]])


def test_smooth_step_is_the_integral_of_the_mollifier():
    for s in POINTS:
        wanted, _ = quad(rho, -1, np.clip(s, -1, 1), epsabs=1e-13, limit=200)
        assert abs(float(smooth_step(jnp.asarray(s))) - wanted) < 1e-10


def test_smooth_step_ends_exactly_flat():
    assert smooth_step(jnp.asarray(-1.0)) == 0 == smooth_step(jnp.asarray(-7.0))
    assert abs(smooth_step(jnp.asarray(1.0)) - 1) < 1e-10
    assert smooth_step(jnp.asarray(7.0)) == smooth_step(jnp.asarray(1.0))


def test_derivative_of_the_smooth_step_is_the_mollifier():
    for s in POINTS:
        s = jnp.asarray(s)
        assert jax.grad(smooth_step)(s) == mollifier(s)
        np.testing.assert_allclose(mollifier(s), rho(float(s)), rtol=1e-13, atol=0)
        value, rate = jax.jvp(smooth_step, (s,), (jnp.asarray(2.5),))
        assert value == smooth_step(s)
        assert rate == 2.5 * mollifier(s)


def test_second_derivative_is_finite_and_right():
    second = jax.vmap(jax.grad(jax.grad(smooth_step)))(jnp.asarray(POINTS))
    s = POINTS
    inside = np.abs(s) < 1
    gap = np.where(inside, 1 - s * s, 1)
    wanted = [rho(a) for a in s] * np.where(inside, -2 * s / gap**2, 0)
    np.testing.assert_allclose(second, wanted, rtol=1e-12, atol=1e-14)


def test_extremes_of_the_derivatives():
    """max|u'| = 0.829 |du|/eps, max|u''| = 1.80 |du|/eps^2 (measured 1.798)."""
    eps, jump = 0.3, 2.0
    signal = Mollified(np.array([1.0, 1.0 + jump]), dt=1.0, width=eps)
    jets = Signal(signal).jets(jnp.linspace(0.6, 1.4, 20_001))
    assert abs(np.abs(jets.input_rate).max() * eps / jump - 0.829) < 1e-3
    assert abs(np.abs(jets.input_acceleration).max() * eps**2 / jump - 1.798) < 1e-3


def test_mollified_signal_is_the_convolution():
    values = np.array([0.3, -1.0, 2.0, 0.5])
    eps, tau = 0.2, 0.7
    signal = Mollified(values, dt=tau, width=eps)
    held = lambda t: values[int(np.clip(np.floor(t / tau), 0, 3))]
    for t in np.linspace(0.01, 2.7, 41):
        jumps = [(t - k * tau) / eps for k in range(1, 4)]
        points = [s for s in jumps if abs(s) < 1] or None
        smooth = lambda s, t=t: rho(s) * held(t - eps * s)
        wanted, _ = quad(smooth, -1, 1, points=points, epsabs=1e-12, limit=200)
        np.testing.assert_allclose(signal(jnp.asarray(t)), [wanted], atol=1e-9, rtol=0)


def test_mollified_signal_keeps_its_ends():
    signal = Mollified(np.array([0.3, -1.0]), dt=1.0, width=0.4)
    for t, wanted in ((-2.0, 0.3), (0.0, 0.3), (0.5, 0.3), (1.5, -1.0), (9.0, -1.0)):
        np.testing.assert_allclose(signal(jnp.asarray(t)), [wanted], rtol=1e-10)


def test_held_signal_is_right_continuous():
    values = np.arange(5.0)[:, None] * [1, -1]
    held = Held(values, dt=0.1)
    for k in range(5):
        for offset in (0.0, 0.05, 0.0999):
            got = held(held.times()[k] + offset)
            np.testing.assert_array_equal(got, values[k])
    np.testing.assert_array_equal(held(jnp.asarray(-1.0)), values[0])
    np.testing.assert_array_equal(held(jnp.asarray(10.0)), values[-1])
    np.testing.assert_allclose(held.times(), [0, 0.1, 0.2, 0.3, 0.4], rtol=1e-15)


def test_held_jumps_are_where_times_says():
    """Stepping from jump to jump, as `solve` does, reads each sample once."""
    held = Held(np.random.default_rng(0).normal(size=200), dt=0.001)
    solution = dfx.diffeqsolve(
        dfx.ODETerm(lambda t, y, _: held(t)),
        dfx.Heun(),
        0.0,
        0.2,
        None,
        jnp.zeros(1),
        stepsize_controller=dfx.StepTo(jnp.append(held.times(), 0.2)),
        saveat=dfx.SaveAt(steps=True),
    )
    # Heun reads the right end of a step too, which belongs to the next sample.
    v = np.asarray(held.values[:, 0])
    wanted = np.cumsum(0.0005 * (v + np.append(v[1:], v[-1])))
    np.testing.assert_allclose(solution.ys[:200, 0], wanted, atol=1e-12)


def smooth_signal():
    return Signal(
        lambda t: jnp.stack([jnp.sin(2 * t), t**3 / (1 + t)]),
        lambda t: jnp.exp(-t) * jnp.cos(3 * t),
    )


def test_jets_against_closed_forms():
    t = np.linspace(0.1, 2, 7)
    jets = smooth_signal().jets(t)
    first = 3 * t**2 / (1 + t) - t**3 / (1 + t) ** 2
    second = 6 * t / (1 + t) - 6 * t**2 / (1 + t) ** 2 + 2 * t**3 / (1 + t) ** 3
    pairs = [
        (jets.input, [np.sin(2 * t), t**3 / (1 + t)]),
        (jets.input_rate, [2 * np.cos(2 * t), first]),
        (jets.input_acceleration, [-4 * np.sin(2 * t), second]),
        (jets.target, [np.exp(-t) * np.cos(3 * t)]),
        (jets.target_rate, [-np.exp(-t) * (np.cos(3 * t) + 3 * np.sin(3 * t))]),
        (
            jets.target_acceleration,
            [np.exp(-t) * (6 * np.sin(3 * t) - 8 * np.cos(3 * t))],
        ),
    ]
    for got, wanted in pairs:
        np.testing.assert_allclose(
            got, np.stack(wanted, axis=1), rtol=1e-12, atol=1e-13
        )


def test_jets_of_a_mollified_signal_against_finite_differences():
    values = np.random.default_rng(0).normal(size=(6, 2))
    signal = Signal(Mollified(values, dt=0.5, width=0.2))
    t = np.linspace(0.05, 2.6, 101)
    jets = signal.jets(t)
    # Central differences of fourth order, h chosen against round-off of Phi.
    h = 2e-4
    at = lambda k: np.asarray(signal.sample(t + k * h).input)
    first = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
    second = (16 * (at(1) + at(-1)) - (at(2) + at(-2)) - 30 * at(0)) / (12 * h * h)
    np.testing.assert_allclose(jets.input_rate, first, rtol=0, atol=1e-6)
    np.testing.assert_allclose(jets.input_acceleration, second, rtol=0, atol=1e-3)


def test_sample_takes_values_in_time():
    t = np.linspace(0, 1, 5)
    sample = smooth_signal().sample(t)
    np.testing.assert_allclose(sample.input[:, 0], np.sin(2 * t), rtol=1e-14)
    np.testing.assert_allclose(
        sample.target[:, 0], np.exp(-t) * np.cos(3 * t), rtol=1e-14
    )
    assert sample.input_rate is None


@pytest.mark.parametrize("order", [0, 1, 2])
def test_taylor_error_has_the_order_of_what_is_given(order):
    t = np.array([0.7])
    jet = jax.tree.map(lambda leaf: leaf[0], smooth_signal().jets(t))
    fields = [jet.input, jet.target, None, jet.input_rate, jet.target_rate]
    kept = Sample(
        *fields[: (2, 5, 5)[order]],
        *((jet.input_acceleration, jet.target_acceleration) if order == 2 else ()),
    )
    errors = []
    for s in (0.02, 0.01):
        exact = smooth_signal()(jnp.asarray(0.7 + s))
        got = kept(jnp.asarray(s))
        errors.append(
            (
                np.abs(got.input - exact.input).max(),
                np.abs(got.target - exact.target).max(),
            )
        )
    measured = np.log2(np.divide(*errors))
    np.testing.assert_allclose(measured, order + 1, atol=0.3)


def test_taylor_is_the_polynomial():
    sample = Sample(
        jnp.array([1.0]), jnp.array([2.0]), jnp.asarray(0.25), jnp.array([3.0]),
        jnp.array([4.0]), jnp.array([5.0]), jnp.array([6.0]),
    )  # fmt: skip
    moved = sample(jnp.asarray(0.5))
    np.testing.assert_allclose(moved.input, [1 + 0.5 * 3 + 0.125 * 5], rtol=1e-15)
    np.testing.assert_allclose(moved.target, [2 + 0.5 * 4 + 0.125 * 6], rtol=1e-15)
    assert moved.weight == 0.25


def test_missing_input_or_target_is_an_empty_vector():
    nothing = Signal()(jnp.asarray(0.3))
    assert nothing.input.shape == nothing.target.shape == (0,)
    sample = Signal(None, lambda t: t).sample(np.arange(3.0))
    assert sample.input.shape == (3, 0)
    np.testing.assert_array_equal(sample.target[:, 0], [0, 1, 2])


def test_single_precision():
    signal = Mollified(np.array([0.0, 1.0], np.float32), dt=1.0, width=0.4)
    t = jnp.linspace(0.5, 1.5, 31, dtype=jnp.float32)
    got = jax.vmap(signal)(t)
    assert got.dtype == jnp.float32
    wanted = [quad(rho, -1, np.clip((s - 1) / 0.4, -1, 1))[0] for s in np.asarray(t)]
    np.testing.assert_allclose(got[:, 0], wanted, rtol=0, atol=2e-6)


ERRORS = {
    "`dt` must be positive, but is 0.0.": lambda: Held(np.ones(3), dt=0),
    "`dt` must be positive, but is -0.1.": lambda: Mollified(
        np.ones(3), dt=-0.1, width=0.01
    ),
    "`width` must be positive, but is 0.0.": lambda: Mollified(
        np.ones(3), dt=1.0, width=0.0
    ),
    "`width` must be less than half of `dt` = 1.0, but is 0.5.": lambda: Mollified(
        np.ones(3), dt=1.0, width=0.5
    ),
    "`values` must be finite, but is nan at index (1, 0).": lambda: Held(
        np.array([0.0, np.nan, np.nan]), dt=1.0
    ),
    "`values` must be an array of shape (time, channels), but is of shape (2, 2, 2).": (
        lambda: Held(np.ones((2, 2, 2)), dt=1.0)
    ),
    "`len(values)` must be an integer of at least 1, but is 0.": lambda: Held(
        np.ones((0, 2)), dt=1.0
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(message):
    with pytest.raises(ValueError) as caught:
        ERRORS[message]()
    assert str(caught.value) == message
