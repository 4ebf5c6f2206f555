"""The Mackey-Glass series: chaos from one equation with a delay, generated here."""

from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from .._types import Float
from ..signals.signal import Sample
from .floors import floors_of


class MackeyGlass(eqx.Module):
    """Predict the Mackey-Glass series `horizon` units of time ahead.

    One input, one output, for `squared_error`; see `mackey_glass` for the equation.
    Chaotic at a delay of 17, with errors that grow by e in some 150 units of time;
    four past values already predict 6 units ahead to a few hundredths of the
    variance, so hold every result against `floors()`.

    **Arguments:** `dt`, `horizon`, `delay`: as for `mackey_glass`.
    """

    dt: float = eqx.field(static=True, default=1.0)
    horizon: float = eqx.field(static=True, default=6.0)
    delay: float = eqx.field(static=True, default=17.0)

    def __call__(self, steps: int, *, seed: int = 0) -> Sample:
        """`steps` samples; the seed draws the past before the start."""
        times = {"dt": self.dt, "horizon": self.horizon, "delay": self.delay}
        return mackey_glass(steps, **times, seed=seed)

    def floors(self, steps: int = 5000, *, seed: int = 0) -> dict[str, float]:
        """Losses of predictors without a network; see `floors_of`."""
        ahead = max(1, round(self.horizon / self.dt))
        return floors_of(self(steps, seed=seed), ahead=ahead)


def mackey_glass(
    number: int, *, dt: float = 1.0, horizon: float = 6.0, delay: float = 17.0,
    seed: int = 0,
) -> Sample:  # fmt: skip
    """A stream of the series as input and of its own future as target.

        dx/dt = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x

    standardised to mean 0 and variance 1 over what is returned.

    **Arguments:** `number`: of samples; `dt`: time between them, a multiple of 0.05
    as `horizon` (how far ahead the target is) and `delay` are; 17 is the usual
    delay, chaotic; `seed`: of the past before the start, of which 1000 units of time
    are let go.

    **Returns:** a `Sample` with inputs and targets of shape (number, 1).

    Mackey and Glass (1977), Science 197.
    """
    _checks.at_least("number", number, 2)
    fine = 0.05
    stride, ahead, lag = (
        _multiple(name, value, fine)
        for name, value in (("dt", dt), ("horizon", horizon), ("delay", delay))
    )
    length = int(1000 / fine) + (number - 1) * stride + ahead + 1
    x = _integrate(length, lag, fine, np.random.default_rng(seed))
    x = x[int(1000 / fine) :]
    x = (x - x.mean()) / x.std()
    at = stride * np.arange(number)
    return Sample(x[at, None], x[at + ahead, None])


def forecast_floors(series: Sample, *, taps: int = 4) -> dict[str, float]:
    """Mean squared errors of predictors that any law has to be seen beside.

    **Returns:** `mean` (1 for a standardised series), `last` (the input itself) and
    `linear`: least squares on the last `taps` inputs, fitted on the first half. All
    over the second half.
    """
    _checks.at_least("taps", taps, 1)
    x, y = np.asarray(series.input)[:, 0], np.asarray(series.target)[:, 0]
    rows = [x[taps - 1 - k : len(x) - k] for k in range(taps)]
    past, y = np.stack([*rows, np.ones_like(rows[0])], axis=1), y[taps - 1 :]
    half = len(y) // 2
    fit = np.linalg.lstsq(past[:half], y[:half], rcond=None)[0]
    wrong = lambda guess: float(np.mean((guess - y[half:]) ** 2))
    return {
        "mean": wrong(y[:half].mean()),
        "last": wrong(past[half:, 0]),
        "linear": wrong(past[half:] @ fit),
    }


def _integrate(length: int, lag: int, h: float, rng: Any) -> Float[np.ndarray, "time"]:
    """Runge-Kutta 4, the delayed value interpolated halfway between grid points."""
    x = np.empty(length + lag + 1)
    x[: lag + 1] = 1.2 + 0.1 * rng.uniform(-1, 1)
    source = lambda past: 0.2 * past / (1 + past**10)
    for k in range(lag, length + lag):
        early, late = source(x[k - lag]), source(x[k - lag + 1])
        middle = source((x[k - lag] + x[k - lag + 1]) / 2)
        k1 = early - 0.1 * x[k]
        k2 = middle - 0.1 * (x[k] + h / 2 * k1)
        k3 = middle - 0.1 * (x[k] + h / 2 * k2)
        k4 = late - 0.1 * (x[k] + h * k3)
        x[k + 1] = x[k] + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[lag + 1 :]


def _multiple(name: str, value: float, unit: float) -> int:
    count = round(value / unit)
    if count < 1 or abs(count * unit - value) > 1e-9:
        _checks.reject(name, f"a positive multiple of {unit}", value)
    return count
