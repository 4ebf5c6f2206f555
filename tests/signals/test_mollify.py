"""Smooth transitions between held samples, against quadrature and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import hamlearn as hl
from hamlearn.signals.held import Mollified, mollifier, smooth_step
from hamlearn.signals.mollify import mollify


def bump(s):
    return np.exp(-1 / (1 - s * s)) if abs(s) < 1 else 0.0


def test_the_step_is_the_integral_of_the_mollifier():
    whole, _ = quad(bump, -1, 1, epsabs=1e-14)
    for s in np.linspace(-1, 1, 41):
        expected = quad(bump, -1, s, epsabs=1e-14)[0] / whole
        assert abs(float(smooth_step(jnp.asarray(s))) - expected) < 1e-10
        _, slope = jax.jvp(smooth_step, (jnp.asarray(s),), (jnp.ones(()),))
        assert float(slope) == float(mollifier(jnp.asarray(s)))
        np.testing.assert_allclose(slope, bump(s) / whole, atol=1e-14)


def test_samples_are_those_of_the_mollified_signal():
    values, targets = np.array([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]]), np.eye(3)
    samples = mollify(values, targets, steps=10, dt=0.1, width=0.3)
    signal = hl.Signal(
        Mollified(values, dt=1.0, width=0.3),
        Mollified(targets, dt=1.0, width=0.3),
    )
    times = jnp.asarray(np.arange(30) * 0.1)
    # The last half item goes on towards a next one that repeats it.
    expected = signal.jets(times)
    for name in expected.__dataclass_fields__:
        theirs = getattr(expected, name)
        if theirs is not None:
            ours = getattr(samples, name)
            np.testing.assert_allclose(ours, theirs, atol=1e-9, err_msg=name)


def test_derivatives_are_those_of_the_values():
    values = np.array([[0.0], [1.0], [-1.0]])
    samples = mollify(values, values, steps=2000, dt=1e-3, width=0.8)
    u = samples.input[:, 0]
    rate = (u[2:] - u[:-2]) / 2e-3
    bend = (u[2:] - 2 * u[1:-1] + u[:-2]) / 1e-6
    np.testing.assert_allclose(samples.input_rate[1:-1, 0], rate, atol=1e-4)
    np.testing.assert_allclose(samples.input_acceleration[1:-1, 0], bend, atol=1e-3)
    peak = np.abs(samples.input_rate[:2000]).max(), np.abs(bend[:1999]).max()
    np.testing.assert_allclose(peak, [0.829 / 0.8, 1.80 / 0.8**2], rtol=2e-3)


def test_dtype_and_default_width():
    items = np.ones((4, 3), np.float32) * np.arange(4, dtype=np.float32)[:, None]
    samples = mollify(items, items, steps=8, dt=0.25)
    assert {leaf.dtype for leaf in jax.tree.leaves(samples)} == {np.dtype("float32")}
    held = samples.input.reshape(4, 8, 3)[:, 2:6]  # outside tau/4 of the transitions
    np.testing.assert_array_equal(held, items[:, None] + 0 * held)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0.6}, "`width` must be at most half"),
        ({"steps": 1}, "`steps` must be an integer of at least 2"),
        ({"dt": 0.0}, "`dt` must be positive"),
        ({"targets": np.zeros((2, 1))}, "`targets` must be an array of shape"),
        ({"inputs": np.full((3, 1), np.nan)}, "`inputs` must be finite"),
    ],
)
def test_bad_arguments(change, message):
    good = {"inputs": np.zeros((3, 1)), "targets": np.zeros((3, 1)), "steps": 10}
    with pytest.raises(ValueError, match=message):
        mollify(**(good | {"dt": 0.1, "width": 0.2} | change))
