"""MNIST-1D: ten digits as noisy, shifted, sheared lines, generated here."""

import random
from typing import Any, NamedTuple

import numpy as np

from .. import _checks
from .._types import Float, Int


class Digits(NamedTuple):
    """Standardised sequences and labels 0 ... 9, for training and for testing."""

    train: Float[np.ndarray, "digits time"]
    train_labels: Int[np.ndarray, "digits"]
    test: Float[np.ndarray, "digits time"]
    test_labels: Int[np.ndarray, "digits"]


def mnist1d(*, number: int = 5000, length: int = 72, seed: int = 42) -> Digits:
    """Generate MNIST-1D with the package `mnist1d`; nothing is downloaded.

    **Arguments:** `number`: of digits, of which a fifth is for testing; `length`:
    points a digit, 72 being the resolution at which they are made (40 is the
    package's default); `seed`: 42 gives the published data set.

    **Returns:** `Digits`.

    Greydanus and Kobak (2024), "Scaling down deep learning with MNIST-1D".
    """
    from mnist1d.data import get_dataset_args, make_dataset

    _checks.at_least("number", number, 10)
    _checks.at_least("length", length, 2)
    args: Any = get_dataset_args()
    args.num_samples, args.final_seq_length, args.seed = number, length, seed
    outer = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        data = make_dataset(args)  # it seeds the global generators
    finally:
        np.random.set_state(outer[0])  # noqa: NPY002
        random.setstate(outer[1])
    labels = data["y"].astype(np.int32), data["y_test"].astype(np.int32)
    return Digits(data["x"], labels[0], data["x_test"], labels[1])
