"""Tasks that need memory, against their definitions and their floors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn.action import cross_entropy
from hamlearn.tasks import (
    Add,
    Adding,
    Copy,
    DelayedXOR,
    EvidenceAccumulation,
    TeacherStudent,
    floors_of,
)


def mean_loss(samples, logits):
    losses = jax.vmap(cross_entropy)(logits, samples.target)
    weight = jnp.ones(len(losses)) if samples.weight is None else samples.weight
    return float(losses @ weight / weight.sum())


def test_add_floors_are_those_of_the_best_predictors(getkey):
    task = Add()
    floors = task.floors()
    expected = {
        "constant": 0.6616,
        "first bit": 0.5192,
        "second bit": 0.6277,
        "both bits": 0.4544,
    }
    for name, value in expected.items():
        assert abs(floors[name] - value) < 1e-4
    samples = task.samples(getkey(), 40_000)
    s, y = np.asarray(samples.input[:, 0]), np.asarray(samples.target)[10:]
    for lags, name in (
        ((4, 6), "both bits"),
        ((4,), "first bit"),
        ((6,), "second bit"),
    ):
        columns = np.stack([np.roll(s, lag) for lag in lags], axis=1)[10:]
        codes = columns @ 2 ** np.arange(columns.shape[1])
        best = np.zeros_like(y)
        for code in np.unique(codes):
            best[codes == code] = y[codes == code].mean(0)
        logits = jnp.log(jnp.asarray(np.maximum(best, 1e-12)))
        found = float(np.mean(jax.vmap(cross_entropy)(logits, jnp.asarray(y))))
        assert abs(found - floors[name]) < 0.005


def test_adding_asks_for_the_sum_of_the_marked_numbers(getkey):
    samples = Adding(20).samples(getkey(), 40_000)
    number, mark = np.asarray(samples.input).reshape(-1, 20, 2).transpose(2, 0, 1)
    assert np.all(mark[:, :10].sum(1) == 1)
    assert np.all(mark[:, 10:].sum(1) == 1)
    answer = np.asarray(samples.target).reshape(-1, 20)[:, -1]
    assert np.allclose(answer, (number * mark).sum(1), atol=1e-12)
    assert np.asarray(samples.weight).reshape(-1, 20)[:, :-1].sum() == 0
    floor = Adding().floors()["constant"]
    assert abs(floors_of(samples)["constant"] - floor) < 0.07 * floor


def test_copy_repeats_the_symbols_when_cued(getkey):
    task = Copy(8, 3, 5)
    samples = task.samples(getkey(), 11 * 50)
    u = np.asarray(samples.input).reshape(50, 11, 9)
    y = np.asarray(samples.target).reshape(50, 11, 8)
    assert np.array_equal(u[:, :3, :8], y[:, 8:])
    assert u[:, 3:, :8].sum() == 0
    assert np.array_equal(u[:, :, 8], np.tile(np.arange(11) >= 8, (50, 1)))
    flat = mean_loss(samples, jnp.zeros_like(samples.target))
    assert abs(flat - task.floors()["constant"]) < 1e-12


def test_delayed_xor(getkey):
    samples = DelayedXOR(4).samples(getkey(), 11 * 64)
    u = np.asarray(samples.input).reshape(64, 11, 2)
    bits = u[:, [0, 5], 0] > 0
    answer = np.asarray(samples.target).reshape(64, 11, 2)[:, -1, 1]
    assert np.array_equal(answer, bits[:, 0] ^ bits[:, 1])
    assert len(np.unique(bits, axis=0)) == 4
    assert np.array_equal(u[:, :, 1], np.tile(np.arange(11) == 10, (64, 1)))


def test_evidence_goes_to_the_side_with_more_cues(getkey):
    task = EvidenceAccumulation(7, 1, 10)
    samples = task.samples(getkey(), 25 * 400)
    u = np.asarray(samples.input).reshape(400, 25, 4)
    right = u[:, :, 1].sum(1) > u[:, :, 0].sum(1)
    assert np.all(u[:, :, :2].sum((1, 2)) == 7)
    answer = np.asarray(samples.target).reshape(400, 25, 2)[:, -1]
    assert np.array_equal(answer[:, 1] > 0.5, right)
    # One cue known: P(that side wins) is 1/2 + C(6, 3)/2^7.
    p = 0.5 + 20 / 128
    expected = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert abs(task.floors()["one cue"] - expected) < 1e-12


def test_the_teacher_answers_as_its_equations_say(getkey):
    task = TeacherStudent(neurons=6, outputs=2)
    samples = task.samples(getkey(), 400)
    u, teacher, x = np.asarray(samples.input), task.teacher(), np.zeros(6)
    for k in range(400):
        np.testing.assert_allclose(samples.target[k], x[-2:], atol=1e-12)
        a = np.asarray(teacher.weight) @ x + np.asarray(teacher.input_weight) @ u[k]
        x = x + task.dt * (np.tanh(a) - x)
    long = np.asarray(task.samples(getkey(), 40_000).input)[:, 0]
    assert abs(np.corrcoef(long[1:], long[:-1])[0, 1] - np.exp(-0.1)) < 0.01
    assert abs(long.std() - 1) < 0.1


def test_batches_are_different_streams(getkey):
    for task in (Add(), Copy(), TeacherStudent()):
        samples = task.samples(getkey(), 60, batch=3)
        assert samples.input.shape == (60, 3, task.inputs)
        assert not np.array_equal(samples.input[:, 0], samples.input[:, 1])


def test_streams_may_be_mapped_and_jitted(getkey):
    task, key = Copy(), getkey()
    made = jax.jit(lambda key: task.samples(key, 30))(key)
    np.testing.assert_array_equal(made.input, task.samples(key, 30).input)


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="`cues` must be odd"):
        EvidenceAccumulation(cues=4)
    with pytest.raises(ValueError, match="`lags` must be an integer of at least 1"):
        Add((0, 3))
    with pytest.raises(ValueError, match="`episode` must be an integer of at least 4"):
        Adding(3)
    with pytest.raises(ValueError, match="`outputs` must be an integer of at least 1"):
        TeacherStudent(outputs=0)
    with pytest.raises(ValueError, match="`steps` must be an integer of at least 1"):
        Add().samples(steps=0)
