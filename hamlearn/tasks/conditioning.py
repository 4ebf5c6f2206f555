"""Trace conditioning: when will what was announced come?"""

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array
from ..signals.signal import Sample
from .endless import AbstractEndless, check_distractors, distractors
from .floors import floors_of
from .task import Facts


class TraceConditioning(AbstractEndless):
    """A stimulus, nothing, and later an outcome, whose discounted sum is predicted.

        y_k = sum_{j >= 1} gamma^{j-1} outcome_{k+j},   gamma = 1 - 1/interval

    Inputs (stimulus, outcome, distractors), each 1 in single samples. The outcome comes
    after 0.7 to 1.3 times `interval`, the next stimulus 2 to 3 times `interval` after
    that. One output, for `squared_error`, asked in every sample; the target is known
    in hindsight. Skill is 1 minus the loss over the floor `constant`.

    **Arguments:** `interval`: from the stimulus to the outcome in the mean, in samples;
    `channels`, `probability`: as for `DelayedCue`.

    Rafiee, Abbas, Ghiassian, Kumaraswamy, Sutton, Ludvig, White (2022), "From
    eye-blinks to state construction: diagnostic benchmarks for online representation
    learning".
    """

    interval: int = eqx.field(static=True, default=40)
    channels: int = eqx.field(static=True, default=8)
    probability: float = eqx.field(static=True, default=0.25)

    def __check_init__(self):
        _checks.at_least("interval", self.interval, 2)
        check_distractors(self.channels, self.probability)

    @property
    def facts(self) -> Facts:
        """Two inputs and the distractors, one output, `squared_error`."""
        about = f"an outcome {self.interval} samples after its stimulus, give or take"
        inputs = 2 + self.channels
        return Facts("trace", inputs=inputs, outputs=1, length=40_000, about=about)

    def floors(self) -> dict[str, float]:
        """Half the squared error of linear predictors, on a stream of 20 000 samples.

        `taps within`: of half an interval of inputs; `taps beyond`: of one and a half,
        over the stimulus and the outcome alone, for they know which inputs matter.
        """
        samples = self.samples(steps=20_000)
        told = Sample(samples.input[:, :2], samples.target)
        half = max(self.interval // 2, 1)
        linear = lambda taps: floors_of(told, taps=taps)["linear"]
        within = {"taps within": linear(half), "taps beyond": linear(3 * half)}
        return floors_of(samples) | within

    def draw(self, key: Array, steps: int) -> Sample:
        a, b, c = jax.random.split(key, 3)
        # The stream is drawn on until what comes after it no longer counts.
        length = steps + 16 * self.interval
        stimulus, outcome = self._times(a, b, length)
        gamma = 1 - 1 / self.interval

        def before(later: Array, now: Array) -> tuple[Array, Array]:
            return now + gamma * later, later

        y = jax.lax.scan(before, jnp.zeros(()), outcome, reverse=True)[1]
        noise = distractors(c, steps, self.channels, self.probability)
        told = jnp.stack([stimulus, outcome], axis=1)[:steps]
        return Sample(jnp.concatenate([told, noise], axis=1), y[:steps, None])

    def _times(self, a: Array, b: Array, length: int) -> tuple[Array, Array]:
        """(1 at every stimulus, 1 at every outcome) of a stream of a length."""
        trials = -(-length // self._from(2.7)) + 1
        waits = jax.random.randint(a, (trials,), self._from(0.7), self._from(1.3) + 1)
        gaps = jax.random.randint(b, (trials,), self._from(2), self._from(3) + 1)
        stimulus = jnp.cumsum(gaps + waits) - waits
        mark = lambda when: jnp.zeros(length).at[when].set(1, mode="drop")
        return mark(stimulus), mark(stimulus + waits)

    def _from(self, share: float) -> int:
        return max(round(share * self.interval), 1)
