"""Sequences whose answers need memory, as endless streams made from a key.

Every task is called with a number of steps and a key, and gives a `Sample`; with
`batch` the streams get a second axis. `floors()` says what predictors reach that use
only part of the past, in units of the loss the task is meant for; `constant` is among
them in every task.
"""

from collections.abc import Callable
from math import comb

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array
from ..signals.signal import Sample


class Add(eqx.Module):
    """Random bits; the answer depends on those of two lags ago.

        y_t = 1/2 + s_{t-lag_1}/2 - s_{t-lag_2}/4

    Inputs (s, 1 - s), targets (y, 1 - y), for `cross_entropy` (nats). Without the lags
    the loss is .6616, with the first .5192, with the second .6277, with both .4545.
    Credit must reach max(lags) samples back; a random recurrence of 32 neurons with a
    learned readout comes to about .513 at lags (4, 6).

    Marschall, Cho, Savin (2020), "A unified framework of online learning algorithms
    for training recurrent neural networks", the Add task.
    """

    lags: tuple[int, int] = eqx.field(static=True, default=(4, 6))

    def __check_init__(self):
        for lag in self.lags:
            _checks.at_least("lags", lag, 1)

    def __call__(self, steps: int, *, key: Array, batch: int | None = None) -> Sample:
        return _streams(self._one, steps, key, batch)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy of predictors that know neither bit, one, or both."""
        bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        y = 0.5 + bits[:, 0] / 2 - bits[:, 1] / 4
        known = lambda k: np.array([y[bits[:, k] == b].mean() for b in (0, 1)])
        return {
            "constant": _entropy(y.mean()),
            "neither": _entropy(y.mean()),
            "first": float(np.mean([_entropy(p) for p in known(0)])),
            "second": float(np.mean([_entropy(p) for p in known(1)])),
            "both": float(np.mean([_entropy(p) for p in y])),
        }

    def _one(self, steps: int, key: Array) -> Sample:
        past = max(self.lags)
        s = jax.random.bernoulli(key, shape=(steps + past,)).astype(float)
        first, second = (s[past - lag : past - lag + steps] for lag in self.lags)
        y = 0.5 + first / 2 - second / 4
        pair = lambda a: jnp.stack([a, 1 - a], axis=1)
        return Sample(pair(s[past:]), pair(y))


class Adding(eqx.Module):
    """Numbers of which two are marked; their sum is asked at the end of an episode.

    Inputs (number ~ U[0, 1], mark); one mark in each half. For `squared_error`, half
    of the squared error: a constant reaches 1/12, a squared error of 1/6. Two inputs,
    one output; a number must be held for up to a whole episode.

    **Arguments:** `length`: of an episode.

    Hochreiter & Schmidhuber (1997), "Long short-term memory", section 5.4.
    """

    length: int = eqx.field(static=True, default=20)

    def __check_init__(self):
        _checks.at_least("length", self.length, 4)

    def __call__(self, steps: int, *, key: Array, batch: int | None = None) -> Sample:
        return _streams(_episodes(self._one, self.length), steps, key, batch)

    def floors(self) -> dict[str, float]:
        """Half the squared error of a constant, and knowing one of the two numbers."""
        return {"constant": 1 / 12, "one number": 1 / 24, "exact": 0.0}

    def _one(self, key: Array) -> Sample:
        a, b, c = jax.random.split(key, 3)
        half = self.length // 2
        number = jax.random.uniform(a, (self.length,))
        marks = jnp.stack(
            [
                jax.random.randint(b, (), 0, half),
                jax.random.randint(c, (), half, self.length - 1),
            ]
        )
        mark = jnp.zeros(self.length).at[marks].set(1)
        return Sample(
            jnp.stack([number, mark], axis=1),
            jnp.full((self.length, 1), number @ mark),
            _at_end(self.length, 1),
        )


class Copy(eqx.Module):
    """Symbols to be repeated after a delay, when a cue says so.

    Inputs: one-hot symbols and the cue, symbols + 1 of them; targets one-hot, for
    `cross_entropy`: ln of the number of symbols without memory. Every item must be
    held for items + delay steps, all of them at once.

    **Arguments:** `symbols`: how many there are; `items`: in an episode; `delay`:
    silent steps between the last item and the recall.
    """

    symbols: int = eqx.field(static=True, default=8)
    items: int = eqx.field(static=True, default=3)
    delay: int = eqx.field(static=True, default=5)

    def __check_init__(self):
        _checks.at_least("symbols", self.symbols, 2)
        _checks.at_least("items", self.items, 1)
        _checks.at_least("delay", self.delay, 0)

    def __call__(self, steps: int, *, key: Array, batch: int | None = None) -> Sample:
        length = 2 * self.items + self.delay
        return _streams(_episodes(self._one, length), steps, key, batch)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at recall, in nats."""
        blind = float(np.log(self.symbols))
        return {"constant": blind, "no memory": blind, "exact": 0.0}

    def _one(self, key: Array) -> Sample:
        length = 2 * self.items + self.delay
        drawn = jax.random.randint(key, (self.items,), 0, self.symbols)
        shown = jax.nn.one_hot(drawn, self.symbols, dtype=float)
        u = jnp.zeros((length, self.symbols + 1))
        u = u.at[: self.items, :-1].set(shown)
        u = u.at[length - self.items :, -1].set(1)
        y = jnp.full((length, self.symbols), 1 / self.symbols)
        y = y.at[length - self.items :].set(shown)
        return Sample(u, y, _at_end(length, self.items))


class DelayedXOR(eqx.Module):
    """Two bits apart in time; their exclusive or is asked at the end.

    Inputs (bit as -1 or 1, cue); targets one-hot, for `cross_entropy`: ln 2 without
    both bits. The first bit must be held for 2 delay + 2 steps, and no linear readout
    of the two bits does better than chance.

    **Arguments:** `delay`: silent steps after each bit.
    """

    delay: int = eqx.field(static=True, default=4)

    def __check_init__(self):
        _checks.at_least("delay", self.delay, 0)

    def __call__(self, steps: int, *, key: Array, batch: int | None = None) -> Sample:
        return _streams(_episodes(self._one, 2 * self.delay + 3), steps, key, batch)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at the end, in nats: one bit alone says nothing."""
        return {
            "constant": float(np.log(2)),
            "no memory": float(np.log(2)),
            "one bit": float(np.log(2)),
            "exact": 0.0,
        }

    def _one(self, key: Array) -> Sample:
        length = 2 * self.delay + 3
        bits = jax.random.bernoulli(key, shape=(2,))
        shown = 2 * bits.astype(float) - 1
        u = jnp.zeros((length, 2)).at[jnp.array([0, self.delay + 1]), 0].set(shown)
        u = u.at[-1, 1].set(1)
        answer = jax.nn.one_hot((bits[0] ^ bits[1]).astype(int), 2, dtype=float)
        return Sample(u, jnp.tile(answer, (length, 1)), _at_end(length, 1))


class EvidenceAccumulation(eqx.Module):
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

    def __call__(self, steps: int, *, key: Array, batch: int | None = None) -> Sample:
        length = self.cues * (1 + self.gap) + self.delay + 1
        return _streams(_episodes(self._one, length), steps, key, batch)

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at the decision, in nats."""
        side = np.array([_majority(k, self.cues - 1) for k in range(2)])
        known = -np.sum(side * np.log(np.maximum(side, 1e-300)))
        blind = float(np.log(2))
        return {
            "constant": blind,
            "no memory": blind,
            "one cue": float(known),
            "exact": 0.0,
        }

    def _one(self, key: Array) -> Sample:
        length = self.cues * (1 + self.gap) + self.delay + 1
        a, b = jax.random.split(key)
        right = jax.random.bernoulli(a, shape=(self.cues,)).astype(float)
        when = jnp.arange(self.cues) * (1 + self.gap)
        u = jnp.zeros((length, 4))
        u = u.at[when, 0].set(1 - right).at[when, 1].set(right)
        u = u.at[-1, 2].set(1)
        u = u.at[:, 3].set(0.1 * jax.random.normal(b, (length,)))
        more = (jnp.sum(right) > self.cues / 2).astype(int)
        answer = jax.nn.one_hot(more, 2, dtype=float)
        return Sample(u, jnp.tile(answer, (length, 1)), _at_end(length, 1))


def _streams(
    one: Callable[[int, Array], Sample], steps: int, key: Array, batch: int | None
) -> Sample:
    """One stream of `steps`, or `batch` of them along a second axis."""
    _checks.at_least("steps", steps, 1)
    if batch is None:
        return one(steps, key)
    _checks.at_least("batch", batch, 1)
    keys = jax.random.split(key, batch)
    return jax.vmap(lambda key: one(steps, key), out_axes=1)(keys)


def _episodes(one: Callable[[Array], Sample], length: int):
    """Episodes of a length, one after the other, cut off at a number of steps."""

    def stream(steps: int, key: Array) -> Sample:
        episodes = jax.vmap(one)(jax.random.split(key, -(-steps // length)))
        flat = lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:steps]
        return jax.tree.map(flat, episodes)

    return stream


def _at_end(length: int, steps: int) -> Array:
    """Weights of the loss: 1 in the last steps of an episode."""
    return jnp.zeros(length).at[length - steps :].set(1)


def _entropy(p: float) -> float:
    """Of a bit that is 1 with probability p, in nats."""
    parts = np.array([p, 1 - p])
    return float(-np.sum(parts * np.log(np.maximum(parts, 1e-300))))


def _majority(seen: int, others: int) -> float:
    """Probability that right wins, with one cue known and fair coins for the others."""
    needed = (others + 1) // 2 + 1 - seen
    return sum(comb(others, k) for k in range(needed, others + 1)) / 2**others
