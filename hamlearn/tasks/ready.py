"""Ready-made tasks: signals to track, and what `hamlearn compare` knows by name."""

from collections.abc import Callable
from importlib.resources import files

import numpy as np

from .. import _checks
from .conditioning import TraceConditioning
from .forecast import Forecast
from .lorenz import Lorenz
from .mackey_glass import MackeyGlass
from .memory import DelayedCue, Flag, MatchToSample
from .sequences import Add
from .task import AbstractTask
from .teacher import TeacherStudent
from .tracking import Tracking, recorded

RATE = 360  # recorded samples of the electrocardiogram per second


def sine(
    *, duration: float = 60.0, dt: float = 1e-3, interval: float | None = None
) -> Tracking:
    """0.5 sin t, of RMS 0.354.

    **Arguments:** `interval`: between samples that are held, as those of a recording,
    which `hl.track` needs; by default dt, so that nothing is held.
    """
    times, steps = _grid(duration, dt, interval)
    return _made("sine", 0.5 * np.sin(times), dt, steps, "0.5 sin t")


def patched(
    *,
    duration: float = 60.0,
    dt: float = 1e-3,
    interval: float | None = None,
    seed: int = 3,
) -> Tracking:
    """Patches of 1 to 4 time units: constants in +-0.6, or A cos(om t + phase).

    A in [0.2, 0.6], om in [0.5, 2.5]; the patches join with jumps. `interval` as that
    of `sine`.
    """
    times, steps = _grid(duration, dt, interval)
    _checks.at_least("seed", seed, 0)
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
    return _made("patched", values, dt, steps, f"patches drawn with seed {seed}")


def heartbeat(*, seconds: float = 20.0, dt: float | None = None) -> Tracking:
    """A real electrocardiogram: up to 60 s of one lead at 360 Hz, in millivolt.

    `Forecast(heartbeat(seconds=60), ahead=20, changes=False)` predicts it: one
    recorded sample ahead four past values leave .002 of the variance, 20 samples
    (55 ms) ahead a third of it, and what helps is to know where in the beat one is.

    Record 208 of the MIT-BIH Arrhythmia Database (lead MLII, from 19:35), with normal
    and ectopic beats. Moody & Mark, IEEE Eng. in Med. and Biol. 20(3):45-50, 2001;
    Goldberger et al., Circulation 101(23):e215-e220, 2000 (PhysioNet). Open Data
    Commons Attribution License v1.0.
    """
    _checks.positive("seconds", seconds)
    if not 0 < seconds <= 60:
        _checks.reject("seconds", "between 0 and 60", seconds)
    path = files("hamlearn") / "data" / "heartbeat.npz"
    with path.open("rb") as file, np.load(file) as data:
        millivolt = (data["counts"][: round(seconds * RATE)] - 1024) / 200
    return recorded(
        "heartbeat",
        np.arange(millivolt.size) / RATE,
        millivolt,
        dt=dt,
        unit="mV",
        time_unit="s",
        source="MIT-BIH Arrhythmia Database, record 208 (PhysioNet, ODC-By 1.0)",
    )


def comparable() -> dict[str, Callable[[], AbstractTask]]:
    """What `hamlearn compare --task` knows by name.

    Forecasts one sample ahead of a recorded electrocardiogram (`heartbeat`), of a
    chaotic series with a lag (`mackey-glass`) and of one with jumps of side
    (`lorenz`); a recurrent network to mimic (`teacher`), or slow layers (`chain`); bits
    to remember for four and six samples (`add`), one of two symbols for eight among
    distractors (`cue`), a value that a flag announced three samples before
    (`flag`);
    whether two symbols eight samples apart are the same (`match`); when an outcome
    comes that was announced some forty samples before (`trace`).
    """
    return {
        "heartbeat": lambda: Forecast(heartbeat(seconds=40, dt=1 / RATE)),
        "mackey-glass": lambda: Forecast(
            MackeyGlass().series(steps=8000), name="mackey-glass"
        ),
        "lorenz": lambda: Forecast(Lorenz(0.05).path(steps=8000)[:, 0], name="lorenz"),
        "teacher": lambda: TeacherStudent(dt=0.5),
        "chain": lambda: TeacherStudent(2, 24, 4, depth=3, gain=2.0, dt=0.1),
        "add": lambda: Add((4, 6)),
        "cue": lambda: DelayedCue(8, probability=1.0),
        "flag": lambda: Flag(8, 3, 0),
        "match": lambda: MatchToSample(8),
        "trace": TraceConditioning,
    }


def _grid(duration: float, dt: float, interval: float | None) -> tuple[np.ndarray, int]:
    """(when the value of each step was taken, for how many steps it is held)."""
    _checks.positive("dt", dt)
    _checks.positive("duration", duration)
    for name, value in (("dt", dt), ("duration", duration)):
        _checks.shape(name, value, ())
    if duration < 12 * dt:
        _checks.reject("duration", f"at least 12 steps of `dt` = {dt}", duration)
    _checks.affordable("dt", "a step for whose grid there is room", 32 * duration / dt)
    steps = 1
    if interval is not None:
        _checks.positive("interval", interval)
        steps = round(interval / dt)
        if steps < 1 or abs(steps * dt - interval) > 1e-6 * interval:
            _checks.reject("interval", f"a multiple of `dt` = {dt}", interval)
    return np.arange(round(duration / dt)) // steps * steps * dt, steps


def _made(
    name: str, values: np.ndarray, dt: float, steps: int, source: str
) -> Tracking:
    last = np.concatenate([values[:steps], values[:-steps]])
    return Tracking(name, values, last, dt=dt, interval=steps * dt, source=source)
