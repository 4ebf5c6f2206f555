"""Tasks for `compare`, by name."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ._tracking import heartbeat
from .forecast import forecast
from .lorenz import lorenz_path
from .mackey_glass import mackey_glass
from .paired import AbstractPaired, Paired
from .sequences import Add
from .teacher import TeacherStudent


def comparable() -> dict[str, Callable[[], AbstractPaired]]:
    """What `hamlearn compare --task` knows by name.

    Forecasts one sample ahead of a recorded electrocardiogram (`heartbeat`), of a
    chaotic series with a lag (`mackey-glass`) and of one with jumps of side
    (`lorenz`); a recurrent network to mimic (`teacher`); bits to remember for four and
    six samples (`add`).
    """
    return {
        "heartbeat": lambda: forecast(heartbeat(seconds=40, dt=1 / 360)),
        "mackey-glass": lambda: forecast(
            np.asarray(mackey_glass(8000).input)[:, 0], name="mackey-glass"
        ),
        "lorenz": lambda: forecast(lorenz_path(8000, 0.05)[:, 0], name="lorenz"),
        "teacher": lambda: _heard_before("teacher", TeacherStudent(dt=0.5), 8000),
        "add": lambda: _heard_before("add", Add((4, 6)), 20_000, _bits()),
    }


def _heard_before(name: str, task: Any, steps: int, known: Any = None) -> Paired:
    """A task whose target at k depends on the inputs before k."""
    made = task(steps, key=jax.random.key(7))
    u, y = np.asarray(made.input)[:-1], np.asarray(made.target)[1:]
    return Paired(name, u, y, known or {})


def _bits() -> dict[str, float]:
    """Half the squared error that is left to those who know neither bit, or one."""
    first, second = 1 / 16, 1 / 64  # variance of what each bit adds to either output
    return {"neither bit": first + second, "first bit": second, "second bit": first}
