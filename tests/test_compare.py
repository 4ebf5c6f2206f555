"""Laws side by side: nothing is known too early, and the figures are what they say."""

import json

import jax
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.cli import main

KNOWN = hl.contenders()


@pytest.fixture(autouse=True)
def plain_promotion():
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="module")
def series():
    """Changes that follow the last one by 0.8, with noise of 0.6."""
    rng, d = np.random.default_rng(0), np.zeros(402)
    for k in range(1, d.size):
        d[k] = 0.8 * d[k - 1] + 0.6 * rng.normal()
    return np.cumsum(d)


@pytest.fixture(scope="module")
def found(series):
    """Laws of every kind of network, run once for several tests."""
    with jax.numpy_dtype_promotion("standard"):
        return compared(series, "snap1", "flip", "le", "rtrl", "frozen")


def compared(series, *names, **options):
    task = hl.tasks.forecast(series)
    rules = {name: KNOWN[name] for name in names}
    options = {"neurons": 4, "seeds": 2, "rates": (0.01, 0.03)} | options
    return hl.compare(task, rules, progress=False, **options)


def test_targets_are_the_next_change_and_inputs_the_last_value_and_change(series):
    task = hl.tasks.forecast(series)
    known = series[: len(series) // 2]
    scale = np.diff(known).std()
    made = task.half(True, immediate=True)
    for k in (0, 7, task.length - 1):
        at = task.length + k  # forecast number, over both halves
        now, before, after = series[at + 1], series[at], series[at + 2]
        value = (now - known.mean()) / known.std()
        assert made.input[k] == pytest.approx([value, (now - before) / scale])
        assert made.target[k] == pytest.approx([(after - now) / scale])


@pytest.mark.parametrize(("immediate", "steps"), [(True, 1), (False, 1), (True, 4)])
def test_no_sample_knows_its_target(series, immediate, steps):
    """What a network has heard at a forecast does not move with any later value."""
    shape = {"immediate": immediate, "steps": steps}
    moved = series.copy()
    k = 40
    at = len(series) // 2 - 1 + k  # task.length + k
    moved[at + 2 :] += 5.0  # the target of forecast k and all that follows
    before, after = (hl.tasks.forecast(s).half(True, **shape) for s in (series, moved))
    asked = (k + 1) * steps - 1
    heard = asked + 1 if immediate else asked  # an input acts a step later, or at once
    np.testing.assert_array_equal(before.input[:heard], after.input[:heard])
    taught = slice(steps - 1, asked, steps)  # the only steps whose target counts
    np.testing.assert_array_equal(before.target[taught], after.target[taught])
    assert np.abs(before.target[asked] - after.target[asked]) > 0.1
    if steps > 1:
        for rate in (before.input_rate, before.input_acceleration):
            assert np.abs(rate[steps - 1 :: steps]).max() == 0
        assert before.weight.reshape(-1, steps).sum(0).tolist() == [0, 0, 0, 200]


def named(found, name):
    return next(entry for entry in found.entries if entry.rule == name)


@pytest.mark.parametrize("name", ["snap1", "flip", "le"])
def test_forecasts_are_made_before_the_sample_is_seen(series, found, name):
    """Losses up to a value do not depend on it: the whole chain is causal."""
    moved, k = series.copy(), 100
    moved[len(series) // 2 + 1 + k :] += 3.0
    other = compared(moved, name).entries[0].curve
    one, size = named(found, name).curve, found.task.length // 50
    np.testing.assert_array_equal(one[:, : k // size], other[:, : k // size])
    assert np.all(one[:, k // size] != other[:, k // size])


@pytest.mark.parametrize("name", ["snap1", "flip", "le"])
def test_losses_are_those_of_a_stream(found, name):
    """The same law run by `stream`, with the step size that was chosen."""
    contender, entry = KNOWN[name], named(found, name)
    assert entry.step_size == min(entry.tuning, key=lambda rate: entry.tuning[rate])
    samples = found.task.half(
        True, immediate=contender.immediate, steps=contender.steps
    )
    for seed, loss in enumerate(entry.losses):
        result = hl.stream(
            contender.rule(entry.step_size),
            contender.network(jax.random.key(seed), 4, 2, 1),
            samples,
            dt=1 / contender.steps,
            progress=False,
        )
        asked = result.loss[contender.steps - 1 :: contender.steps]
        assert loss == pytest.approx(asked.mean(), rel=1e-9)


def test_floors_are_those_of_the_process(series):
    """Half the variance of a change, and half that of its noise, in its own scale."""
    floors = hl.tasks.forecast(series).floors()
    changes = np.diff(series)
    scale = changes[: len(series) // 2 - 1].std()
    length = len(changes) // 2
    assert floors["last"] == pytest.approx(
        np.mean(changes[length + 1 : 2 * length + 1] ** 2) / 2 / scale**2, rel=0.02
    )
    assert floors["linear"] == pytest.approx(0.6**2 / 2 / scale**2, rel=0.15)


def test_exact_laws_agree_with_the_gradient_and_the_control_in_its_readout(found):
    cosine = {entry.rule: entry.cosine for entry in found.entries}
    within = {entry.rule: entry.cosine_recurrent for entry in found.entries}
    assert cosine["rtrl"] == pytest.approx(1, abs=1e-9)
    assert within["rtrl"] == pytest.approx(1, abs=1e-9)
    assert 0 < within["snap1"] < 1 - 1e-6
    assert 0 < cosine["frozen"] < 1
    assert np.isnan(within["frozen"])


def test_runs_that_diverge_are_counted_and_have_no_loss(series):
    found = compared(series, "rflo", "frozen", rates=(1e3,))
    for entry, row in zip(found.entries, found.rows(), strict=True):
        assert entry.diverged == 2
        assert row["diverged"] is True
        assert row["loss"] is None
        assert row["us_per_sample"] > 0
    assert "2 of 2" in repr(found)
    assert len(found.plot().axes) == 2


def test_bad_arguments_are_named(series):
    with pytest.raises(ValueError, match="`rates` must be positive"):
        compared(series, "rflo", rates=(0.0,))
    with pytest.raises(ValueError, match="`rules` must be at least one law"):
        compared(series)
    with pytest.raises(ValueError, match="`values` must be changing"):
        hl.tasks.forecast(np.zeros(200))


def test_the_command_prints_one_object_a_law(capsys, tmp_path, series):
    path = tmp_path / "made.csv"
    path.write_text("height\n" + "\n".join(f"{v:.6f}" for v in series) + "\n")
    arguments = ["compare", "--task", str(path), "--rules", "frozen,le", "--json"]
    sizes = ["--neurons", "4", "--seeds", "1", "--out", str(tmp_path)]
    assert main([*arguments, *sizes]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["rule"] for row in rows] == ["frozen", "le"]
    keys = [
        "rule",
        "loss",
        "loss_trivial",
        "cosine",
        "us_per_sample",
        "memory_bytes",
        "diverged",
    ]
    assert all(list(row) == keys for row in rows)
    assert all(0 < row["loss"] < row["loss_trivial"] for row in rows)
    record = json.loads((tmp_path / "compare-made.json").read_text())
    assert [row["loss"] for row in record["rules"]] == [row["loss"] for row in rows]
    assert (tmp_path / "compare-made.png").stat().st_size > 20_000


def test_the_command_says_which_rules_there_are(capsys, tmp_path):
    assert main(["compare", "--rules", "nothing", "--out", str(tmp_path)]) == 2
    assert "`--rules` must be names of flip, gle" in capsys.readouterr().err
