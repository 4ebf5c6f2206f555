"""Digits shown point by point or row by row, whose class is asked at the last one."""

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from .. import _checks
from .._types import Array, Float, Int
from ..action.cost import cross_entropy
from ..signals.signal import Sample
from .floors import softmax_regression
from .paired import one_hot
from .task import AbstractTask, accuracy, generator, mean_score


class Digits(NamedTuple):
    """Digits and their labels 0 ... 9, for training and for testing."""

    train: Float[np.ndarray, "digits time *channels"]
    train_labels: Int[np.ndarray, "digits"]
    test: Float[np.ndarray, "tests time *channels"]
    test_labels: Int[np.ndarray, "tests"]


class AbstractDigits(AbstractTask):
    """Digits one after the other; the last sample of each has the cue 1 and is asked.

    Every digit begins an episode (`Sample.start`).
    """

    @abstractmethod
    def data(self) -> Digits:
        """All digits and labels."""

    @abstractmethod
    def views(self) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
        """By name, from digits a row of numbers each: what a linear predictor sees."""

    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """Digits in the order of the data, again from the start where they run out.

        **Arguments:** `key`: of a new order every time round; `test`: the digits held
        out, each once and at most `steps` samples.
        """
        data = self.data()
        digits = data.test if test else data.train
        labels = data.test_labels if test else data.train_labels
        each = digits.shape[1]
        length = each * len(digits)
        steps = length if steps is None else steps
        _checks.at_least("steps", steps, 1)
        steps = min(steps, length) if test else steps
        order = _order(key, len(digits), (steps + each - 1) // each)
        made = shown(digits[order], labels[order])
        return jax.tree.map(lambda leaf: leaf[:steps], made)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy on the digits held out, in nats.

        `constant`: the frequencies of the classes; softmax regression on each of the
        `views`.
        """
        answer = one_hot(self.data().test_labels, 10)
        return {
            name: mean_score(cross_entropy, guess, answer)
            for name, guess in self._guesses().items()
        }

    def accuracies(self) -> dict[str, float]:
        """Accuracies, on the digits held out, of the predictors of `floors`."""
        answer = one_hot(self.data().test_labels, 10)
        return {
            name: mean_score(accuracy, guess, answer)
            for name, guess in self._guesses().items()
        }

    def _guesses(self) -> dict[str, np.ndarray]:
        """Logits on the digits held out, by predictor."""
        data = self.data()
        y, weight = one_hot(data.train_labels, 10), np.ones(len(data.train))
        blind = np.log(np.maximum(y.mean(0), 1e-300))
        found = {"constant": np.tile(blind, (len(data.test), 1))}
        for name, view in self.views().items():
            known, asked = (
                np.concatenate([view(x), np.ones((len(x), 1))], axis=1)
                for x in (data.train, data.test)
            )
            found[name] = asked @ softmax_regression(known, y, weight)
        return found


def shown(digits: np.ndarray, labels: np.ndarray) -> Sample:
    """Digits, shape (digits, time) or (digits, time, channels), as one stream."""
    count, each = digits.shape[:2]
    last = np.tile(np.arange(each) == each - 1, count).astype(float)
    u = np.concatenate([digits.reshape(count * each, -1), last[:, None]], axis=1)
    y = np.repeat(one_hot(labels, 10), each, axis=0)
    start = np.tile(np.arange(each) == 0, count)
    return Sample(u, y, weight=last, start=start)


def _order(key: Array | None, number: int, count: int) -> np.ndarray:
    """`count` numbers below `number`, every one as often as another."""
    rounds = range(max(-(-count // number), 1))
    if key is None:
        return np.concatenate([np.arange(number) for _ in rounds])[:count]
    rng = generator(key)
    return np.concatenate([rng.permutation(number) for _ in rounds])[:count]
