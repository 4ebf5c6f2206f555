"""Handwritten digits, 8 x 8 pixels, row by row. Needs scikit-learn."""

from typing import Any

import equinox as eqx
import numpy as np

from ..signals.signal import Sample


class DigitRows(eqx.Module):
    """Digits of 8 x 8 pixels, a row a sample, whose class is asked at the last row.

    Nine inputs, ten outputs, 1438 images of eight samples to learn from and 359 to be
    tested on; see `digit_rows`. What counts is accuracy on the latter: .50 from the
    last row alone, .97 from all pixels, so what lies between is memory.

    **Arguments:** `seed`: of the order of the images and of what is held out.
    """

    seed: int = eqx.field(static=True, default=0)

    def __call__(self, *, test: bool = False) -> tuple[Sample, np.ndarray]:
        """(samples, classes), to learn from or to be tested on."""
        return digit_rows(seed=self.seed, test=test)

    def floors(self) -> dict[str, float]:
        """Accuracies on the held-out images; here more is better."""
        return digit_floors(seed=self.seed)


def digit_rows(*, seed: int = 0, test: bool = False) -> tuple[Sample, np.ndarray]:
    """Streams of digits, eight samples each, asked for their class at the last row.

    1797 images that scikit-learn ships, a fifth of them held out. Inputs: the eight
    pixels of a row in [0, 1], and 1 at the last; targets one-hot, with weight 1 at the
    last row, for `cross_entropy`. Accuracy by chance .10, of logistic regression on
    the last row .50, on all pixels .97.

    **Returns:** (samples, classes): time is the leading axis, eight steps an image.
    """
    images, labels = _load(seed)
    cut = len(labels) // 5
    chosen = slice(0, cut) if test else slice(cut, None)
    images, labels = images[chosen], labels[chosen]
    last = np.tile(np.arange(8) == 7, len(labels)).astype(float)
    u = np.concatenate([images.reshape(-1, 8), last[:, None]], axis=1)
    y = np.repeat(np.eye(10)[labels], 8, axis=0)
    return Sample(u, y, last), labels


def digit_floors(*, seed: int = 0) -> dict[str, float]:
    """Accuracies on the held-out images of predictors without a network."""
    from sklearn.linear_model import LogisticRegression

    found = {}
    data = {test: digit_rows(seed=seed, test=test) for test in (False, True)}
    rows = {t: s.input[:, :8].reshape(-1, 64) for t, (s, _) in data.items()}
    labels = {t: labels for t, (_, labels) in data.items()}
    most = np.bincount(labels[False]).argmax()
    found["constant"] = float(np.mean(labels[True] == most))
    for name, pixels in (("last row", slice(56, 64)), ("all pixels", slice(0, 64))):
        model = LogisticRegression(max_iter=2000)
        model.fit(rows[False][:, pixels], labels[False])
        guess = model.predict(rows[True][:, pixels])
        found[name] = float(np.mean(guess == labels[True]))
    return found


def _load(seed: int) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    order = np.random.default_rng(seed).permutation(len(data.target))
    return data.data[order] / 16, data.target[order]
