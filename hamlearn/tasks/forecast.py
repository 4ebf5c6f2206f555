"""Recorded series as streams to forecast."""

import equinox as eqx
import numpy as np

from .. import _checks
from .._types import Array, Bool, Float, Values
from ..signals.signal import Sample
from ._units import Units
from .floors import floors_of
from .recording import FrameLike, Recording, is_frame, read
from .task import AbstractTask, Facts, part
from .tracking import Tracking


class Forecast(AbstractTask):
    """What a recorded series will be some samples ahead.

        u_k = (z_k, d_k),   y_k = (x_{k+ahead} - x_k)/s     (changes)
        u_k = z_k,          y_k = z_{k+ahead}               (values)

    with z the series x and d its change since the sample before, all in units of their
    standard deviation over the first half of the series, so that inputs and targets
    know nothing of the second. Where changes are asked, an output of zero says "no
    change": what has to be beaten is the last value. Over gaps the last value is held
    as an input; what was not recorded is neither learned from nor scored.

    **Arguments:**

    - `series`: values, one per sample, evenly spaced; or a `Recording`, as `read` makes
      it, of which the first column is used, or a data frame that `read` takes as it is;
      or a signal to track, such as `heartbeat()`, of which the recorded samples are
      used.
    - `ahead`: how many samples to predict over.
    - `changes`: whether the change is asked, or the value.
    - `name`: of an array of values; `most`: how many are used, from the start.
    - `units`: of values, of changes and of what is asked, such as the `units` of the
      forecast that a network has learned; by default of the first half.
    """

    _facts: Facts = eqx.field(static=True)
    values: Float[np.ndarray, "time"]
    known: Bool[np.ndarray, "time"]
    ahead: int = eqx.field(static=True)
    changes: bool = eqx.field(static=True)
    units: Units = eqx.field(static=True)

    def __init__(
        self,
        series: Values | Recording | FrameLike | Tracking,
        *,
        ahead: int = 1,
        changes: bool = True,
        name: str = "series",
        most: int = 20_000,
        units: Units | None = None,
    ):
        _checks.at_least("ahead", ahead, 1)
        _checks.at_least("most", most, 1)
        about = "one sample ahead" if ahead == 1 else f"{ahead} samples ahead"
        source, known = "", None
        if is_frame(series):  # an index of times counts
            series = read(series)
        if isinstance(series, Tracking | Recording):
            name, source = series.name, series.source
        if isinstance(series, Tracking):
            about += f", every {series.interval:.4g} {series.time_unit}"
            known = series.asked[:: max(1, round(series.steps))]
            series = series.recording()
        elif isinstance(series, Recording):
            about += f", {series.pace}"
            source += f", column {series.columns[0] or 1}"
            values, recorded = series.even()
            series, known = values[:, 0], recorded[:, 0]
        _checks.instance("name", name, str)
        if units is not None:
            _checks.instance("units", units, Units)
        values = _checks.real("series", series)
        _checks.shape("series", values, ("time",))
        self.values = values[:most].astype(np.float64)
        _checks.at_least("len(values)", len(self.values), 64)
        _checks.finite("values", self.values)
        self.known = np.ones(len(self.values), bool) if known is None else known[:most]
        self.ahead, self.changes = ahead, changes
        length = len(self.values) - ahead - changes
        _check(self.values, self.known, length)
        inputs = 2 if changes else 1
        self.units = self._of_first_half() if units is None else units
        self._facts = Facts(name, inputs, 1, length, about=about, source=source)

    @property
    def facts(self) -> Facts:
        """One or two inputs, one output, `squared_error`."""
        return self._facts

    @property
    def scale(self) -> float:
        """The unit of the targets."""
        return self.units.one[-1]

    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """In the order of time, by default all; the key draws nothing."""
        x, ahead = self.values, self.ahead
        z = (x - self.units.zero[0]) / self.units.one[0]
        u, y = z[:-ahead, None], z[ahead:]
        asked = _both(self.known, ahead)
        if self.changes:
            d = np.diff(x) / self.units.one[1]
            u = np.stack([z[1:], d], axis=1)[:-ahead]
            y, asked = _steps(x, ahead)[1:] / self.scale, asked[1:]
        weight = None if asked.all() else asked.astype(float)
        return part(Sample(u, y[:, None], weight), steps, test=test)

    def foretold(
        self, outputs: Float[np.ndarray, "time 1"], first: int = 0
    ) -> dict[str, np.ndarray]:
        """What a network has said, in the unit of the series.

        **Arguments:** `outputs`: to samples from number `first` on.

        **Returns:** `sample`, the place in the series that is foretold; `recorded`, NaN
        where nothing was; `foretold`.
        """
        said = np.asarray(outputs, np.float64).reshape(-1)
        now = first + np.arange(len(said)) + self.changes
        then = now + self.ahead
        zero = self.values[now] if self.changes else self.units.zero[0]
        return {
            "sample": then,
            "recorded": np.where(self.known[then], self.values[then], np.nan),
            "foretold": zero + said * self.scale,
        }

    def _of_first_half(self) -> Units:
        half = len(self.values) // 2
        x, known = self.values[:half], self.known[:half]
        change = lambda far: float(_steps(x, far)[_both(known, far)].std())
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            mean, size = float(x[known].mean()), float(x[known].std())
            sizes = (size, size)
            if self.changes:
                sizes = (size, change(1), change(self.ahead))
        if not all(0 < one < np.inf for one in sizes):
            far = f" and of changes over 1 and {self.ahead} samples" * self.changes
            wanted = f"of a spread{far} that has a square above zero"
            got = f"one of spreads {', '.join(f'{one:g}' for one in sizes)}"
            _checks.reject("values", wanted, got)
        zero = (mean, 0.0, 0.0) if self.changes else (mean, mean)
        return Units(zero, sizes)

    def floors(self) -> dict[str, float]:
        """Half the squared error, over the second half, of predictors without a net.

        `constant`; `last`: the last value, no change; `linear`: least squares on the
        last four values, or changes, fitted on the first half.
        """
        samples = self.samples()
        if not self.changes:
            return floors_of(samples, ahead=self.ahead)
        # A level that drifts would mislead least squares in the second half.
        y, weight = samples.target, samples.weight
        found = floors_of(Sample(samples.input[:, 1:], y, weight))
        second = slice(len(y) // 2, len(y) // 2 * 2)
        counts = None if weight is None else weight[second]
        still = np.average(y[second, 0] ** 2, weights=counts) / 2
        return found | {"last": float(still)}


def _steps(x: np.ndarray, ahead: int) -> np.ndarray:
    """How much x changes over `ahead` samples."""
    return x[ahead:] - x[:-ahead]


def _both(known: np.ndarray, ahead: int) -> np.ndarray:
    """Whether a sample and the one `ahead` of it were recorded."""
    return known[ahead:] & known[:-ahead]


def _check(values: np.ndarray, known: np.ndarray, length: int) -> None:
    """There is enough of it, and it says more than a straight line."""
    _checks.at_least("len(values) - ahead", length, 64)
    half = len(values) // 2
    asked = _both(known[:half], 1)
    if asked.sum() < 16:
        wanted = "a series with recorded neighbours in its first half"
        _checks.reject("values", wanted, f"one with {int(asked.sum())}")
    x = values[:half][known[:half]]
    if np.ptp(x) == 0:
        _checks.reject("values", "changing in the first half", "constant there")
    steps = np.diff(values[:half])[asked]
    if np.ptp(steps) < 1e-9 * np.abs(x).max():
        wanted = (
            "other than a straight line in the first half: nothing is to be learned"
        )
        _checks.reject("values", wanted, "one there")
