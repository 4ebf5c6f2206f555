"""The user's own arrays: numbers of any shape, labels, and what needs no network."""

import numpy as np
import pytest

from hamlearn.action import cross_entropy, squared_error
from hamlearn.tasks import Paired, accuracy

RNG = np.random.default_rng(0)
U = RNG.normal(size=(201, 2))
Y = np.stack([U[:, 0] - U[:, 1], 3 * U[:, 1]], axis=1)


def test_numbers_are_asked_as_they_are():
    task = Paired("sums", U, Y)
    assert (task.inputs, task.outputs, task.length) == (2, 2, 201)
    assert task.loss is squared_error
    assert task.metric is None
    samples = task.samples()
    np.testing.assert_array_equal(samples.input, U)
    np.testing.assert_array_equal(samples.target, Y)
    assert "2 from 2 inputs per sample" in task.describe()


def test_one_dimension_is_a_column():
    task = Paired("line", U[:, 0], list(Y[:, 0]))
    assert task.samples().input.shape == task.samples().target.shape == (201, 1)
    np.testing.assert_array_equal(task.samples().target[:, 0], Y[:, 0])


@pytest.mark.parametrize("kind", [int, np.uint8, bool])
def test_labels_become_classes(kind):
    label = (U[:, 0] > 0).astype(kind)
    task = Paired("signs", U, label)
    assert (task.outputs, task.metric) == (2, accuracy)
    assert task.loss is cross_entropy
    target = np.asarray(task.samples().target)
    np.testing.assert_array_equal(target.argmax(1), label)
    np.testing.assert_array_equal(target.sum(1), 1)
    floors = task.floors()
    share = target[100:200].mean(0)
    assert floors["constant"] == pytest.approx(-(share @ np.log(share)))
    assert floors["linear"] < 0.3 * floors["constant"]
    assert task.score(target, task.samples())["accuracy"] == 1


def test_classes_that_were_not_seen_have_room():
    assert Paired("signs", U, (U[:, 0] > 0).astype(int), classes=5).outputs == 5
    assert Paired("one", U, np.zeros(201, int)).outputs == 2


def test_integers_are_numbers_for_another_loss():
    task = Paired("counts", U, np.arange(201), loss=squared_error)
    assert task.outputs == 1
    np.testing.assert_array_equal(task.samples().target[:, 0], np.arange(201))


def test_shares_are_classes_too():
    shares = np.abs(Y) / np.abs(Y).sum(1, keepdims=True)
    task = Paired("shares", U, shares, loss=cross_entropy)
    assert task.metric_name == "accuracy"
    with pytest.raises(ValueError, match=r"shares that sum to one, but is a sum of"):
        Paired("shares", U, Y, loss=cross_entropy)


def test_a_loss_and_a_metric_of_ones_own():
    absolute = lambda output, target: abs(output - target).sum()
    task = Paired("line", U[:, 0], Y[:, 0], loss=absolute, metric=squared_error)
    second = Y[100:200, 0]
    found = task.floors()["constant"]
    assert found == pytest.approx(np.abs(second - second.mean()).mean())
    assert set(task.score(Y[:, :1], task.samples())) == {"loss", "squared_error"}


def test_floors_are_those_of_the_second_half():
    floors = Paired("sums", U, Y, known={"exact": 0.0}).floors()
    second = Y[100:200]
    assert floors["constant"] == pytest.approx(np.sum(np.var(second, axis=0)) / 2)
    change = second - Y[99:199]
    assert floors["last"] == pytest.approx(np.mean(np.sum(change**2, axis=1)) / 2)
    assert floors["linear"] < 1e-25
    assert floors["exact"] == 0
    noise = Paired("noise", U, RNG.normal(size=(201, 1))).floors()
    assert noise["linear"] > 0.9 * noise["constant"]


BAD = {
    "`target` must be an array of shape": (U, Y[:100], {}),
    "`input` must be finite": (np.where(U > 2, np.nan, U), Y, {}),
    "`input` must be an array of shape": (U[:, :, None], Y, {}),
    "`len\\(target\\)` must be an integer of at least 64": (U[:10], Y[:10], {}),
    "`target` must be labels from 0, but is -1 at index 0": (
        U,
        np.arange(201) - 1,
        {},
    ),
    "`classes` must be an integer of at least 201": (U, np.arange(201), {"classes": 3}),
    "`target` must be integer labels where `classes`": (U, Y, {"classes": 3}),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_pairs_are_refused(message):
    u, y, options = BAD[message]
    with pytest.raises(ValueError, match=message):
        Paired("bad", u, y, **options)
