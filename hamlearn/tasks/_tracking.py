"""Signals to track online: a network's output shall follow the target as it comes."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from .. import _checks
from ..signals.signal import Sample
from .floors import autoregression


@dataclass(frozen=True)
class Tracking:
    """A target on an even grid of times, each value held until the next.

    **Attributes:**

    - `values`: the target in its own unit, one a step of `dt`.
    - `last`: what predicting the last known value would say at each step: the value
      one recorded sample earlier.
    - `interval`: median time between recorded samples; for a made signal, dt.
    - `offset`, `scale`: the network sees (value - offset) scale, within +-0.8.
    """

    name: str
    values: np.ndarray
    last: np.ndarray
    dt: float
    interval: float
    offset: float
    scale: float
    unit: str
    time_unit: str
    source: str

    def samples(self) -> Sample:
        """The scaled target as samples for `stream`, without input."""
        scaled = (self.values - self.offset) * self.scale
        return Sample(np.zeros((len(scaled), 0)), scaled[:, None])

    def floors(self) -> dict[str, float]:
        """`squared_error` losses of the scaled signal, of predictors without a network.

        `zero`, `constant`, `persistence` (the last recorded value), and
        `autoregression`: least squares on the last four recorded values, fitted on the
        first half and judged on the second.
        """
        loss = lambda guess: float(np.mean(((guess - self.values) * self.scale) ** 2))
        return {
            "zero": loss(self.offset) / 2,
            "constant": loss(self.values.mean()) / 2,
            "persistence": loss(self.last) / 2,
            "autoregression": self._autoregression(),
        }

    def _autoregression(self) -> float:
        stride = max(1, round(self.interval / self.dt))
        recorded = (self.values[::stride, None] - self.offset) * self.scale
        return autoregression(Sample(recorded[:-1], recorded[1:]))

    def unscaled(self, output: np.ndarray) -> np.ndarray:
        """An output of the network in the unit of the target."""
        return np.asarray(output, np.float64).reshape(-1) / self.scale + self.offset

    def errors(self, output: np.ndarray) -> dict[str, float]:
        """RMSE of a (perhaps shortened) output and of predictors that learn nothing.

        Over the settled part, the last five sixths of the signal: `rmse`,
        `rmse_zero`, `rmse_mean` (the mean of the settled part), `rmse_last`. NaN where
        the output ends before.
        """
        settled = slice(len(self.values) // 6, len(output))
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


def sine(*, duration: float = 60.0, dt: float = 1e-3) -> Tracking:
    """0.5 sin t, of RMS 0.354."""
    times = _grid(duration, dt)
    return _made("sine", 0.5 * np.sin(times), dt, "0.5 sin t")


def patched(*, duration: float = 60.0, dt: float = 1e-3, seed: int = 3) -> Tracking:
    """Patches of 1 to 4 time units: constants in +-0.6, or A cos(om t + phase).

    A in [0.2, 0.6], om in [0.5, 2.5]; the patches join with jumps.
    """
    times = _grid(duration, dt)
    rng = np.random.default_rng(seed)
    values, start = np.zeros_like(times), 0.0
    while start < duration:
        length = rng.uniform(1, 4)
        inside = (times >= start) & (times < start + length)
        if rng.random() < 0.5:
            values[inside] = rng.uniform(-0.6, 0.6)
        else:
            amplitude, omega = rng.uniform(0.2, 0.6), rng.uniform(0.5, 2.5)
            phase = rng.uniform(0, 2 * np.pi)
            values[inside] = amplitude * np.cos(omega * times[inside] + phase)
        start += length
    return _made("patched", values, dt, f"patches drawn with seed {seed}")


def heartbeat(*, seconds: float = 20.0, dt: float | None = None) -> Tracking:
    """A real electrocardiogram: up to 60 s of one lead at 360 Hz, in millivolt.

    Record 208 of the MIT-BIH Arrhythmia Database (lead MLII, from 19:35), with normal
    and ectopic beats. Moody & Mark, IEEE Eng. in Med. and Biol. 20(3):45-50, 2001;
    Goldberger et al., Circulation 101(23):e215-e220, 2000 (PhysioNet). Open Data
    Commons Attribution License v1.0.
    """
    if not 0 < seconds <= 60:
        _checks.reject("seconds", "between 0 and 60", seconds)
    path = files("hamlearn") / "data" / "heartbeat.npz"
    with path.open("rb") as file, np.load(file) as data:
        millivolt = (data["counts"][: round(seconds * 360)] - 1024) / 200
    source = "MIT-BIH Arrhythmia Database, record 208 (PhysioNet, ODC-By 1.0)"
    return held(
        "heartbeat",
        np.arange(millivolt.size) / 360,
        millivolt,
        dt=dt,
        unit="mV",
        time_unit="s",
        source=source,
    )


def held(
    name: str,
    times: Any,
    values: Any,
    *,
    dt: float | None = None,
    unit: str = "",
    time_unit: str = "time units",
    source: str = "",
) -> Tracking:
    """Recorded values, at even or uneven times, held until the next and scaled.

    **Arguments:** `times`: rising; `values`: as many; `dt`: of the even grid to run
    on, by default the median interval over 40.

    **Raises:** `ValueError` for times that do not rise, values that are not finite,
    and fewer than two samples.
    """
    times, values = np.asarray(times, np.float64), np.asarray(values, np.float64)
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
    interval = float(np.median(steps))
    dt = interval / 40 if dt is None else dt
    _checks.positive("dt", dt)
    count = int(np.ceil((times[-1] + interval - times[0]) / dt - 1e-9))
    # Half a step of tolerance: a sample due at a grid time is not late by rounding.
    grid = times[0] + (np.arange(count) + 1e-6) * dt
    number = np.searchsorted(times, grid, side="right") - 1
    low, high = float(values.min()), float(values.max())
    return Tracking(
        name=name,
        values=values[number],
        last=values[np.maximum(number - 1, 0)],
        dt=float(dt),
        interval=interval,
        offset=(low + high) / 2,
        scale=1.6 / (high - low) if high > low else 1.0,
        unit=unit,
        time_unit=time_unit,
        source=source,
    )


def _grid(duration: float, dt: float) -> np.ndarray:
    _checks.positive("dt", dt)
    _checks.positive("duration", duration)
    if duration < 12 * dt:
        _checks.reject("duration", f"at least 12 steps of `dt` = {dt}", duration)
    return np.arange(round(duration / dt)) * dt


def _made(name: str, values: np.ndarray, dt: float, source: str) -> Tracking:
    last = np.concatenate([values[:1], values[:-1]])
    return Tracking(name, values, last, dt, dt, 0.0, 1.0, "", "time units", source)
