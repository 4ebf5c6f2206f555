"""Recorded series as streams to forecast, one sample ahead."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks
from .._mollify import mollify
from .._signal import Sample
from ._tracking import Tracking
from .floors import constant


@dataclass(frozen=True)
class Forecast:
    """One-step-ahead forecasting: from the last value and change to the next change.

        input u_k = (z_{k-1}, d_{k-1}),   target y_k = d_k

    with z the value and d its change since the sample before, both in units of their
    standard deviation over the first half of the series. An output of zero says
    "no change", so what has to be beaten is persistence. Inputs and targets know
    nothing of the second half.

    **Attributes:** `values`: one a sample, evenly spaced; `interval` between them in
    `time_unit`.
    """

    name: str
    values: np.ndarray
    interval: float
    unit: str = ""
    time_unit: str = "samples"
    source: str = ""

    def __post_init__(self):
        _checks.shape("values", self.values, ("time",))
        _checks.at_least("len(values)", len(self.values), 64)
        _checks.finite("values", self.values)
        if np.ptp(self.values[: len(self.values) // 2]) == 0:
            _checks.reject("values", "changing in the first half", "constant there")

    @property
    def length(self) -> int:
        """How many forecasts there are in one half."""
        return (len(self.values) - 2) // 2

    @property
    def scale(self) -> float:
        """The unit of the targets: standard deviation of a change in the first half."""
        return float(np.diff(self.values[: len(self.values) // 2]).std())

    def half(self, second: bool, *, immediate: bool, steps: int = 1) -> Sample:
        """One half of the series as samples.

        **Arguments:** `immediate`: whether the output of a step knows the input of
        that step. Where it acts one step later it is shown one step earlier, so that
        every network has heard the same at each forecast; `steps`: of the network a
        sample. With four or more the input goes over smoothly in the first quarter
        of the sample, is then held, and the last step alone is asked and taught
        (`weight`).
        """
        u, y = self._pairs()
        start = self.length if second else 0
        ahead = start if immediate or steps > 1 else start + 1
        heard = u[ahead : ahead + self.length]
        target = y[start : start + self.length]
        if steps == 1:
            return Sample(heard, target)
        _checks.at_least("steps", steps, 4)
        made = mollify(heard, target, steps=steps, dt=1 / steps)
        asked = np.tile(np.arange(steps) == steps - 1, self.length)
        return _weighted(made, asked.astype(heard.dtype))

    def floors(self) -> dict[str, float]:
        """Half the squared error, over the second half, of predictors without a net.

        `last`: no change; `mean`: the mean change of that half; `linear`: least
        squares on the last four values, fitted on the first half.
        """
        _, y = self._pairs()
        first, second = y[: self.length], y[self.length : 2 * self.length]
        return {
            "last": float(np.mean(second**2) / 2),
            "mean": constant(Sample(np.zeros((len(second), 0)), second)),
            "linear": self._linear(first, second),
        }

    def _linear(self, first: np.ndarray, second: np.ndarray, taps: int = 4) -> float:
        def design(y, before):
            past = np.concatenate([before, y])[:, 0]
            rows = [past[taps - 1 - k : len(past) - 1 - k] for k in range(taps)]
            return np.stack([*rows, np.ones(len(y))], axis=1)

        fitted, *_ = np.linalg.lstsq(
            design(first, np.zeros((taps, 1))), first, rcond=None
        )
        return float(
            np.mean((second - design(second, first[-taps:]) @ fitted) ** 2) / 2
        )

    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """All (u_k, y_k); the last u has no target."""
        known = self.values[: len(self.values) // 2]
        z = (self.values - known.mean()) / known.std()
        d = np.diff(self.values) / self.scale
        return np.stack([z[1:], d], axis=1), d[1:, None]


def forecast(
    series: Tracking | Any, *, name: str = "series", most: int = 20_000
) -> Forecast:
    """A series as a `Forecast`: a recorded one of `tasks`, or an array of values.

    **Arguments:** `most`: how many samples are used, from the start.
    """
    if not isinstance(series, Tracking):
        return Forecast(name, np.asarray(series, np.float64)[:most], 1.0)
    stride = round(series.interval / series.dt)
    return Forecast(
        series.name,
        series.values[::stride][:most],
        series.interval,
        series.unit,
        series.time_unit,
        series.source,
    )


def _weighted(sample: Sample, weight: np.ndarray) -> Sample:
    return Sample(
        sample.input,
        sample.target,
        weight,
        sample.input_rate,
        sample.target_rate,
        sample.input_acceleration,
        sample.target_acceleration,
    )
