"""Tracking online: any signal, any unit, its own stability, and what is chosen.

The whole table, with all sizes and seeds, is `python -m benchmarks.track`.
"""

import json
import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from benchmarks._record import RESULTS
from benchmarks.track import signals
from hamlearn import tasks
from hamlearn.jobs import NormalisedDrive, Settings, Stability, by_sample, tracker
from hamlearn.jobs.track import tracking_law

COUNT = 256  # times 40 steps: a multiple of what is run at once
K = np.arange(COUNT)
DRAWN = np.random.default_rng(0).normal(size=COUNT)
SIGNALS = {
    "slow": np.sin(0.01 * K),
    "sine, .3 per sample": np.sin(0.3 * K),
    "sine, 1.5 per sample": np.sin(1.5 * K),
    "random walk": np.cumsum(DRAWN),
    "white noise + 1000": DRAWN + 1000,
    "square wave": np.sign(np.sin(2 * np.pi * (K + 0.5) / 6)),
    "steps of 1e4": 1e4 * np.repeat(np.sign(DRAWN[:16]), 16),
    "outliers": np.sin(0.3 * K) + 10 * DRAWN * (DRAWN > 1.6),
    "a step": np.sin(0.01 * K) + 3 * (K > 160),
}
LIMIT = 0.45  # of the RMSE of repeating the last recorded value, in every tenth


@pytest.fixture(autouse=True)
def plain_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield


def tracked(name="walk", values=SIGNALS["random walk"], times=K, **options):
    target = tasks.recorded(name, times, values)
    return target, hl.track(target, progress=False, **options)


@pytest.mark.parametrize("name", SIGNALS)
def test_every_tenth_is_far_better_than_the_last_value(name):
    for seed in (0, 1):
        target, result = tracked(name, SIGNALS[name], seed=seed)
        assert result.diverged is None
        assert np.nanmax(target.ratios(result.output)) < LIMIT
        assert result.stats["own_weight"] > -0.5


@pytest.mark.parametrize("neurons", [3, 50])
def test_any_number_of_neurons(neurons):
    target, result = tracked(neurons=neurons)
    assert np.nanmax(target.ratios(result.output)) < LIMIT


def test_the_whole_table_stays_below_the_limit():
    """As it is recorded: every signal, 3 to 50 neurons, five seeds, every tenth."""
    record = json.loads((RESULTS / "track-cpu.json").read_text())
    rows = [row for row in record["rows"] if "signal" in row]
    units = [row for row in record["rows"] if "unit" in row]
    assert {row["signal"] for row in rows} == set(signals())
    for row in rows:
        assert set(row["worst_tenth"]) == {"3", "5", "10", "20", "50"}
        assert (row["runs"], row["diverged"]) == (25, 0)
        assert row["first_tenth"] <= row["worst"] < LIMIT
        assert row["least_own_weight"] > -0.8
        assert row["step"] < 2
    one = np.array([row["rmse_over_std"] for row in units])
    assert {row["unit"] for row in units} == {1e-6, 1e-3, 1.0, 1e3, 1e6}
    assert np.ptp(one) < 0.01 * one.mean()


def test_the_heartbeat_and_the_made_signals():
    held = {"duration": 12.0, "interval": 0.04}
    for target in (
        tasks.heartbeat(seconds=1.5), tasks.sine(**held), tasks.patched(**held)
    ):  # fmt: skip
        result = hl.track(target, progress=False)
        assert np.nanmax(target.ratios(result.output)) < LIMIT, target.name


def test_no_unit_matters():
    _, plain = tracked()
    for time, value in ((1e-6, 1.0), (1e6, 1.0), (1.0, 1e-6), (1.0, 1e6), (7.3, 0.11)):
        values = value * SIGNALS["random walk"]
        _, other = tracked(values=values, times=time * K)
        np.testing.assert_allclose(other.output, plain.output, rtol=0, atol=1e-4)
        assert other.times[-1] == pytest.approx(time * plain.times[-1])
        assert other.dt == pytest.approx(time / 40)


def test_a_bias_alone_does_as_well():
    """One neuron without recurrent weights: why this proves no learning in time."""
    target = tasks.recorded("walk", K, SIGNALS["random walk"])
    whole = hl.track(target, progress=False)
    chosen = Settings.suited_to(40.0)
    first = float((target.values[0] - target.offset) * target.scale)
    net = hl.RateNetwork(
        hl.Digraph.complete(1, self_loops=True), outputs=[0], gain=0.0,
        time_constant=1 / chosen.speed, learn=("bias",), key=jax.random.key(0),
    )  # fmt: skip
    net = eqx.tree_at(lambda n: n.bias, net, jnp.arctanh(jnp.array([first])))
    x0 = jnp.array([first])
    law = tracking_law(chosen)
    alone = hl.stream(law, net, target.samples(), dt=1 / 40, x0=x0, progress=False)
    worst = [np.nanmax(target.ratios(r.output)) for r in (whole, alone)]
    assert abs(worst[0] - worst[1]) < 0.03
    # One sample ahead the output at the end of an interval is the last value.
    rows = by_sample(target, whole)
    ahead = np.sqrt(np.mean((rows["output"][:-1] - rows["target"][1:]) ** 2))
    last = np.sqrt(np.mean(np.diff(rows["target"]) ** 2))
    assert ahead / last == pytest.approx(1.0, abs=0.01)


def twin(values, chosen, net, x0, steps, weight=None):
    """The equations in NumPy, one after the other, each with what is newest."""
    weight = np.ones(len(values)) if weight is None else weight
    W, b = np.array(net.weight, float), np.array(net.bias, float)
    x, c, dt = np.array(x0, float), chosen.speed, 1 / steps
    P, pW, pb, said = np.zeros_like(x), np.zeros_like(W), np.zeros_like(b), []
    theta, r = chosen.dissipation, chosen.inertia
    for y, asked in zip(values, weight, strict=True):
        said.append(x[0])
        s, e = 1 - np.tanh(W @ x + b) ** 2, asked * (x[0] - y)
        g = s[0] / (1 - s[0] * W[0, 0])
        q = chosen.loss_weight / (max(g**2, 0.25) * (1 + x @ x))
        r_w = chosen.weight_decay * q * e**2
        unit = np.eye(len(x))[0]
        P = P + dt * (q * e * unit - c * P + c * W.T @ (s * P) - theta * P)
        pW = pW + dt * (np.outer(s * c * P, x) + r_w * W - theta * pW)
        pb = pb + dt * (s * c * P + r_w * b - theta * pb)
        W, b = W - dt * pW / r, b - dt * pb / r
        x = x + dt * c * (np.tanh(W @ x + b) - x)
    return np.array(said)


def test_the_equations_are_those_of_the_theory():
    target = tasks.recorded("walk", K[:30], SIGNALS["random walk"][:30])
    given = {"neurons": 4, "seed": 3, "weight_decay": 0.7, "inertia": 0.5}
    result = hl.track(target, progress=False, **given)
    chosen = Settings.suited_to(target.steps, **given)
    samples = target.samples().target[:, 0]
    net, x0 = tracker(4, chosen.speed, 3, float(samples[0]))
    expected = twin(samples, chosen, net, x0, 40)
    np.testing.assert_allclose(result.output[:, 0], expected, atol=1e-9)


def test_nothing_is_learned_or_scored_over_gaps():
    values = np.cumsum(np.random.default_rng(5).normal(size=40))
    kept = np.ones(40, bool)
    kept[8:17] = kept[25] = False
    target = tasks.recorded("gaps", K[:40][kept], values[kept])
    assert target.held == 10
    weight = np.repeat(kept, 40)[: len(target.values)]
    np.testing.assert_array_equal(target.samples().weight, weight)
    result = hl.track(target, progress=False)
    chosen, samples = Settings.suited_to(40.0), target.samples().target[:, 0]
    net, x0 = tracker(5, chosen.speed, 0, float(samples[0]))
    expected = twin(samples, chosen, net, x0, 40, weight)
    np.testing.assert_allclose(result.output[:, 0], expected, atol=1e-9)
    # Whatever stands in a gap counts nowhere.
    wild = np.where(weight[:, None], result.output, 7.0)
    for judge in (target.errors, target.ratios):
        np.testing.assert_equal(judge(wild), judge(result.output))
    rows = by_sample(target, result)
    squares = (target.unscaled(result.output) - target.values)[weight] ** 2
    np.testing.assert_allclose(np.mean(rows["error"] ** 2), np.mean(squares))
    np.testing.assert_array_equal(rows["target"], values[kept])
    assert np.nanmax(target.ratios(result.output)) < LIMIT


def test_the_start_holds_the_first_value():
    net, x0 = tracker(20, 33.0, 0, 0.4)
    assert x0[0] == 0.4
    np.testing.assert_allclose(net(jnp.asarray(x0), jnp.zeros(0)), 0, atol=1e-9)
    assert np.asarray(net.weight).std() == pytest.approx(0.5 / np.sqrt(20), rel=0.1)
    assert tracker(2, 33.0, 0, 7.0)[1][0] == 0.99


def test_the_drive_is_what_the_equation_says():
    net, x0 = tracker(3, 33.0, 1, 0.3)
    drive = NormalisedDrive(hl.Cost(loss_weight=121.0, weight_decay=2.0))
    x = jnp.asarray(x0) + 0.1
    sample = hl.Sample(jnp.zeros(0), jnp.array([0.1]))
    cost = drive(net, x, sample)
    x, W = np.asarray(x), np.asarray(net.weight)
    s = 1 - np.tanh(W @ x + np.asarray(net.bias))[0] ** 2
    g = s / (1 - s * W[0, 0])
    q = 121 / (max(g**2, 0.25) * (1 + x @ x))
    assert float(cost.loss_weight) == pytest.approx(q, rel=1e-6)
    assert float(cost.weight_decay) == pytest.approx(
        2 * q * (x[0] - 0.1) ** 2, rel=1e-5
    )


def test_settings_are_those_that_are_documented():
    made = Settings.suited_to(40.0)
    assert (made.loss_weight, made.weight_decay, made.inertia) == (121.0, 1.0, 1.0)
    assert (made.dissipation, made.speed) == (11.0, 33.0)
    fine = Settings.suited_to(80.0, inertia=0.1)
    assert fine.dissipation == pytest.approx(22.0)
    assert fine.loss_weight == pytest.approx(0.1 * 22**2)
    text = " ".join(Settings.suited_to.__doc__.split())
    assert "om = 11 at 40 steps and in proportion, theta = om, c = 3 om" in text


def test_what_is_given_is_what_runs():
    given = {"inertia": 0.5, "dissipation": 9.0, "weight_decay": 0.25}
    _, result = tracked(speed=20.0, loss_weight=30.0, neurons=3, seed=2, **given)
    law = result.law.law
    assert float(law.update.inertia) == 0.5
    assert float(law.update.dissipation) == float(law.credit.dissipation) == 9.0
    assert float(law.cost.loss_weight) == 30.0
    assert float(law.cost.weight_decay) == 0.25
    np.testing.assert_allclose(result.network.time_constant, np.full(3, 0.05))


def test_stability_is_looked_at_on_the_way_and_warned_of():
    W = np.array([[-0.85, 0.0], [0.0, 0.2]])
    seen = Stability().with_look(W, 0.825)
    assert (seen.own_weight, seen.step) == (-0.85, pytest.approx(0.825 * 1.85))
    assert "-0.85" in seen.warning()
    turning = Stability().with_look([[0.0, 3.0], [3.0, 0.0]], 0.825)
    assert turning.step == pytest.approx(0.825 * 4)
    assert "3.30" in turning.warning()
    assert Stability().with_look(np.zeros((2, 2)), 0.825).warning() is None
    # The leak is what holds the own weight: without it the drift goes on.
    noise = np.random.default_rng(1).normal(size=1500)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tracked("noise", noise, np.arange(1500), weight_decay=0.0)
    assert any("weight of the output neuron" in str(w.message) for w in caught)


def test_recorded_times_are_kept_not_steps():
    times = np.cumsum(np.random.default_rng(4).uniform(0.5, 1.5, COUNT))
    target, result = tracked(times=times)
    rows = by_sample(target, result)
    assert {len(leaf) for leaf in rows.values()} == {COUNT}
    np.testing.assert_allclose(rows["time"], times - times[0], atol=target.dt)
    np.testing.assert_array_equal(rows["target"], SIGNALS["random walk"])
    np.testing.assert_array_equal(rows["last"][1:], rows["target"][:-1])
    error = target.unscaled(result.output) - target.values
    counts = np.diff(target.starts, append=len(error))
    total = np.sum(counts * rows["error"] ** 2)
    assert total == pytest.approx(np.sum(error**2), rel=1e-9)


def test_an_interrupted_run_returns_what_was_done(tmp_path, monkeypatch):
    seen = []

    class Interrupting(Stability):
        def with_look(self, weight, speed_dt):
            seen.append(weight)
            if len(seen) == 3:
                raise KeyboardInterrupt
            return self

    monkeypatch.setattr("hamlearn.jobs.track.Stability", Interrupting)
    target = tasks.recorded("walk", K, SIGNALS["random walk"])
    result = hl.track(target, progress=False, checkpoint=tmp_path)
    assert 0 < result.samples < len(target.values)
    monkeypatch.undo()
    whole = hl.track(target, progress=False)
    np.testing.assert_array_equal(result.output, whole.output[: result.samples])
    seen.clear()
    monkeypatch.setattr("hamlearn.jobs.track.Stability", Interrupting)
    with pytest.raises(KeyboardInterrupt):
        hl.track(target, progress=False)


def test_bad_arguments_are_named():
    target = tasks.sine(duration=1.0, dt=0.01, interval=0.1)
    bad = {
        "inertia": (0.0, "`inertia` must be positive, but is 0.0"),
        "speed": (-1.0, "`speed` must be positive, but is -1.0"),
        "neurons": (0, "`neurons` must be an integer of at least 1, but is 0"),
        "loss_weight": (-1.0, "`loss_weight` must be non-negative, but is -1.0"),
    }
    for name, (value, words) in bad.items():
        with pytest.raises(ValueError, match=words):
            hl.track(target, progress=False, **{name: value})
    with pytest.raises(ValueError, match=r"`target` must be held for 4 steps"):
        hl.track(tasks.sine(duration=1.0), progress=False)
