"""The series against an independent integration, and its floors."""

import numpy as np
import pytest

from hamlearn.tasks.mackey_glass import _integrate, forecast_floors, mackey_glass


def test_series_is_that_of_small_euler_steps():
    """A hundred units of time, before chaos can tell two integrations apart."""
    got = _integrate(2000, 340, 0.05, np.random.default_rng(3))
    h, lag = 0.002, 8500
    x = np.full(50_000 + lag, 1.2 + 0.1 * np.random.default_rng(3).uniform(-1, 1))
    for k in range(lag, len(x) - 1):
        past = x[k - lag]
        x[k + 1] = x[k] + h * (0.2 * past / (1 + past**10) - 0.1 * x[k])
    wanted = x[lag + 25 :: 25]
    assert np.ptp(wanted) > 0.3
    np.testing.assert_allclose(got[: len(wanted)], wanted, atol=2e-3)


def test_horizon_and_floors():
    series = mackey_glass(2000, dt=1.0, horizon=6.0)
    x, y = np.asarray(series.input), np.asarray(series.target)
    np.testing.assert_array_equal(y[:-6], x[6:])
    floors = forecast_floors(series)
    half = slice(1000, None)
    assert abs(floors["last"] - np.mean((x - y)[half] ** 2)) < 0.02
    assert floors["linear"] < 0.1 < floors["last"] < 2 * floors["mean"]


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`dt` must be a positive multiple of 0.05"):
        mackey_glass(10, dt=0.03)
