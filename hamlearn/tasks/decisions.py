"""Sequences that end in a choice of two: bits apart in time, and evidence."""

from math import comb

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array
from ..action.cost import cross_entropy
from ..signals.signal import Sample
from .endless import AbstractEndless, choice, episodes
from .task import Facts, accuracy

BLIND = float(np.log(2))  # nats, of a fair coin


class DelayedXOR(AbstractEndless):
    """Two bits apart in time; their exclusive or is asked at the end.

    Inputs (bit as -1 or 1, cue); targets one-hot, for `cross_entropy`: ln 2 without
    both bits. The first bit must be held for 2 delay + 2 steps, and no linear readout
    of the two bits does better than chance.

    **Arguments:** `delay`: silent steps after each bit.
    """

    delay: int = eqx.field(static=True, default=4)

    def __check_init__(self):
        _checks.at_least("delay", self.delay, 0)

    @property
    def episode(self) -> int:
        """Samples per episode."""
        return 2 * self.delay + 3

    @property
    def facts(self) -> Facts:
        """Two inputs, two outputs, `cross_entropy`."""
        return Facts(
            "xor",
            inputs=2,
            outputs=2,
            length=20_000,
            loss=cross_entropy,
            metric=accuracy,
            about=f"whether two bits differ, {self.delay} silent samples after each",
        )

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at the end, in nats: one bit alone says nothing."""
        return {"constant": BLIND, "one bit": BLIND, "exact": 0.0}

    def draw(self, key: Array, steps: int) -> Sample:
        return episodes(self._one, self.episode, key, steps)

    def _one(self, key: Array) -> Sample:
        length = self.episode
        bits = jax.random.bernoulli(key, shape=(2,))
        shown = 2 * bits.astype(float) - 1
        u = jnp.zeros((length, 2)).at[jnp.array([0, self.delay + 1]), 0].set(shown)
        return Sample(u.at[-1, 1].set(1), *choice(bits[0] ^ bits[1], length))


class EvidenceAccumulation(AbstractEndless):
    """Cues from left and right; after a delay, which side had more?

    Inputs (left, right, cue to decide, noise); targets one-hot (left, right), for
    `cross_entropy`: ln 2 without memory. An episode takes cues (1 + gap) + delay + 1
    steps, over which cues must be counted and the count held. A rate version of the
    task of Bellec et al. (2020), figure 4.

    **Arguments:** `cues`: odd, how many; `gap`: silent steps after each; `delay`:
    steps before the decision.
    """

    cues: int = eqx.field(static=True, default=7)
    gap: int = eqx.field(static=True, default=1)
    delay: int = eqx.field(static=True, default=10)

    def __check_init__(self):
        _checks.at_least("cues", self.cues, 1)
        if self.cues % 2 == 0:
            _checks.reject("cues", "odd, or sides may tie", self.cues)
        _checks.at_least("gap", self.gap, 0)
        _checks.at_least("delay", self.delay, 0)

    @property
    def episode(self) -> int:
        """Samples per episode."""
        return self.cues * (1 + self.gap) + self.delay + 1

    @property
    def facts(self) -> Facts:
        """Four inputs, two outputs, `cross_entropy`."""
        return Facts(
            "evidence",
            inputs=4,
            outputs=2,
            length=20_000,
            loss=cross_entropy,
            metric=accuracy,
            about=f"which side had more of {self.cues} cues, after {self.delay} more",
        )

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at the decision, in nats."""
        side = np.array([_majority(k, self.cues - 1) for k in range(2)])
        known = -np.sum(side * np.log(np.maximum(side, 1e-300)))
        return {"constant": BLIND, "one cue": float(known), "exact": 0.0}

    def draw(self, key: Array, steps: int) -> Sample:
        return episodes(self._one, self.episode, key, steps)

    def _one(self, key: Array) -> Sample:
        length = self.episode
        a, b = jax.random.split(key)
        right = jax.random.bernoulli(a, shape=(self.cues,)).astype(float)
        when = jnp.arange(self.cues) * (1 + self.gap)
        u = jnp.zeros((length, 4))
        u = u.at[when, 0].set(1 - right).at[when, 1].set(right)
        u = u.at[-1, 2].set(1)
        u = u.at[:, 3].set(0.1 * jax.random.normal(b, (length,)))
        return Sample(u, *choice(jnp.sum(right) > self.cues / 2, length))


def _majority(seen: int, others: int) -> float:
    """Probability that right wins, with one cue known and fair coins for the others."""
    needed = (others + 1) // 2 + 1 - seen
    return sum(comb(others, k) for k in range(needed, others + 1)) / 2**others
