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
    result = track_live(iter(values), progress=False)
    np.testing.assert_allclose(result.target[:, 0], target.values, rtol=1e-6)
    return target.ratios((result.output - target.offset) * target.scale), result.output


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
