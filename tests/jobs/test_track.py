"""Tracking online: the figures of the three ready signals, and what is chosen."""

import jax
import numpy as np
import pytest

import hamlearn as hl
from hamlearn import tasks
from hamlearn.jobs import Settings, tracker

#: RMSE over the settled part in the signal's unit, as reached with all parts at once.
REACHED = {
    "sine": (tasks.sine, 0.0164),
    "patched": (tasks.patched, 0.1009),
    "heartbeat": (tasks.heartbeat, 0.0560),
}


@pytest.fixture(autouse=True)
def plain_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.parametrize("name", REACHED)
def test_ready_signals_are_tracked(name):
    make, reached = REACHED[name]
    target = make()
    result = hl.track(target, progress=False)
    errors = target.errors(result.output)
    assert result.diverged is None
    assert result.samples == len(target.values)
    assert errors["rmse"] < 1.005 * reached
    assert errors["rmse"] < 0.35 * errors["rmse_zero"]


def test_settings_are_those_that_are_documented():
    """om = 100, theta = 60, c = 10 for a made signal; 11/h, .7 om, 1.5 om for another."""
    made = Settings.suited_to(tasks.sine())
    assert np.sqrt(made.loss_weight / made.inertia) == pytest.approx(100)
    assert (made.dissipation, made.speed) == (60.0, 10.0)
    h = 0.5
    signal = tasks.recorded("steps", h * np.arange(20), np.arange(20.0) % 3)
    found = Settings.suited_to(signal)
    om = np.sqrt(found.loss_weight / found.inertia)
    assert om == pytest.approx(11 / h)
    assert found.dissipation == pytest.approx(0.7 * om)
    assert found.speed == pytest.approx(1.5 * om)
    for text in ("om = 11/h", "theta = .7 om", "c = 1.5 om", "om = 100", "theta = 60"):
        assert text in " ".join(Settings.suited_to.__doc__.split())


def test_what_is_given_is_what_runs():
    target = tasks.sine(duration=2.0, dt=0.01)
    given = {
        "inertia": 0.5,
        "dissipation": 9.0,
        "weight_decay": 0.25,
        "loss_weight": 3.0,
    }
    result = hl.track(target, speed=4.0, neurons=3, seed=2, progress=False, **given)
    law = result.law
    assert float(law.update.inertia) == 0.5
    assert float(law.update.dissipation) == float(law.credit.dissipation) == 9.0
    assert float(law.cost.loss_weight) == 3.0
    assert float(law.cost.weight_decay) == 0.25
    np.testing.assert_allclose(result.network.time_constant, np.full(3, 0.25))
    network, x0 = tracker(3, 4.0, 2)
    by_hand = hl.stream(
        hl.HamiltonianLearning(
            hl.Cost(loss_weight=3.0, weight_decay=0.25), inertia=0.5, dissipation=9.0
        ),
        network, target.samples(), dt=0.01, x0=x0, progress=False,
    )  # fmt: skip
    np.testing.assert_array_equal(result.output, by_hand.output)


def test_bad_arguments_are_named():
    target = tasks.sine(duration=1.0, dt=0.01)
    bad = {
        "inertia": (0.0, "`inertia` must be positive, but is 0.0"),
        "speed": (-1.0, "`speed` must be positive, but is -1.0"),
        "neurons": (0, "`neurons` must be an integer of at least 1, but is 0"),
        "loss_weight": (-1.0, "`loss_weight` must be non-negative, but is -1.0"),
    }
    for name, (value, words) in bad.items():
        with pytest.raises(ValueError, match=words):
            hl.track(target, progress=False, **{name: value})
