"""Recorded series as streams to forecast."""

from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from .._types import Array, Float
from ..signals.signal import Sample
from .floors import floors_of
from .task import AbstractTask, Facts, part
from .tracking import Tracking


class Forecast(AbstractTask):
    """What a recorded series will be some samples ahead.

        u_k = (z_k, d_k),   y_k = (x_{k+ahead} - x_k)/s     (changes)
        u_k = z_k,          y_k = z_{k+ahead}               (values)

    with z the series x and d its change since the sample before, all in units of their
    standard deviation over the first half of the series, so that inputs and targets
    know nothing of the second. Where changes are asked, an output of zero says "no
    change": what has to be beaten is the last value.

    **Arguments:**

    - `series`: values, one a sample, evenly spaced; or a signal to track, such as
      `heartbeat()` or `from_csv(path)`, of which the recorded samples are used.
    - `ahead`: how many samples to predict over.
    - `changes`: whether the change is asked, or the value.
    - `name`: of an array of values; `most`: how many are used, from the start.
    """

    _facts: Facts = eqx.field(static=True)
    values: Float[np.ndarray, "time"]
    ahead: int = eqx.field(static=True)
    changes: bool = eqx.field(static=True)

    def __init__(
        self,
        series: Any,
        *,
        ahead: int = 1,
        changes: bool = True,
        name: str = "series",
        most: int = 20_000,
    ):
        about = "one sample ahead" if ahead == 1 else f"{ahead} samples ahead"
        source = ""
        if isinstance(series, Tracking):
            about += f", every {series.interval:.4g} {series.time_unit}"
            name, source, series = series.name, series.source, series.recording()
        _checks.at_least("ahead", ahead, 1)
        _checks.at_least("most", most, 1)
        self.values = _checked_values(np.asarray(series, np.float64)[:most])
        self.ahead, self.changes = ahead, changes
        length = len(self.values) - ahead - changes
        _checks.at_least("len(values) - ahead", length, 64)
        inputs = 2 if changes else 1
        self._facts = Facts(name, inputs, 1, length, about=about, source=source)

    @property
    def facts(self) -> Facts:
        """One or two inputs, one output, `squared_error`."""
        return self._facts

    @property
    def scale(self) -> float:
        """The unit of the targets: a standard deviation, over the first half."""
        x = self.values[: len(self.values) // 2]
        return float((x[self.ahead :] - x[: -self.ahead] if self.changes else x).std())

    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """In the order of time, by default all; the key draws nothing."""
        x, known = self.values, self.values[: len(self.values) // 2]
        z, ahead = (x - known.mean()) / known.std(), self.ahead
        if not self.changes:
            return part(Sample(z[:-ahead, None], z[ahead:, None]), steps, test=test)
        d = np.diff(x) / np.diff(known).std()
        u = np.stack([z[1:], d], axis=1)[:-ahead]
        y = (x[1 + ahead :] - x[1:-ahead]) / self.scale
        return part(Sample(u, y[:, None]), steps, test=test)

    def floors(self) -> dict[str, float]:
        """Half the squared error, over the second half, of predictors without a net.

        `constant`; `last`: the last value, no change; `linear`: least squares on the
        last four values, or changes, fitted on the first half.
        """
        samples = self.samples()
        if not self.changes:
            return floors_of(samples, ahead=self.ahead)
        # A level that drifts would mislead least squares in the second half.
        y = samples.target
        found = floors_of(Sample(samples.input[:, 1:], y))
        still = float(np.mean(y[len(y) // 2 : len(y) // 2 * 2] ** 2) / 2)
        return found | {"last": still}


def _checked_values(values: np.ndarray) -> np.ndarray:
    _checks.shape("values", values, ("time",))
    _checks.at_least("len(values)", len(values), 64)
    _checks.finite("values", values)
    if np.ptp(values[: len(values) // 2]) == 0:
        _checks.reject("values", "changing in the first half", "constant there")
    return values
