"""Digits by rows and by points: the data, the order of showing, and the floors."""

import jax
import numpy as np
import pytest
from mnist1d.data import get_dataset_args, make_dataset
from sklearn.datasets import load_digits

from hamlearn.tasks import MNIST1D, DigitRows


def test_digits_come_row_by_row():
    task = DigitRows()
    samples, data = task.samples(jax.random.key(0), test=True), task.data()
    images = load_digits().data / 16
    first = np.asarray(samples.input)[:8, :8].reshape(64)
    same = np.flatnonzero((images == first).all(1))
    assert load_digits().target[same[0]] == samples.target[7].argmax()
    assert len(data.train) + len(data.test) == 1797
    assert len(samples.target) == 8 * len(data.test_labels) == 8 * 359
    rows = lambda array: array.reshape(-1, 8)
    np.testing.assert_array_equal(rows(samples.weight), [[0] * 7 + [1]] * 359)
    np.testing.assert_array_equal(rows(samples.input[:, 8]), rows(samples.weight))
    np.testing.assert_array_equal(rows(samples.start), [[True] + [False] * 7] * 359)


def test_no_image_is_in_both_parts():
    data = DigitRows(3).data()
    flat = lambda images: {image.tobytes() for image in images.reshape(len(images), -1)}
    shared = flat(data.train) & flat(data.test)
    assert len(shared) <= 1797 - len(flat(load_digits().images / 16))


def test_every_round_shows_every_digit_in_an_order_of_its_own():
    task = DigitRows()
    n = 1438
    samples = task.samples(jax.random.key(1), 2 * 8 * n + 3)
    assert len(samples.target) == 2 * 8 * n + 3
    shown = samples.input[: 2 * 8 * n, :8].reshape(2, n, 64)
    whole = task.data().train.reshape(n, 64)
    ordered = lambda rows: rows[np.lexsort(rows.T)]
    for turn in shown:
        np.testing.assert_array_equal(ordered(turn), ordered(whole))
    assert np.mean(np.all(shown[0] == shown[1], axis=1)) < 0.01
    plain = task.samples().input[: 8 * n, :8].reshape(n, 64)
    np.testing.assert_array_equal(plain, whole)


def test_accuracies_of_predictors_without_a_network():
    found, floors = DigitRows().accuracies(), DigitRows().floors()
    assert found["constant"] < 0.15
    assert 0.45 < found["last row"] < 0.6
    assert 0.94 < found["all pixels"] < 0.98
    assert floors["all pixels"] < floors["last row"] < floors["constant"]
    assert abs(floors["constant"] - np.log(10)) < 0.02


def test_lines_are_those_of_the_package_and_leave_no_trace():
    np.random.seed(5)  # noqa: NPY002
    wanted = np.random.uniform(size=3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    digits = MNIST1D(number=100, points=40).data()
    np.testing.assert_array_equal(np.random.uniform(size=3), wanted)  # noqa: NPY002
    args = get_dataset_args()
    args.num_samples = 100
    data = make_dataset(args)
    np.testing.assert_array_equal(digits.train, data["x"])
    np.testing.assert_array_equal(digits.test_labels, data["y_test"])
    assert digits.train.shape == (80, 40)


def test_lines_come_point_by_point():
    task = MNIST1D(number=50, points=20)
    samples, data = task.samples(steps=40), task.data()
    np.testing.assert_array_equal(samples.input[20:, 0], data.train[1])
    np.testing.assert_array_equal(samples.target[20:].argmax(1), data.train_labels[1])
    assert samples.weight.sum() == samples.input[:, 1].sum() == 2


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match="`number` must be an integer of at least 10"):
        MNIST1D(number=3)
