"""The map: where a loss lies, what is said of it, and that a small one comes out whole."""

import dataclasses

import jax
import numpy as np
import pytest

from hamlearn import tasks
from hamlearn.jobs import grounds as places
from hamlearn.jobs import landscape as maps
from hamlearn.jobs.landscape import Landscape, Spot, _Runner

SPOT = {"online": 1.0, "us": 10.0, "diverged": 0, "step_size": 0.1}


def made(**losses):
    """A map of one ground, laws at their losses."""
    spots = {(law, "cue_lag_8"): Spot(v, **SPOT) for law, v in losses.items()}
    floors = {"cue_lag_8": {"constant": 0.7, "linear taps": 0.6}}
    return Landscape(spots, floors, ("cue_lag_8",), places.ROWS, 3, 1.0)


def test_shares_go_from_the_frozen_recurrence_to_exact_credit():
    found = made(rtrl=0.1, flip=0.4, rflo=float("inf"), frozen=0.5)
    shares = [found.share(loss, "cue_lag_8") for loss in (0.5, 0.1, 0.3, 0.7)]
    np.testing.assert_allclose(shares, [0, 1, 0.5, -0.5])
    text = repr(found)
    assert ".4 25%" in text
    assert "diverged" in text
    assert list(found.losses()) == [
        "constant", "linear taps", "frozen", "rtrl", "rflo", "flip",
    ]  # fmt: skip
    # Without exact credit that gains anything there is no scale.
    assert np.isnan(made(rtrl=0.6, frozen=0.5).share(0.5, "cue_lag_8"))
    assert "%" not in made(flip=0.4, frozen=0.5).text().split("\n\n", 1)[1]


def said(**losses):
    (line,) = [x for x in repr(made(**losses)).splitlines() if x.startswith("cue lag")]
    return line


def test_it_is_said_in_words_which_law_to_take():
    assert said(rtrl=0.1, frozen=0.5) == "cue lag 8: rtrl (.1 at 10 µs)"
    assert said(rtrl=0.1, immediate=0.12, frozen=0.5).endswith(
        "; immediate does as well"
    )
    assert said(rtrl=0.65, frozen=0.68).endswith("; no law beats linear taps")
    assert said(flip=0.55, frozen=0.5).endswith("; no law beats frozen")
    found = made(rtrl=0.1, rflo=0.12, snap1=0.2, frozen=0.5)
    cheap = dataclasses.replace(found.spots["rflo", "cue_lag_8"], us=2.0)
    found.spots["rflo", "cue_lag_8"] = cheap
    assert "rtrl (.1 at 10 µs), or rflo (.12 at 2 µs)" in repr(found)


def test_every_ground_has_both_controls_and_exact_credit_and_shipped_step_sizes():
    shipped, grounds = maps.step_sizes(), places.grounds()
    assert list(shipped) == [ground.name for ground in grounds]
    for ground in grounds:
        assert set(places.CONTROLS) < set(ground.laws) <= set(places.ROWS)
        assert set(places.EXACT) & set(ground.laws)
        assert set(shipped[ground.name]) == set(ground.laws)
        assert set(shipped[ground.name].values()) <= set(maps.RATES)


def test_the_table_is_seen_at_a_glance():
    """All grounds side by side, within a hundred columns."""
    grounds = places.grounds()
    spots = {(k, g.name): Spot(0.0123, **SPOT) for g in grounds for k in g.laws}
    names = tuple(g.name for g in grounds)
    floors = {name: {"constant": 0.693, "linear taps": 0.0123} for name in names}
    found = Landscape(spots, floors, names, places.ROWS, 3, 1.0)
    _, *rest = found.text(100).split("\n\n")
    assert max(map(len, found.text(100).splitlines())) <= 100
    assert len(rest) == 2  # one table, and what is said below it


def test_a_law_learns_on_a_ground_and_is_judged_on_fresh_samples():
    """Credit in time pays on the cue, where the frozen recurrence is left behind."""
    with jax.numpy_dtype_promotion("standard"):
        ground = places.grounds()[0]
        short = places.Ground(ground.name, ground.task, 3000, ground.laws)
        spots = {
            name: _Runner(short, name, {}, 1).spot(0.1, 1)
            for name in ("rtrl", "frozen")
        }
    assert spots["rtrl"].loss < 0.5 * spots["frozen"].loss
    assert spots["rtrl"].us > 0


SOME = {"late_flag": ("stack", "at-once"), "slow_chain": ("hops", "gle")}


@pytest.mark.parametrize("name", SOME)
def test_laws_learn_on_networks_of_their_own(name):
    (ground,) = [g for g in places.grounds() if g.name == name]
    short = dataclasses.replace(ground, samples=264)
    with jax.numpy_dtype_promotion("standard"):
        for law in SOME[name]:
            spot = _Runner(short, law, {}, 1).spot(0.03, 1)
            assert np.isfinite(spot.loss)
            assert spot.diverged == 0


def test_interrupted_it_gives_what_it_has(monkeypatch):
    def spot(self, rate, seeds):
        if self.name == "snap1":
            raise KeyboardInterrupt
        return Spot(0.1, **SPOT)

    monkeypatch.setattr(_Runner, "__init__", lambda self, ground, name, programs, width: (
        setattr(self, "name", name)
    ))  # fmt: skip
    monkeypatch.setattr(_Runner, "best", lambda self: (0.1, {}))
    monkeypatch.setattr(_Runner, "spot", spot)
    found = maps.landscape(progress=False)
    assert {law for law, _ in found.spots} == set(
        places.ROWS[: places.ROWS.index("snap1")]
    ) - {"stack", "at-once"}
    assert found.missing[0] == "snap1 on cue_lag_8"
    assert "interrupted before snap1 on cue_lag_8, " in repr(found)


def test_a_chain_hands_on_what_it_hears_layer_by_layer():
    chain = tasks.TeacherStudent(2, 24, 4, depth=3)
    levels = chain.teacher().graph.levels()
    assert len(np.unique(np.asarray(levels))) == 3 or len(levels) == 3
    with pytest.raises(ValueError, match="`neurons` must be an integer of at least 12"):
        tasks.TeacherStudent(2, 6, 4, depth=3)
