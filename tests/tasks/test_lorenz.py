"""The Lorenz system against its equations, an independent integration, its floors."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hamlearn.tasks import Lorenz


def field(t, state):
    x, y, z = state
    return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


def test_the_path_obeys_its_equations():
    path = Lorenz(0.001).path(steps=400)
    rate = np.gradient(path, 0.001, axis=0)[1:-1]
    wanted = field(0, path[1:-1].T).T
    assert np.abs(rate - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_the_path_is_that_of_another_solver():
    """Six units of time, over which chaos makes an error grow two hundred-fold."""
    path = Lorenz(0.02).path(jax.random.key(5), 300)
    times = 0.02 * np.arange(300)
    other = solve_ivp(
        field, (0, times[-1]), path[0], t_eval=times, rtol=1e-11, atol=1e-11
    )
    np.testing.assert_allclose(path, other.y.T, atol=1e-5)


def test_the_path_is_the_same_in_single_precision():
    double = Lorenz().path(steps=50)
    with jax.enable_x64(False):
        single = Lorenz().path(steps=50)
    np.testing.assert_array_equal(double, single)


def test_keys_draw_other_starts(getkey):
    one, other = (Lorenz().path(getkey(), 50) for _ in range(2))
    assert np.abs(one - other).max() > 1


def test_one_step_ahead_is_nearly_linear():
    samples = Lorenz().samples(steps=4000)
    np.testing.assert_array_equal(samples.target[:-1], samples.input[1:])
    assert abs(np.var(samples.target, axis=0).sum() / 2 - 1.5) < 0.01
    floors = Lorenz().floors()
    assert floors["linear"] < 1e-3 * floors["constant"]
    assert floors["linear"] < floors["last"] / 50


def test_forecasts_are_hard_far_ahead_only():
    easy, hard = Lorenz().floors(), Lorenz(ahead=25).floors()
    assert easy["linear"] < 0.01 * easy["constant"]
    assert easy["linear"] < 0.3 * easy["last"]
    assert hard["linear"] > 0.1 * hard["constant"]


def test_bad_arguments():
    with pytest.raises(ValueError, match="`ahead` must be an integer of at least 1"):
        Lorenz(ahead=0)
