"""Recorded series as streams to forecast, one sample ahead."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _checks
from ._tracking import Tracking
from .paired import AbstractPaired, half_floors


@dataclass(frozen=True)
class Forecast(AbstractPaired):
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
    def scale(self) -> float:
        """The unit of the targets: standard deviation of a change in the first half."""
        return float(np.diff(self.values[: len(self.values) // 2]).std())

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """All (u_k, y_k)."""
        known = self.values[: len(self.values) // 2]
        z = (self.values - known.mean()) / known.std()
        d = np.diff(self.values) / self.scale
        return np.stack([z[1:], d], axis=1)[:-1], d[1:, None]

    def describe(self) -> str:
        """What is asked, in a line."""
        return f"one sample ahead, every {self.interval:.4g} {self.time_unit}"

    def floors(self) -> dict[str, float]:
        """Half the squared error, over the second half, of predictors without a net.

        `last`: no change; `mean`: the mean change of that half; `linear`: least
        squares on the last four values, fitted on the first half.
        """
        _, y = self.pairs()
        length = len(y) // 2
        past = np.concatenate([np.zeros((1, 1)), y[:-1]])
        last = float(np.mean(y[length : 2 * length] ** 2) / 2)
        return {"last": last} | half_floors(past, y)


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
