"""Signals to track online: a network's output shall follow the target as it comes."""

from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from .._types import Array, Bool, Float, Int, Values
from ..signals.signal import Sample
from ._spacing import spacing
from .floors import floors_of
from .task import AbstractTask, Facts, part


class Tracking(AbstractTask):
    """A target on an even grid of times, each value held until the next; no input.

    Ready ones are `sine`, `patched` and `heartbeat`; `recorded` and `from_csv` make one
    of your data. To track is to copy: the target is shown before it is asked for, and
    what counts is how soon within an interval the output is there.

    **Attributes:**

    - `values`: the target in its own unit, one per step of `dt`.
    - `last`: what repeating the last recorded value would say at each step: the value
      one recorded sample earlier.
    - `interval`: median time between recorded samples.
    - `starts`: the steps at which a recorded value arrives.
    - `asked`: steps at which the output is asked for: not those over a gap, where a
      value is held for longer than its interval.
    - `offset`, `scale`: the network sees (value - offset) scale, within +-0.5 for a
      recording.
    """

    _facts: Facts = eqx.field(static=True)
    values: Float[np.ndarray, "time"]
    last: Float[np.ndarray, "time"]
    dt: float
    interval: float
    starts: Int[np.ndarray, "recorded"]
    asked: Bool[np.ndarray, "time"]
    offset: float
    scale: float
    unit: str = eqx.field(static=True)
    time_unit: str = eqx.field(static=True)

    def __init__(
        self,
        name: str,
        values: np.ndarray,
        last: np.ndarray,
        *,
        dt: float,
        interval: float,
        starts: np.ndarray | None = None,
        asked: np.ndarray | None = None,
        offset: float = 0.0,
        scale: float = 1.0,
        unit: str = "",
        time_unit: str = "time units",
        source: str = "",
    ):
        for argument, array in (("values", values), ("last", last)):
            _checks.finite(argument, array)
        _checks.shape("values", values, ("time",))
        _checks.shape("last", last, np.shape(values))
        _checks.instance("name", name, str)
        for argument, value in (("dt", dt), ("interval", interval)):
            _checks.positive(argument, value)
            _checks.shape(argument, value, ())
        _checks.number("offset", offset)
        _checks.number("scale", scale)
        about = "the signal itself, as it comes"
        self._facts = Facts(name, 0, 1, len(values), about=about, source=source)
        self.values, self.last = values, last
        self.dt, self.interval = dt, interval
        even = np.arange(0, len(values), max(1, round(interval / dt)))
        self.starts = even if starts is None else _places(starts, len(values))
        self.asked = np.ones(len(values), bool)
        if asked is not None:
            _checks.shape("asked", asked, np.shape(values))
            self.asked = _checks.real("asked", asked, "truth value").astype(bool)
        self.offset, self.scale = offset, scale
        self.unit, self.time_unit = unit, time_unit

    @property
    def facts(self) -> Facts:
        """No input, one output, `squared_error`."""
        return self._facts

    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """The scaled target, without input, by default all; the key draws nothing.

        With a `weight` of 0 over gaps, where there are any.
        """
        scaled = (self.values - self.offset) * self.scale
        weight = None if self.asked.all() else self.asked.astype(float)
        whole = Sample(np.zeros((len(scaled), 0)), scaled[:, None], weight)
        return part(whole, steps, test=test)

    def floors(self) -> dict[str, float]:
        """`squared_error` losses of the scaled signal over its second half.

        `constant`; `last`: the last recorded value; `linear`: least squares on the
        last four recorded values, fitted on the first half; `zero`.
        """
        half = len(self.values) // 2
        asked = self.asked[half : 2 * half]
        values, last = (a[half : 2 * half][asked] for a in (self.values, self.last))
        loss = lambda guess: float(np.mean(((guess - values) * self.scale) ** 2) / 2)
        return {
            "constant": loss(values.mean()),
            "last": loss(last),
            "linear": floors_of(self._one_ahead())["linear"],
            "zero": loss(self.offset),
        }

    @property
    def steps(self) -> float:
        """How many steps of `dt` an interval has."""
        ratio = self.interval / self.dt
        whole = round(ratio)
        return float(whole) if abs(ratio - whole) < 1e-6 * ratio else ratio

    @property
    def held(self) -> int:
        """Samples that a value is held for over gaps, neither learned from nor
        scored."""
        return round(int(np.sum(~self.asked)) / self.steps)

    def recording(self) -> Float[np.ndarray, "recorded"]:
        """One value an interval, in the unit of the signal."""
        return self.values[:: max(1, round(self.interval / self.dt))]

    def _one_ahead(self) -> Sample:
        recorded = (self.recording()[:, None] - self.offset) * self.scale
        return Sample(recorded[:-1], recorded[1:])

    def unscaled(self, output: np.ndarray) -> np.ndarray:
        """An output of the network in the unit of the target."""
        return np.asarray(output, np.float64).reshape(-1) / self.scale + self.offset

    def errors(self, output: np.ndarray) -> dict[str, float]:
        """RMSE of a (perhaps shortened) output and of predictors that learn nothing.

        Over what was recorded of the last five sixths of the signal: `rmse`,
        `rmse_zero`, `rmse_mean` (the mean of the settled part), `rmse_last`. NaN where
        the output ends before.
        """
        settled = np.flatnonzero(self.asked[: len(output)])
        settled = settled[settled >= len(self.values) // 6]
        target = self.values[settled]
        if target.size == 0:
            names = ("rmse", "rmse_zero", "rmse_mean", "rmse_last")
            return dict.fromkeys(names, float("nan"))
        guesses = {
            "rmse": self.unscaled(output)[settled],
            "rmse_zero": 0.0,
            "rmse_mean": target.mean(),
            "rmse_last": self.last[settled],
        }
        rmse = lambda guess: float(np.sqrt(np.mean((guess - target) ** 2)))
        return {name: rmse(guess) for name, guess in guesses.items()}

    def ratios(self, output: np.ndarray, *, parts: int = 10) -> np.ndarray:
        """RMSE over that of repeating the last recorded value, in parts of the signal.

        Over gaps nothing counts. NaN where the last value is exact, and where the
        output ends before.
        """
        _checks.at_least("parts", parts, 1)
        said = np.full(len(self.values), np.nan)
        said[: len(output)] = self.unscaled(output)
        error = lambda guess: np.where(self.asked, guess - self.values, 0.0)
        squares = lambda guess: np.array(
            [np.sum(e**2) for e in np.array_split(error(guess), parts)]
        )
        mine, last = squares(said), squares(self.last)
        exact = last == 0
        return np.where(exact, np.nan, np.sqrt(mine / np.where(exact, 1.0, last)))


def _places(starts: Any, steps: int) -> Int[np.ndarray, "recorded"]:
    """Rising numbers of steps."""
    found = _checks.real("starts", starts)
    _checks.shape("starts", found, ("recorded",))
    whole = found.size and found.dtype.kind in "iu"
    rising = np.all(np.diff(found) > 0)
    if not (whole and rising and found[0] >= 0 and found[-1] < steps):
        wanted = f"rising whole numbers from 0 to {steps - 1}"
        _checks.reject("starts", wanted, _checks.shown(starts))
    return found


def recorded(
    name: str,
    times: Values,
    values: Values,
    *,
    dt: float | None = None,
    unit: str = "",
    time_unit: str = "time units",
    source: str = "",
) -> Tracking:
    """Recorded values, at even or uneven times, held until the next and scaled.

    Where the next one comes more than one and a half intervals later, a value is asked
    for during one interval; the rest is a gap.

    **Arguments:** `times`: rising; `values`: as many; `dt`: of the even grid to run
    on, by default the median interval over 40.

    **Raises:** `ValueError` for times that do not rise, values that are not finite,
    and fewer than two samples.
    """
    times, values = _recording(times, values)
    interval = float(np.median(np.diff(times)))
    dt = interval / 40 if dt is None else dt
    _checks.positive("dt", dt)
    _checks.shape("dt", dt, ())
    steps = np.ceil((times[-1] + interval - times[0]) / dt - 1e-9)
    _checks.affordable("dt", "a step for whose grid there is room", 64 * steps)
    count = int(steps)
    # Half a step of tolerance: a sample due at a grid time is not late by rounding.
    grid = times[0] + (np.arange(count) + 1e-6) * dt
    number = np.searchsorted(times, grid, side="right") - 1
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low) or 0 < high - low < 1e-300:
        wanted = "of a range whose inverse is a number"
        _checks.reject("values", wanted, f"from {low:g} to {high:g}")
    place = spacing(times)[1]
    counts = np.diff(place, append=place[-1] + 1)
    late = grid - times[number] >= interval * (1 - 1e-6)
    return Tracking(
        name,
        values[number],
        values[np.maximum(number - 1, 0)],
        dt=float(dt),
        interval=interval,
        starts=np.flatnonzero(np.diff(number, prepend=-1)),
        asked=~late | (counts[number] == 1),
        offset=(low + high) / 2,
        scale=1 / (high - low) if high > low else 1.0,
        unit=unit,
        time_unit=time_unit,
        source=source,
    )


def _recording(times: Any, values: Any) -> tuple[np.ndarray, np.ndarray]:
    """Times and values as they should be, or an error that says what is not."""
    times, values = _checks.real("times", times), _checks.real("values", values)
    times, values = times.astype(np.float64), values.astype(np.float64)
    _checks.shape("values", values, ("time",))
    _checks.shape("times", times, values.shape)
    if values.size < 2:
        _checks.reject("values", "at least two samples", values.size)
    _checks.finite("times", times)
    _checks.finite("values", values)
    steps = np.diff(times)
    if np.any(steps <= 0):
        k = int(np.argmax(steps <= 0)) + 1
        got = f"{times[k]:g} after {times[k - 1]:g} at sample {k}"
        _checks.reject("times", "rising", got)
    return times, values
