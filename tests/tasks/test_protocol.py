"""Every task keeps the one protocol, and its floors are those of its streams."""

import jax
import numpy as np
import pytest

from hamlearn import Sample, tasks
from hamlearn.action import cross_entropy, squared_error
from hamlearn.tasks import floors_of

RNG = np.random.default_rng(0)
U = RNG.normal(size=(301, 2))
ENDLESS = {
    "add": tasks.Add(),
    "adding": tasks.Adding(20),
    "copy": tasks.Copy(),
    "xor": tasks.DelayedXOR(),
    "evidence": tasks.EvidenceAccumulation(),
    "cue": tasks.DelayedCue(6, 4),
    "match": tasks.MatchToSample(),
    "flag": tasks.Flag(),
    "late flag": tasks.Flag(late=3),
    "trace": tasks.TraceConditioning(10),
    "teacher": tasks.TeacherStudent(),
    "lorenz": tasks.Lorenz(),
    "mackey-glass": tasks.MackeyGlass(),
}
RECORDED = {
    "sine": tasks.sine(duration=2.0, dt=0.01),
    "heartbeat": tasks.heartbeat(seconds=2.0, dt=1 / 360),
    "forecast": tasks.Forecast(U[:, 0].cumsum()),
    "paired": tasks.Paired("sums", U, U @ [[1.0, 0.0], [-1.0, 3.0]]),
    "labels": tasks.Paired("signs", U, (U[:, 0] > 0).astype(int)),
}
DIGITS = {"digits": tasks.DigitRows(), "mnist1d": tasks.MNIST1D(number=500, points=20)}
ALL = ENDLESS | RECORDED | DIGITS


@pytest.mark.parametrize("name", ALL)
def test_samples_are_what_the_facts_say(name):
    task, key = ALL[name], jax.random.key(3)
    made = task.samples(key, 40)
    assert made.input.shape == (40, task.inputs)
    assert made.target.shape == (40, task.outputs)
    assert len(task.samples(key).target) == task.length
    assert (task.loss is cross_entropy) == (name not in NUMBERS)
    assert (task.metric_name == "accuracy") == (name not in (*NUMBERS, "add"))
    assert task.describe()
    again = task.samples(key, 40)
    np.testing.assert_array_equal(made.input, again.input)
    np.testing.assert_array_equal(made.target, again.target)
    shortened = task.samples(key, 5)
    assert len(shortened.target) == 5


NUMBERS = (
    "adding", "teacher", "lorenz", "mackey-glass", "sine", "heartbeat", "forecast",
    "paired", "trace",
)  # fmt: skip


# Of bits and silent samples five in a row come again by chance.
COME_AGAIN = ("add", "copy", "xor", "cue", "match", "trace")


@pytest.mark.parametrize("name", ALL)
def test_tests_are_on_other_samples(name):
    """No stretch of five samples that was learned from is tested on."""
    task, key = ALL[name], jax.random.key(3)
    learned, fresh = task.samples(key, 60), task.samples(key, 60, test=True)
    if name in COME_AGAIN:
        assert not np.array_equal(learned.input, fresh.input)
        return
    asked = (lambda s: s.target) if task.inputs == 0 else (lambda s: s.input)
    rows = lambda s: np.lib.stride_tricks.sliding_window_view(asked(s), 5, axis=0)
    seen = {row.tobytes() for row in np.asarray(rows(learned)).reshape(56, -1)}
    new = np.asarray(rows(fresh))
    new = [row.tobytes() for row in new.reshape(len(new), -1)]
    assert sum(row in seen for row in new) < 0.05 * len(new)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recording_is_tested_on_what_follows(name):
    task = RECORDED[name]
    whole, first, rest = (
        task.samples(),
        task.samples(steps=120),
        task.samples(steps=120, test=True),
    )
    joined = np.concatenate([first.target, rest.target])
    np.testing.assert_array_equal(joined, whole.target)
    with pytest.raises(ValueError, match="`steps` must be given with `test`"):
        task.samples(test=True)
    with pytest.raises(ValueError, match=f"`steps` must be at most {task.length},"):
        task.samples(steps=task.length + 1)
    halves = tasks.halves(task)
    assert [len(half.target) for half in halves] == [task.length // 2] * 2


def best_constant(target, weight, loss):
    """The loss of the best constant answer, found from the targets."""
    mean = weight @ target / weight.sum()
    if loss is cross_entropy:
        return float(-(mean @ np.log(mean)))
    return float(weight @ ((target - mean) ** 2).sum(1) / 2 / weight.sum())


@pytest.mark.parametrize("name", ALL)
def test_constant_is_the_best_constant_of_the_stream(getkey, name):
    task = ALL[name]
    samples = task.samples(getkey(), 44_000 if name in ENDLESS else None)
    start = len(samples.target) // 2 if name in RECORDED else 0
    y = np.asarray(samples.target)[start:]
    weight = np.ones(len(y)) if samples.weight is None else np.asarray(samples.weight)
    found, floors = best_constant(y, weight, task.loss), task.floors()
    within = 0.1 if name in ("teacher", "mnist1d") else 0.03
    assert abs(floors["constant"] - found) < within * found
    if name not in RECORDED:
        assert floors["constant"] == max(floors.values())
    if task.loss is squared_error and name != "adding":
        assert {"last", "linear"} < floors.keys()


@pytest.mark.parametrize("name", RECORDED)
def test_floors_know_nothing_of_the_number_of_the_last_sample(name):
    """Of an odd number of samples the last one counts nowhere."""
    samples = RECORDED[name].samples()
    odd = len(samples.target) % 2 == 1
    cut = jax.tree.map(lambda leaf: leaf[: len(leaf) - odd], samples)
    loss = RECORDED[name].loss
    assert floors_of(samples, loss=loss) == floors_of(cut, loss=loss)


def test_floors_by_hand():
    target = np.array([[9.0], [7.0], [3.0], [0.0], [0.0], [2.0], [1.0], [5.0]])
    floors = floors_of(Sample(target, target), taps=1)
    second = target[4:]
    assert np.isclose(floors["constant"], np.mean((second - 2) ** 2) / 2)
    assert np.isclose(floors["last"], (0 + 4 + 1 + 16) / 4 / 2)
    assert floors["linear"] < 1e-25
    two = floors_of(Sample(target, target), taps=1, ahead=2)
    assert np.isclose(two["last"], (9 + 4 + 1 + 9) / 4 / 2)
    wave = np.sin(0.3 * np.arange(200))[:, None]
    assert floors_of(Sample(wave[:-1], wave[1:]), taps=2)["linear"] < 1e-20
    assert floors_of(Sample(wave[:-1], wave[1:]), taps=1)["linear"] > 1e-3


def test_floors_of_a_walk(getkey):
    walk = np.cumsum(np.asarray(jax.random.normal(getkey(), (500, 1))), axis=0)
    samples = Sample(walk[:-3], walk[3:])
    floors = floors_of(samples, taps=2, ahead=3)
    # A walk is best predicted by where it is: three steps of variance one remain.
    steps = (walk[3:] - walk[:-3])[248:496]
    assert np.isclose(floors["last"], np.mean(steps**2) / 2)
    assert abs(floors["linear"] - 1.5) < 0.5
    assert floors["constant"] > 5 * floors["last"]


def test_floors_count_what_is_asked():
    target = np.arange(20.0)[:, None] % 3
    weight = np.tile([0.0, 1.0], 10)
    asked = floors_of(Sample(target, target, weight))["constant"]
    mean = target[11::2].mean()
    assert np.isclose(asked, np.mean((target[11::2] - mean) ** 2) / 2)


def test_floors_of_classes_are_entropies():
    """A chain that stays with .9: what the last label, and what nothing says."""
    rng = np.random.default_rng(1)
    state = np.cumsum(rng.random(20_000) > 0.9) % 2
    y, entropy = np.eye(2)[state], -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    samples = Sample(np.concatenate([y[:1], y[:-1]]), y)
    floors = floors_of(samples, loss=cross_entropy)
    assert abs(floors["constant"] - np.log(2)) < 5e-3
    assert abs(floors["last"] - entropy) < 1e-2
    assert abs(floors["linear"] - entropy) < 1e-2
    noise = Sample(rng.normal(size=(20_000, 1)), y)
    assert abs(floors_of(noise, loss=cross_entropy)["linear"] - np.log(2)) < 5e-3


def test_scores_are_of_what_is_asked(getkey):
    task = tasks.Copy(4, 1, 1)
    samples = task.samples(getkey(), 30)
    right = 50.0 * samples.target
    assert task.score(right, samples)["accuracy"] == 1
    assert task.score(right, samples)["loss"] < 1e-12
    wrong = np.roll(right, 1, axis=1)
    wrong[:15] = right[:15]
    half = task.score(wrong, samples)
    assert half["accuracy"] == pytest.approx(0.5)
    assert half["loss"] == pytest.approx(25.0)
    several = task.samples(getkey(), 30, batch=3)
    assert task.score(50.0 * several.target, several)["accuracy"] == 1
    assert set(tasks.Adding().score(np.ones((3, 1)), Sample(U[:3], U[:3, :1]))) == {
        "loss"
    }
