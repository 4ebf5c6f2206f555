"""The Mackey-Glass series: chaos from one equation with a delay, generated here."""

import equinox as eqx
import jax
import numpy as np

from .. import _checks
from .._types import Array, Float
from ..signals.signal import Sample
from .floors import floors_of
from .task import AbstractTask, Facts, drawn, generator

FINE = 0.05  # units of time between points of the integration
TRANSIENT = 1000.0  # units of time that are let go


class MackeyGlass(AbstractTask):
    """Predict the Mackey-Glass series `horizon` units of time ahead.

        dx/dt = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x

    scaled to mean 0 and variance 1 over the stream. One input, one output, for
    `squared_error`. Chaotic at a delay of 17, with errors that grow by e in some 150
    units of time; four past values already predict 6 units ahead to a few hundredths of
    the variance, so hold every result against `floors()`.

    **Arguments:** `dt`: time between samples, a multiple of 0.05 as `horizon` (how far
    ahead the target is) and `delay` are.

    Mackey and Glass (1977), "Oscillation and chaos in physiological control systems".
    """

    dt: float = eqx.field(static=True, default=1.0)
    horizon: float = eqx.field(static=True, default=6.0)
    delay: float = eqx.field(static=True, default=17.0)

    def __check_init__(self):
        for name in ("dt", "horizon", "delay"):
            _multiple(name, getattr(self, name))

    @property
    def facts(self) -> Facts:
        """One input, one output, `squared_error`."""
        return Facts(
            "mackey-glass",
            inputs=1,
            outputs=1,
            length=20_000,
            about=f"the Mackey-Glass series {self.horizon:.4g} ahead, every "
            f"{self.dt:.4g}",
        )

    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """The key draws the past before the start; see `AbstractTask.samples`."""
        key, steps = drawn(self, key, steps, test=test)
        _checks.at_least("steps", steps, 2)
        stride = _multiple("dt", self.dt)
        ahead = _multiple("horizon", self.horizon)
        x = self._fine(key, (steps - 1) * stride + ahead + 1)
        x = (x - x.mean()) / x.std()
        at = stride * np.arange(steps)
        return Sample(x[at, None], x[at + ahead, None])

    def floors(self) -> dict[str, float]:
        """Losses of predictors without a network; see `floors_of`."""
        return floors_of(self.samples(), ahead=max(1, round(self.horizon / self.dt)))

    def series(
        self, key: Array | None = None, steps: int = 10_000
    ) -> Float[np.ndarray, "time"]:
        """x as it is, `dt` apart, once 1000 units of time have passed."""
        key = jax.random.key(0) if key is None else key
        stride = _multiple("dt", self.dt)
        return self._fine(key, (steps - 1) * stride + 1)[::stride]

    def _fine(self, key: Array, count: int) -> Float[np.ndarray, "time"]:
        """x every 0.05 units of time."""
        before = 1.2 + 0.1 * generator(key).uniform(-1, 1)
        passed = round(TRANSIENT / FINE)
        lag = _multiple("delay", self.delay)
        return integrated(before, passed + count, lag)[passed:]


def integrated(before: float, count: int, lag: int) -> Float[np.ndarray, "time"]:
    """x after a constant past `before`, by the method of steps.

    While one delay passes all delayed values are known, and the equation is linear:

        x_{k+1} = E x_k + h/6 (E s_k + 4 E^{1/2} s_{k+1/2} + s_{k+1}),   E = e^{-h/10}

    with s = 0.2 x/(1 + x^10) of the delayed values: the integral by Simpson's rule,
    x_{k+1/2} by the mean of its neighbours.
    """
    from scipy.signal import lfilter

    keep = np.exp(-FINE / 10)
    past, found = np.full(lag + 1, before), []
    for _ in range(-(-count // lag)):
        middle = _production((past[1:] + past[:-1]) / 2)
        ends = _production(past)
        gain = keep * ends[:-1] + 4 * np.sqrt(keep) * middle + ends[1:]
        fresh = np.asarray(
            lfilter([1.0], [1.0, -keep], FINE / 6 * gain, zi=[keep * past[-1]])[0]
        )
        found.append(fresh)
        past = np.concatenate([past[-1:], fresh])
    return np.concatenate(found)[:count]


def _production(past: np.ndarray) -> np.ndarray:
    return 0.2 * past / (1 + past**10)


def _multiple(name: str, value: float) -> int:
    _checks.positive(name, value)
    _checks.shape(name, value, ())
    count = round(value / FINE)
    if count < 1 or abs(count * FINE - value) > 1e-9:
        _checks.reject(name, f"a positive multiple of {FINE}", value)
    return count
