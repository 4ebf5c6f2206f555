"""The series against an independent integration, and its floors."""

import jax
import numpy as np
import pytest

from hamlearn.tasks import Forecast, MackeyGlass
from hamlearn.tasks.mackey_glass import integrated


def test_series_is_that_of_small_euler_steps():
    """A hundred units of time, before chaos can tell two integrations apart."""
    got = integrated(1.234, 2000, 340)
    h, lag = 0.002, 8500
    x = np.full(50_000 + lag, 1.234)
    for k in range(lag, len(x) - 1):
        past = x[k - lag]
        x[k + 1] = x[k] + h * (0.2 * past / (1 + past**10) - 0.1 * x[k])
    wanted = x[lag + 25 :: 25]
    assert np.ptp(wanted) > 0.3
    np.testing.assert_allclose(got[: len(wanted)], wanted, atol=2e-3)


def test_series_converges_to_that_of_a_library():
    """Between two delays the equation is ordinary: SciPy solves it on its own."""
    from scipy.integrate import solve_ivp

    past = 1.234
    production = 0.2 * past / (1 + past**10)
    found = solve_ivp(
        lambda t, x: production - 0.1 * x, (0, 17), [past], rtol=1e-11, atol=1e-12,
        dense_output=True,
    )  # fmt: skip
    times = 0.05 * np.arange(1, 341)
    np.testing.assert_allclose(
        integrated(past, 340, 340), found.sol(times)[0], atol=1e-9
    )


def test_whole_delays_at_once_are_single_steps_one_after_the_other():
    lag, h = 40, 0.05
    keep, x = np.exp(-h / 10), [1.1] * (lag + 1)
    made = lambda past: 0.2 * past / (1 + past**10)
    for _ in range(130):
        old, new = x[-lag - 1], x[-lag]
        gain = keep * made(old) + 4 * keep**0.5 * made((old + new) / 2) + made(new)
        x.append(keep * x[-1] + h / 6 * gain)
    got = integrated(1.1, 130, lag)
    assert np.ptp(got) > 0.1
    np.testing.assert_allclose(got, x[lag + 1 :], rtol=1e-12)


def test_targets_are_the_input_a_horizon_later():
    task = MackeyGlass(dt=1.0, horizon=6.0)
    series = task.samples(jax.random.key(2), 2000)
    x, y = np.asarray(series.input), np.asarray(series.target)
    np.testing.assert_array_equal(y[:-6], x[6:])
    assert abs(np.mean(x)) < 0.01
    assert abs(np.var(x) - 1) < 0.01
    other = MackeyGlass().samples(jax.random.key(3), 2000).input
    assert np.abs(x - other).max() > 0.1


def test_floors():
    task = MackeyGlass(horizon=6.0)
    floors, samples = task.floors(), task.samples()
    x, y = np.asarray(samples.input), np.asarray(samples.target)
    half = slice(len(x) // 2, None)
    assert abs(floors["last"] - np.mean((x - y)[half] ** 2) / 2) < 1e-12
    assert floors["linear"] < 0.05 < floors["last"] < 2 * floors["constant"]


def test_forecasts_are_hard_far_ahead_only():
    easy, hard = (MackeyGlass(horizon=h).floors() for h in (1.0, 60.0))
    assert easy["linear"] < 0.01 * easy["constant"]
    assert easy["linear"] < 0.3 * easy["last"]
    assert hard["linear"] > 0.1 * hard["constant"]


def test_the_series_itself_makes_a_forecast():
    task = MackeyGlass(dt=1.0, horizon=1.0)
    x = task.series(steps=500)
    assert x.shape == (500,)
    assert 0.2 < x.min() < x.max() < 1.5
    scaled = task.samples(steps=500).input[:, 0]
    assert np.corrcoef(x, scaled)[0, 1] == pytest.approx(1, abs=1e-12)
    assert Forecast(x, name="mg").length == 498


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`dt` must be a positive multiple of 0.05"):
        MackeyGlass(dt=0.03)
