"""Copying a stream whose range is not known before it has been seen."""

import jax
import numpy as np
import pytest

from hamlearn import tasks
from hamlearn.jobs import track_live

K = np.arange(300)
DRAWN = np.random.default_rng(0).normal(size=K.size)
SIGNALS = {
    "walk": np.cumsum(DRAWN),
    "noise + 1000": 1000 + DRAWN,
    "slow": np.sin(0.01 * K),
    "ramp": 1.0 * K,
    "growing": np.sin(0.3 * K) * np.exp(0.01 * K),
}


@pytest.fixture(autouse=True)
def plain_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield


def ratios(values):
    target = tasks.recorded("live", np.arange(len(values)), values)
    came, result = track_live(iter(values), progress=False)
    np.testing.assert_allclose(came.values, target.values, rtol=1e-6)
    np.testing.assert_allclose(came.last, target.last, rtol=1e-6)
    return came.ratios(result.output), result.output


@pytest.mark.parametrize("name", SIGNALS)
def test_a_range_that_grows_is_followed(name):
    assert np.nanmax(ratios(SIGNALS[name])[0]) < 0.45


def test_no_unit_matters_and_nothing_of_the_future():
    values = SIGNALS["walk"]
    _, plain = ratios(values)
    _, small = ratios(1e-6 * values)
    np.testing.assert_allclose(small, 1e-6 * plain, rtol=0, atol=1e-9)
    _, other = ratios(np.concatenate([values[:100], 1e3 + values[100:]]))
    np.testing.assert_allclose(other[:4000], plain[:4000], rtol=1e-9, atol=1e-9)


def test_a_missing_value_is_held_and_not_learned_from():
    values = SIGNALS["walk"].copy()
    values[[0, 50, 51, 120]] = np.nan
    came, result = track_live(iter(values), progress=False)
    assert came.held == 3
    assert len(came.values) == 40 * 299  # nothing to hold before the first
    at = 40 * 49  # value 50 is missing: no credit there, whatever the output
    assert not came.asked[at : at + 80].any()
    assert np.all(result.loss[at : at + 80] == 0)
    assert np.nanmax(came.ratios(result.output)) < 0.45
    np.testing.assert_allclose(
        came.values[came.starts], values[np.isfinite(values)], rtol=1e-6
    )


def test_lines_are_values_however_they_are_written():
    found = lambda text, **options: list(tasks.values_of(text.split("\n"), **options))
    assert found("# x\n\n1\n2.5\n-3e1") == [1, 2.5, -30]
    assert found("time;level\n0;1.5\n1;2") == [1.5, 2]
    assert found("a,b\n1,2\n3,4", column="a") == [1, 3]
    assert found("1 2\n3 4", column="1") == [1, 3]
    assert found("1,5\n2,5", decimal=",") == [1.5, 2.5]
    np.testing.assert_equal(found("1\nNA\n2"), [1, np.nan, 2])
    with pytest.raises(ValueError, match="'two' in line 3"):
        found("1\n2\ntwo")
    with pytest.raises(ValueError, match="`column` must be one of a, b, but is 'c'"):
        found("a,b\n1,2", column="c")
