"""Forecasts of a series: what is heard, what is asked, and what needs no network."""

import numpy as np
import pytest

from hamlearn import tasks
from hamlearn.tasks import Forecast, shaped


@pytest.fixture(scope="module")
def series():
    """Changes that follow the last one by 0.8, with noise of 0.6."""
    rng, d = np.random.default_rng(0), np.zeros(402)
    for k in range(1, d.size):
        d[k] = 0.8 * d[k - 1] + 0.6 * rng.normal()
    return np.cumsum(d)


@pytest.mark.parametrize("ahead", [1, 5])
def test_targets_are_the_next_change_and_inputs_the_last_value_and_change(
    series, ahead
):
    task = Forecast(series, ahead=ahead)
    known = series[: len(series) // 2]
    step, scale = np.diff(known).std(), (known[ahead:] - known[:-ahead]).std()
    made = task.samples()
    assert task.length == len(made.target) == 401 - ahead
    for k in (0, 7, task.length - 1):
        now, before, after = series[k + 1], series[k], series[k + 1 + ahead]
        value = (now - known.mean()) / known.std()
        assert made.input[k] == pytest.approx([value, (now - before) / step])
        assert made.target[k] == pytest.approx([(after - now) / scale])


@pytest.mark.parametrize(("immediate", "steps"), [(True, 1), (False, 1), (True, 4)])
def test_no_sample_knows_its_target(series, immediate, steps):
    """What a network has heard at a forecast does not move with any later value."""
    shape = {"immediate": immediate, "steps": steps}
    moved = series.copy()
    k = 240
    moved[k + 2 :] += 5.0  # the target of forecast k and all that follows
    before, after = (shaped(Forecast(s).samples(), **shape) for s in (series, moved))
    asked = (k + 1) * steps - 1
    heard = asked + 1 if immediate else asked  # an input acts a step later, or at once
    np.testing.assert_array_equal(before.input[:heard], after.input[:heard])
    taught = slice(steps - 1, asked, steps)  # the only steps whose target counts
    np.testing.assert_array_equal(before.target[taught], after.target[taught])
    assert np.abs(before.target[asked] - after.target[asked]) > 0.1
    if steps > 1:
        for rate in (before.input_rate, before.input_acceleration):
            assert np.abs(rate[steps - 1 :: steps]).max() == 0
        assert before.weight.reshape(-1, steps).sum(0).tolist() == [0, 0, 0, 400]


def test_floors_are_those_of_the_process(series):
    """Half the variance of a change, and half that of its noise, in its own scale."""
    floors = Forecast(series).floors()
    changes = np.diff(series)
    scale = changes[: len(series) // 2 - 1].std()
    length = len(changes) // 2
    assert floors["last"] == pytest.approx(
        np.mean(changes[length + 1 : 2 * length + 1] ** 2) / 2 / scale**2, rel=0.02
    )
    assert floors["linear"] == pytest.approx(0.6**2 / 2 / scale**2, rel=0.15)


def test_the_heartbeat_is_predicted_ahead():
    signal = tasks.heartbeat(seconds=60.0)
    task = Forecast(signal, ahead=7, changes=False, most=21_600)
    x = signal.recording()
    known = x[: len(x) // 2]
    scaled = (x - known.mean()) / known.std()
    samples = task.samples(steps=500)
    np.testing.assert_allclose(samples.input[:, 0], scaled[:500], atol=1e-12)
    np.testing.assert_allclose(samples.target[:, 0], scaled[7:507], atol=1e-12)
    assert (task.name, task.inputs, task.length) == ("heartbeat", 1, 21_593)
    assert "MIT-BIH" in task.source
    assert task.describe() == "7 samples ahead, every 0.002778 s"
    with pytest.raises(ValueError, match="`steps` must be at most 21593"):
        task.samples(steps=21_594)


def test_forecasts_are_hard_far_ahead_only():
    signal = tasks.heartbeat(seconds=60.0)
    easy, hard = (Forecast(signal, ahead=k, changes=False).floors() for k in (1, 20))
    assert easy["linear"] < 0.01 * easy["constant"]
    assert easy["linear"] < 0.3 * easy["last"]
    assert hard["linear"] > 0.1 * hard["constant"]


def test_the_same_forecast_whatever_the_step_of_the_signal():
    coarse, fine = (tasks.heartbeat(seconds=3.0, dt=dt) for dt in (1 / 360, None))
    one, other = (Forecast(signal).samples() for signal in (coarse, fine))
    np.testing.assert_array_equal(one.input, other.input)


def test_bad_series_are_refused():
    with pytest.raises(ValueError, match="`values` must be changing"):
        Forecast(np.zeros(200))
    with pytest.raises(ValueError, match=r"`len\(values\)` must be an integer of at"):
        Forecast(np.arange(10.0))
    with pytest.raises(ValueError, match="`ahead` must be an integer of at least 1"):
        Forecast(np.arange(100.0), ahead=0)


@pytest.mark.parametrize(("changes", "ahead"), [(True, 1), (True, 3), (False, 2)])
def test_outputs_are_foretold_in_the_unit_of_the_series(changes, ahead):
    x = np.cumsum(np.random.default_rng(0).normal(size=200)) * 7 + 3
    task = tasks.Forecast(x, changes=changes, ahead=ahead)
    said = task.foretold(task.samples().target)
    np.testing.assert_allclose(said["foretold"], said["recorded"], rtol=1e-12)
    np.testing.assert_array_equal(said["recorded"], x[said["sample"]])
    assert said["sample"][-1] == 199
    some = task.foretold(task.samples().target[50:60], first=50)
    np.testing.assert_allclose(some["foretold"], said["foretold"][50:60])
    # Another series in the units of this one: the same map from values to inputs.
    both = tasks.Forecast(np.r_[x, x], changes=changes, ahead=ahead, units=task.units)
    for name in ("input", "target"):
        here, there = (getattr(t.samples(), name) for t in (task, both))
        np.testing.assert_array_equal(there[: len(here)], here)
