"""Signals to track and CSV files: values, grids, gaps, errors."""

import numpy as np
import pytest

from hamlearn import tasks


def write(tmp_path, text, name="signal.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_sine_and_patched_have_their_documented_size():
    sine, patched = tasks.sine(), tasks.patched()
    assert sine.values.shape == patched.values.shape == (60_000,)
    np.testing.assert_allclose(sine.values[1571], 0.5 * np.sin(1.571), atol=1e-15)
    assert np.sqrt(np.mean(sine.values**2)) == pytest.approx(0.354, abs=2e-3)
    assert np.abs(patched.values).max() <= 0.6
    jumps = np.abs(np.diff(patched.values)) > 0.05
    assert 10 < jumps.sum() < 40


def test_heartbeat_is_the_recorded_signal():
    beat = tasks.heartbeat(seconds=60.0)
    recorded = beat.recording()
    assert recorded.shape == (21_600,)
    # First samples and mean as published with the recording (mV).
    np.testing.assert_allclose(recorded[:3], [-0.245, -0.215, -0.185], atol=1e-12)
    assert beat.interval == pytest.approx(1 / 360)
    assert np.array_equal(beat.values[40:80], np.full(40, recorded[1]))
    assert np.array_equal(beat.last[80:120], np.full(40, recorded[1]))
    scaled = beat.samples().target
    assert scaled.min() == pytest.approx(-0.5)
    assert scaled.max() == pytest.approx(0.5)
    assert beat.steps == 40
    np.testing.assert_array_equal(beat.starts, np.arange(0, 864_000, 40))


def test_made_signals_can_be_held_like_recordings():
    plain = tasks.sine(duration=2.0, dt=0.01)
    held = tasks.sine(duration=2.0, dt=0.01, interval=0.05)
    assert (plain.steps, held.steps) == (1, 5)
    np.testing.assert_array_equal(held.values, np.repeat(plain.values[::5], 5))
    np.testing.assert_array_equal(held.last[5:], held.values[:-5])
    np.testing.assert_array_equal(held.last[:5], held.values[:5])
    np.testing.assert_array_equal(held.recording(), plain.values[::5])
    np.testing.assert_array_equal(held.starts, np.arange(0, 200, 5))
    patched = tasks.patched(duration=20.0, interval=0.04)
    assert np.array_equal(patched.values, np.repeat(patched.values[::40], 40))
    with pytest.raises(ValueError, match=r"`interval` must be a multiple of `dt` = 0"):
        tasks.sine(interval=0.0015)


def test_ratios_are_those_of_repeating_the_last_value():
    values = np.concatenate([np.arange(20.0), np.full(20, 19.0)])
    target = tasks.recorded("ramp", np.arange(40.0), values, dt=0.5)
    half = (target.values + target.last) / 2  # half of the error everywhere
    output = (half - target.offset) * target.scale
    found = target.ratios(output, parts=4)
    np.testing.assert_allclose(found[:2], 0.5)
    assert np.isnan(found[2:]).all()  # the last value is exact there
    assert np.isnan(target.ratios(output[:30], parts=4)[1])


def test_what_is_held_over_gaps_is_not_asked():
    target = tasks.recorded("gaps", [0, 1, 2.4, 3.4, 7.4, 8.4], np.arange(6.0), dt=0.1)
    asked = target.asked
    held = np.flatnonzero(~asked) * 0.1  # 1.4 is late, 4 is a gap
    np.testing.assert_allclose(held, np.arange(4.4, 7.35, 0.1), atol=1e-9)
    assert target.held == 3
    assert tasks.recorded("even", np.arange(9.0), np.arange(9.0)).asked.all()
    long = np.arange(200.0)
    kept = (long < 60) | (long > 70)
    signal = tasks.recorded("gap", long[kept], np.sin(long)[kept], dt=0.5)
    weight = tasks.Forecast(signal).samples().weight
    assert weight is not None
    assert (weight == 0).sum() == 12  # to, from and between eleven that were held


def test_errors_are_in_the_unit_of_the_signal():
    target = tasks.recorded("ramp", np.arange(12.0), np.arange(12.0) * 10, dt=1.0)
    output = target.samples().target[:, 0] + 3 * target.scale
    errors = target.errors(output)
    assert errors["rmse"] == pytest.approx(3.0)
    settled = np.arange(2, 12) * 10.0
    assert errors["rmse_zero"] == pytest.approx(np.sqrt(np.mean(settled**2)))
    assert errors["rmse_mean"] == pytest.approx(settled.std())
    assert errors["rmse_last"] == pytest.approx(10.0)
    assert np.isnan(target.errors(output[:1])["rmse"])


MADE = {
    "sine": lambda: tasks.sine(duration=20.0),
    "patched": lambda: tasks.patched(duration=20.0),
    "heartbeat": lambda: tasks.heartbeat(seconds=10.0),
}


@pytest.mark.parametrize("name", MADE)
def test_floors_are_those_of_the_second_half(name):
    signal = MADE[name]()
    y, floors = np.asarray(signal.samples().target)[:, 0], signal.floors()
    second = y[len(y) // 2 :]
    assert np.isclose(floors["constant"], np.var(second) / 2, rtol=1e-10)
    assert np.isclose(floors["zero"], np.mean(second**2) / 2, rtol=1e-10)
    last = (signal.last[len(y) // 2 :] - signal.offset) * signal.scale
    assert np.isclose(floors["last"], np.mean((last - second) ** 2) / 2, rtol=1e-10)
    assert floors["last"] < floors["constant"] <= floors["zero"] * (1 + 1e-12)
    # A sine is a linear function of its last two values; jumps are of nothing.
    limits = {"sine": 1e-20, "patched": 0.1 * floors["constant"]}
    assert floors["linear"] < limits.get(name, floors["last"])


HEADERS = ["", "time,level\n", "t (s), level (m)\n"]


@pytest.mark.parametrize("header", HEADERS)
def test_csv_with_uneven_times_and_gaps_holds_the_last_value(tmp_path, header):
    text = header + "0,1.0\n1,2.0\n3,\n4,nan\n5.5,4.0\n"
    target = tasks.from_csv(write(tmp_path, text), dt=0.5)
    expected = [1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4][: target.values.size]
    assert np.array_equal(target.values, expected)
    assert target.unit == ("" if not header else header.strip().split(",")[1].strip())


def test_csv_of_values_alone_and_of_dates(tmp_path):
    alone = tasks.from_csv(write(tmp_path, "3\n1\n2\n"), dt=1.0)
    assert np.array_equal(alone.values, [3, 1, 2])
    assert alone.time_unit == "samples"
    text = "when,degrees\n2024-01-01,5\n2024-01-02,7\n2024-01-04,6\n"
    dated = tasks.from_csv(write(tmp_path, text), dt=86_400.0)
    assert np.array_equal(dated.values, [5, 7, 7, 6, 6][: dated.values.size])
    assert dated.time_unit == "s"


def test_csv_column_by_name_or_number(tmp_path):
    path = write(tmp_path, "t,a,b\n0,1,5\n1,2,6\n2,3,7\n")
    assert tasks.from_csv(path, column="b", dt=1.0).values[0] == 5
    for number in ("2", 2):
        assert tasks.from_csv(path, column=number, dt=1.0).values[0] == 1
    with pytest.raises(
        ValueError, match=r"`column` must be one of t, a, b, but is 'c'"
    ):
        tasks.from_csv(path, column="c")


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"`dt` must be positive, but is 0\.0"):
        tasks.sine(dt=0.0)
    with pytest.raises(ValueError, match=r"`seconds` must be between 0 and 60"):
        tasks.heartbeat(seconds=61.0)
    with pytest.raises(ValueError, match=r"`values` must be finite, but is nan at"):
        tasks.recorded("x", [0.0, 1.0], [0.0, np.nan])
