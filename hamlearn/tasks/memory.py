"""Choices of two that hang on one moment of the past, among distractors."""

from abc import abstractmethod
from math import comb

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float
from ..action.cost import cross_entropy
from ..signals.signal import Sample
from .decisions import BLIND
from .endless import (
    AbstractEndless,
    check_distractors,
    choice,
    distractors,
    episodes,
)
from .task import Facts, accuracy


class AbstractChoice(AbstractEndless):
    """Episodes that end in a choice of two, among distractors.

    Inputs (what is told, distractors); the answer is asked in the last sample; targets
    one-hot, for `cross_entropy`.
    """

    lag: eqx.AbstractVar[int]
    channels: eqx.AbstractVar[int]
    probability: eqx.AbstractVar[float]

    def __check_init__(self):
        _checks.at_least("lag", self.lag, 1)
        check_distractors(self.channels, self.probability)

    @property
    @abstractmethod
    def episode(self) -> int:
        """Samples per episode."""

    @abstractmethod
    def told(self, key: Array) -> tuple[Float[Array, "time told"], Array]:
        """(inputs without distractors, whether the second answer is right)."""

    def draw(self, key: Array, steps: int) -> Sample:
        return episodes(self._one, self.episode, key, steps)

    def _one(self, key: Array) -> Sample:
        a, b = jax.random.split(key)
        told, second = self.told(a)
        noise = distractors(b, self.episode, self.channels, self.probability)
        u = jnp.concatenate([told, noise], axis=1)
        return Sample(u, *choice(second, self.episode))


class DelayedCue(AbstractChoice):
    """One of two symbols, to be named `lag` samples later, among distractors.

    Inputs (first symbol, second symbol, go, distractors), one-hot: the symbol comes in
    the first sample of an episode of lag + 1 and go in the last, where the answer is
    asked; targets one-hot, for `cross_entropy`. A linear map of the last lag + 1
    inputs is right always, one of the last `lag` no better than a coin: what is shown
    is memory at a given size of the state.

    **Arguments:** `lag`: in samples, from the symbol to the answer; `channels`: of
    distractors; `probability`: of one of them in any sample.
    """

    lag: int = eqx.field(static=True, default=32)
    channels: int = eqx.field(static=True, default=8)
    probability: float = eqx.field(static=True, default=0.25)

    @property
    def episode(self) -> int:
        return self.lag + 1

    @property
    def facts(self) -> Facts:
        """Three inputs and the distractors, two outputs, `cross_entropy`."""
        about = f"which of two symbols was shown {self.lag} samples ago"
        return _choices("cue", 3 + self.channels, about)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at the answer, in nats, with the last inputs known."""
        return {"constant": BLIND, "taps within": BLIND, "taps beyond": 0.0}

    def told(self, key: Array) -> tuple[Float[Array, "time told"], Array]:
        second = jax.random.bernoulli(key)
        symbol = jax.nn.one_hot(second.astype(int), 2, dtype=float)
        told = jnp.zeros((self.episode, 3)).at[0, :2].set(symbol)
        return told.at[-1, 2].set(1), second


class MatchToSample(AbstractChoice):
    """Whether a second symbol, `lag` samples after a first, is the same.

    Inputs (symbol as -1 or 1, go, distractors): the first symbol in the first sample of
    an episode of lag + 1, the second in the last one together with go, where the answer
    is asked; targets one-hot (same, other), for `cross_entropy`. No linear map of any
    number of inputs is better than a coin: the first symbol must be held, and then
    multiplied by the second.

    **Arguments:** as for `DelayedCue`.
    """

    lag: int = eqx.field(static=True, default=8)
    channels: int = eqx.field(static=True, default=8)
    probability: float = eqx.field(static=True, default=0.25)

    @property
    def episode(self) -> int:
        return self.lag + 1

    @property
    def facts(self) -> Facts:
        """Two inputs and the distractors, two outputs, `cross_entropy`."""
        about = f"whether two symbols {self.lag} samples apart are the same"
        return _choices("match", 2 + self.channels, about)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at the answer, in nats, of linear maps and of a memory."""
        return {"constant": BLIND, "linear taps": BLIND, "exact": 0.0}

    def told(self, key: Array) -> tuple[Float[Array, "time told"], Array]:
        bits = jax.random.bernoulli(key, shape=(2,))
        ends = jnp.array([0, self.lag])
        told = jnp.zeros((self.episode, 2)).at[ends, 0].set(2 * bits.astype(float) - 1)
        return told.at[-1, 1].set(1), bits[0] ^ bits[1]


class Flag(AbstractChoice):
    """A value in every sample; the one that a flag points at is asked at the end.

    Inputs (value as -1 or 1, flag, go, distractors); targets one-hot (-1, 1), for
    `cross_entropy`. The flag comes at any of the first `lag` samples of an episode of
    lag + late + 1, the value `late` samples after it counts, and go comes with the last
    sample, where the answer is asked: 1 to `lag` samples after the value. What is
    written to memory must be gated by the flag, and for `late` > 0 the gate itself
    needs a memory.

    **Arguments:** `lag`, `channels`, `probability`: as for `DelayedCue`; `late`: from
    the flag to its value, in samples.
    """

    lag: int = eqx.field(static=True, default=8)
    late: int = eqx.field(static=True, default=0)
    channels: int = eqx.field(static=True, default=8)
    probability: float = eqx.field(static=True, default=0.25)

    def __check_init__(self):
        _checks.at_least("late", self.late, 0)

    @property
    def episode(self) -> int:
        return self.lag + self.late + 1

    @property
    def facts(self) -> Facts:
        """Three inputs and the distractors, two outputs, `cross_entropy`."""
        where = f"{self.late} samples after" if self.late else "at"
        about = f"the value {where} a flag, asked up to {self.lag} samples later"
        return _choices("late flag" if self.late else "flag", 3 + self.channels, about)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at the answer, in nats, of the best use of what is known.

        `half the past`: flag and values, but only the later half of those that may
        count; `without the flag`: all those values, which no linear map surpasses.
        """
        unseen = (self.lag + 1) // 2 / self.lag
        return {
            "constant": BLIND,
            "half the past": unseen * BLIND,
            "without the flag": _one_of_many(self.lag),
            "exact": 0.0,
        }

    def told(self, key: Array) -> tuple[Float[Array, "time told"], Array]:
        a, b = jax.random.split(key)
        bits = jax.random.bernoulli(a, shape=(self.episode,))
        when = jax.random.randint(b, (), 0, self.lag)
        told = jnp.zeros((self.episode, 3)).at[:, 0].set(2 * bits.astype(float) - 1)
        return told.at[when, 1].set(1).at[-1, 2].set(1), bits[when + self.late]


def _choices(name: str, inputs: int, about: str) -> Facts:
    """What choices of two with memory have in common."""
    return Facts(
        name,
        inputs=inputs,
        outputs=2,
        length=40_000,
        loss=cross_entropy,
        metric=accuracy,
        about=about,
    )


def _one_of_many(values: int) -> float:
    """Mean entropy of one fair bit among several, in nats, where all are known."""
    ones = np.arange(values + 1)
    chance = np.array([comb(values, k) / 2**values for k in ones])
    p = np.stack([ones, values - ones]) / values
    return float(-chance @ np.sum(p * np.log(np.maximum(p, 1e-300)), axis=0))
