"""Handwritten digits, 8 x 8 pixels, row by row. Needs scikit-learn."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from ..action.cost import cross_entropy
from .digits import AbstractDigits, Digits
from .task import Facts, accuracy


class DigitRows(AbstractDigits):
    """Digits of 8 x 8 pixels, a row per sample, whose class is asked at the last row.

    Inputs: the eight pixels of a row in [0, 1], and 1 at the last; targets one-hot,
    with weight 1 at the last row, for `cross_entropy`. 1438 images of eight samples to
    learn from and 359, a fifth, to be tested on, which scikit-learn ships. Accuracy on
    the latter: .10 by chance, .50 from the last row alone, .97 from all pixels, so what
    lies between is memory.

    **Arguments:** `seed`: of the order of the images and of what is held out.
    """

    seed: int = eqx.field(static=True, default=0)

    @property
    def facts(self) -> Facts:
        """Nine inputs, ten outputs, `cross_entropy` and `accuracy`."""
        return Facts(
            "digits",
            inputs=9,
            outputs=10,
            length=8 * 1438,
            loss=cross_entropy,
            metric=accuracy,
            about="the class of a handwritten digit of eight rows, after the last one",
            source="scikit-learn, load_digits",
        )

    def data(self) -> Digits:
        """Images of shape (digits, 8, 8) in [0, 1]."""
        from sklearn.datasets import load_digits

        data: Any = load_digits()
        order = np.random.default_rng(self.seed).permutation(len(data.target))
        images, labels = data.images[order] / 16, data.target[order]
        cut = len(labels) // 5
        return Digits(images[cut:], labels[cut:], images[:cut], labels[:cut])

    def views(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        """`last row` alone, and `all pixels`."""
        return {
            "last row": lambda x: x[:, -1],
            "all pixels": lambda x: x.reshape(len(x), -1),
        }
