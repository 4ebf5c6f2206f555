"""MNIST-1D: ten digits as noisy, shifted, sheared lines, generated here."""

import random
from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from ..action.cost import cross_entropy
from .digits import AbstractDigits, Digits
from .task import Facts, accuracy


class MNIST1D(AbstractDigits):
    """Digits drawn as lines, a point a sample, whose class is asked at the last point.

    Inputs: the standardised height of the line, and 1 at the last point; targets
    one-hot, with weight 1 at the last point, for `cross_entropy`. Made by the package
    `mnist1d`; nothing is downloaded.

    **Arguments:** `number`: of digits, of which a fifth is for testing; `points`: per
    digit, 72 being the resolution at which they are made (40 is the package's
    default); `seed`: 42 gives the published data set.

    Greydanus and Kobak (2024), "Scaling down deep learning with MNIST-1D".
    """

    number: int = eqx.field(static=True, default=5000)
    points: int = eqx.field(static=True, default=72)
    seed: int = eqx.field(static=True, default=42)

    def __check_init__(self):
        _checks.at_least("number", self.number, 10)
        _checks.at_least("points", self.points, 2)

    @property
    def facts(self) -> Facts:
        """Two inputs, ten outputs, `cross_entropy` and `accuracy`."""
        return Facts(
            "mnist1d",
            inputs=2,
            outputs=10,
            length=self.points * int(0.8 * self.number),
            loss=cross_entropy,
            metric=accuracy,
            about=f"the class of a digit of {self.points} points, after the last one",
            source="MNIST-1D (Greydanus and Kobak 2024)",
        )

    def data(self) -> Digits:
        """Lines of shape (digits, points)."""
        from mnist1d.data import get_dataset_args, make_dataset

        args: Any = get_dataset_args()
        args.num_samples, args.seed = self.number, self.seed
        args.final_seq_length = self.points
        outer = np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            data = make_dataset(args)  # it seeds the global generators
        finally:
            np.random.set_state(outer[0])  # noqa: NPY002
            random.setstate(outer[1])
        labels = data["y"].astype(np.int32), data["y_test"].astype(np.int32)
        return Digits(data["x"], labels[0], data["x_test"], labels[1])

    def views(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        """`all points` at once."""
        return {"all points": lambda x: x.reshape(len(x), -1)}
