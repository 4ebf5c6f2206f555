"""The map: where a loss lies, and that a small one comes out whole."""

import jax
import numpy as np
import pytest

from hamlearn import plot, tasks
from hamlearn.jobs import grounds as places
from hamlearn.jobs.landscape import Landscape, Spot, _Runner

SPOT = {"online": 1.0, "us": 10.0, "diverged": 0, "step_size": 0.1}


def made():
    spots = {
        ("rtrl", "cue"): Spot(0.1, **SPOT),
        ("flip", "cue"): Spot(0.4, **SPOT),
        ("rflo", "cue"): Spot(float("inf"), **SPOT | {"diverged": 2}),
        ("frozen", "cue"): Spot(0.5, **SPOT),
    }
    floors = {"cue": {"constant": 0.7, "linear taps": 0.6}}
    return Landscape(spots, floors, ("cue",), places.ROWS, 3, 1.0)


def test_shares_go_from_the_frozen_recurrence_to_exact_credit():
    found = made()
    shares = [found.share(loss, "cue") for loss in (0.5, 0.1, 0.3, 0.7)]
    np.testing.assert_allclose(shares, [0, 1, 0.5, -0.5])
    text = repr(found)
    assert "0.4 (0.25)" in text
    assert "diverged" in text
    assert "cue: take rtrl (0.1)" in text
    assert list(found.losses()) == [
        "constant", "linear taps", "rtrl", "rflo", "flip", "frozen",
    ]  # fmt: skip
    assert len(plot.landscape(found).axes) == 2


def test_a_law_learns_on_a_ground_and_is_judged_on_fresh_samples():
    """Credit in time pays on the cue, where the frozen recurrence is left behind."""
    with jax.numpy_dtype_promotion("standard"):
        ground = places.grounds()[0]
        short = places.Ground(ground.name, ground.task, 3000, ground.laws)
        spots = {
            name: _Runner(short, name, {}).spot(0.3, 1) for name in ("rflo", "frozen")
        }
    assert spots["rflo"].loss < 0.5 * spots["frozen"].loss
    assert spots["rflo"].us > 0


def test_a_chain_hands_on_what_it_hears_layer_by_layer():
    chain = tasks.TeacherStudent(2, 24, 4, depth=3)
    levels = chain.teacher().graph.levels()
    assert len(np.unique(np.asarray(levels))) == 3 or len(levels) == 3
    with pytest.raises(ValueError, match="`neurons` must be an integer of at least 12"):
        tasks.TeacherStudent(2, 6, 4, depth=3)
