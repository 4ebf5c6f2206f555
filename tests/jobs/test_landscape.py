"""The map: where a loss lies, what is said of it, and that a small one comes out whole."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from benchmarks import step_sizes as script
from hamlearn import tasks
from hamlearn.cli import main
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


def test_the_best_step_size_is_that_of_the_least_mean_loss_over_seeds_of_its_own():
    """Lanes of one program: each as if it ran alone."""
    (ground,) = [g for g in places.grounds() if g.name == "teacher"]
    short, seeds = dataclasses.replace(ground, samples=400), maps._TUNING_SEEDS
    with jax.numpy_dtype_promotion("standard"):
        rate, tried = _Runner(short, "rtrl", {}, maps._TRIALS).best()
        runner = _Runner(short, "rtrl", {}, 1)
        alone = [runner.learned([s], [rate], seeds[0])[0][0] for s in seeds]
    assert list(tried) == list(maps.RATES)
    assert tried[rate] == min(tried.values())
    assert np.ptp(alone) > 0.01 * np.mean(alone)
    assert tried[rate] == pytest.approx(np.mean(alone), rel=1e-6)
    assert min(seeds) > 100  # none of those that the map uses


def without_runs(monkeypatch, spot):
    """Nothing is compiled or run; 0.1 is the best step size of every law."""
    monkeypatch.setattr(_Runner, "__init__", lambda self, ground, name, programs, width: (
        setattr(self, "name", name)
    ))  # fmt: skip
    monkeypatch.setattr(_Runner, "best", lambda self: (0.1, {0.1: 0.0}))
    monkeypatch.setattr(_Runner, "spot", spot)
    floors = {"constant": 0.7, "linear taps": 0.6}
    monkeypatch.setattr(maps, "_floors", lambda ground: floors)


def test_step_sizes_found_anew_are_used_and_held_against_those_shipped(
    monkeypatch, capsys, tmp_path
):
    spot = lambda self, rate, seeds: Spot(0.2, 0.2, 1.0, 0, rate)
    without_runs(monkeypatch, spot)
    shipped = maps.step_sizes()
    usual = maps.landscape(progress=False)
    assert all(
        spot.step_size == shipped[ground][law]
        for (law, ground), spot in usual.spots.items()
    )
    assert "found anew" not in repr(usual)
    status = main(["compare", "--tune", "--out", str(tmp_path)])
    out, err = capsys.readouterr()
    assert status == 0
    assert err.startswith("four minutes on two cores, or so; Ctrl-C keeps")
    words = " ".join(out.split())
    on_cue = shipped["cue_lag_8"]
    (other, was), *_ = [(k, rate) for k, rate in on_cue.items() if rate != 0.1]
    same = next(law for law, rate in on_cue.items() if rate == 0.1)
    assert "found anew: as shipped, but for " in words
    assert f" {other} on cue lag 8 0.1 (shipped {was:g})" in words
    assert f" {same} on cue lag 8 0.1 " not in words
    record = json.loads((tmp_path / "compare-map.json").read_text())
    assert {spot["step_size"] for spot in record["spots"]} == {0.1}
    assert record["tuned"] is True
    monkeypatch.setattr(
        maps,
        "step_sizes",
        lambda: {g: dict.fromkeys(laws, 0.1) for g, laws in shipped.items()},
    )
    found = repr(maps.landscape(tune=True, progress=False))
    assert "step sizes found anew: as shipped\n" in found


def test_the_script_writes_what_the_map_reads(monkeypatch, capsys, tmp_path):
    """One ground, and the others stay as they are."""
    tried = {0.003: 0.5, 0.01: 0.7}
    find = lambda ground: dict.fromkeys(ground.laws, (0.003, tried))
    path = tmp_path / "step_sizes.json"
    monkeypatch.setattr(script, "tuned", find)
    monkeypatch.setattr(script, "PATH", path)
    monkeypatch.setattr("sys.argv", ["step_sizes", "teacher"])
    script.main()
    shipped, written = maps.step_sizes(), json.loads(path.read_text())
    assert list(written) == list(shipped)
    assert set(written.pop("teacher").values()) == {0.003}
    assert set(shipped.pop("teacher")) == {
        line.split()[1] for line in capsys.readouterr().out.splitlines()
    }
    assert written == shipped


def test_interrupted_it_gives_what_it_has(monkeypatch):
    def spot(self, rate, seeds):
        if self.name == "snap1":
            raise KeyboardInterrupt
        return Spot(0.1, **SPOT)

    without_runs(monkeypatch, spot)
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
