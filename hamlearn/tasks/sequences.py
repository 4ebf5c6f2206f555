"""Sequences whose answers need memory: sums, and symbols to be repeated."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array
from ..action.cost import cross_entropy
from ..signals.signal import Sample
from .endless import (
    AbstractEndless,
    at_end,
    check_distractors,
    distractors,
    episodes,
)
from .task import Facts, accuracy


class Add(AbstractEndless):
    """Random bits; the answer depends on those of two lags ago.

        y_t = 1/2 + s_{t-lag_1}/2 - s_{t-lag_2}/4

    Inputs (s, 1 - s), targets (y, 1 - y), for `cross_entropy` (nats). Without the lags
    the loss is .6616, with the first .5192, with the second .6277, with both .4545.
    Credit must reach max(lags) samples back; a random recurrence of 32 neurons with a
    learned readout comes to about .513 at lags (4, 6).

    **Arguments:** `lags`: of the two bits, in samples.

    Marschall, Cho, Savin (2020), "A unified framework of online learning algorithms
    for training recurrent neural networks", the Add task.
    """

    lags: tuple[int, int] = eqx.field(static=True, default=(4, 6))

    def __check_init__(self):
        if not isinstance(self.lags, tuple | list) or len(self.lags) != 2:
            _checks.reject("lags", "two lags, in samples", _checks.shown(self.lags))
        for lag in self.lags:
            _checks.at_least("lags", lag, 1)

    @property
    def facts(self) -> Facts:
        """Two inputs, two outputs, `cross_entropy`; the target is a probability."""
        return Facts(
            "add",
            inputs=2,
            outputs=2,
            length=20_000,
            loss=cross_entropy,
            strictly_causal=True,
            about=f"a probability that depends on the bits of {self.lags[0]} and "
            f"{self.lags[1]} samples ago",
        )

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy of predictors that know neither bit, one, or both."""
        bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
        y = 0.5 + bits[:, 0] / 2 - bits[:, 1] / 4
        known = lambda k: [_entropy(y[bits[:, k] == bit].mean()) for bit in (0, 1)]
        return {
            "constant": _entropy(y.mean()),
            "first bit": float(np.mean(known(0))),
            "second bit": float(np.mean(known(1))),
            "both bits": float(np.mean([_entropy(p) for p in y])),
        }

    def draw(self, key: Array, steps: int) -> Sample:
        past = max(self.lags)
        s = jax.random.bernoulli(key, shape=(steps + past,)).astype(float)
        first, second = (s[past - lag : past - lag + steps] for lag in self.lags)
        y = 0.5 + first / 2 - second / 4
        pair = lambda a: jnp.stack([a, 1 - a], axis=1)
        return Sample(pair(s[past:]), pair(y))


class Adding(AbstractEndless):
    """Numbers of which two are marked; their sum is asked at the end of an episode.

    Inputs (number ~ U[0, 1], mark); one mark in each half. For `squared_error`, half
    of the squared error: a constant reaches 1/12, a squared error of 1/6. Two inputs,
    one output; a number must be held for up to a whole episode.

    **Arguments:** `episode`: samples per episode.

    Hochreiter & Schmidhuber (1997), "Long short-term memory", section 5.4.
    """

    episode: int = eqx.field(static=True, default=20)

    def __check_init__(self):
        _checks.at_least("episode", self.episode, 4)

    @property
    def facts(self) -> Facts:
        """Two inputs, one output, `squared_error`."""
        about = f"the sum of two marked numbers, after {self.episode} samples"
        return Facts("adding", inputs=2, outputs=1, length=20_000, about=about)

    def floors(self) -> dict[str, float]:
        """Half the squared error of a constant, and knowing one of the two numbers."""
        return {"constant": 1 / 12, "one number": 1 / 24, "exact": 0.0}

    def draw(self, key: Array, steps: int) -> Sample:
        return episodes(self._one, self.episode, key, steps)

    def _one(self, key: Array) -> Sample:
        a, b, c = jax.random.split(key, 3)
        length, half = self.episode, self.episode // 2
        number = jax.random.uniform(a, (length,))
        early = jax.random.randint(b, (), 0, half)
        late = jax.random.randint(c, (), half, length - 1)
        mark = jnp.zeros(length).at[jnp.stack([early, late])].set(1)
        return Sample(
            jnp.stack([number, mark], axis=1),
            jnp.full((length, 1), number @ mark),
            at_end(length, 1),
        )


class Copy(AbstractEndless):
    """Symbols to be repeated after a delay, when a cue says so.

    Inputs: one-hot symbols, the cue, and distractors; targets one-hot, for
    `cross_entropy`: ln of the number of symbols without memory. Every item must be
    held for items + delay steps, all of them at once; a linear map of so many inputs
    and the present one is right always.

    **Arguments:** `symbols`: how many there are; `items`: in an episode; `delay`:
    steps between the last item and the recall; `channels`: of distractors;
    `probability`: of one of them in any sample.
    """

    symbols: int = eqx.field(static=True, default=8)
    items: int = eqx.field(static=True, default=3)
    delay: int = eqx.field(static=True, default=5)
    channels: int = eqx.field(static=True, default=0)
    probability: float = eqx.field(static=True, default=0.25)

    def __check_init__(self):
        _checks.at_least("symbols", self.symbols, 2)
        _checks.at_least("items", self.items, 1)
        _checks.at_least("delay", self.delay, 0)
        check_distractors(self.channels, self.probability)

    @property
    def episode(self) -> int:
        """Samples per episode."""
        return 2 * self.items + self.delay

    @property
    def facts(self) -> Facts:
        """As many outputs as symbols, inputs as symbols, cue and channels."""
        return Facts(
            "copy",
            inputs=self.symbols + 1 + self.channels,
            outputs=self.symbols,
            length=20_000,
            loss=cross_entropy,
            metric=accuracy,
            about=f"{self.items} of {self.symbols} symbols again, after {self.delay} "
            "silent samples",
        )

    def floors(self) -> dict[str, float]:
        """Mean cross-entropy at recall, in nats, with the last inputs known."""
        blind = float(np.log(self.symbols))
        return {"constant": blind, "taps within": blind, "taps beyond": 0.0}

    def draw(self, key: Array, steps: int) -> Sample:
        return episodes(self._one, self.episode, key, steps)

    def _one(self, key: Array) -> Sample:
        a, b = jax.random.split(key)
        length, recall = self.episode, self.items + self.delay
        drawn = jax.random.randint(a, (self.items,), 0, self.symbols)
        shown = jax.nn.one_hot(drawn, self.symbols, dtype=float)
        u = jnp.zeros((length, self.symbols + 1))
        u = u.at[: self.items, :-1].set(shown).at[recall:, -1].set(1)
        noise = distractors(b, length, self.channels, self.probability)
        u = jnp.concatenate([u, noise], axis=1)
        y = jnp.full((length, self.symbols), 1 / self.symbols)
        return Sample(u, y.at[recall:].set(shown), at_end(length, self.items))


def _entropy(p: float) -> float:
    """Of a bit that is 1 with probability p, in nats."""
    parts = np.array([p, 1 - p])
    return float(-np.sum(parts * np.log(np.maximum(parts, 1e-300))))
