"""Quality of the laws at equal samples and at equal seconds."""

import dataclasses
from typing import Any

import jax
import numpy as np

import hamlearn as hl
from hamlearn.tasks.lorenz import lorenz_path
from hamlearn.tasks.mackey_glass import mackey_glass


def series() -> dict[str, hl.tasks.AbstractPaired]:
    """Forecasts of a recorded stream and of two that are made, with a lag and with
    jumps of side; then a network to mimic, and bits to remember over six samples."""
    chaos = np.asarray(mackey_glass(8000).input)[:, 0]
    storm = lorenz_path(8000, 0.05)[:, 0]
    return {
        "heartbeat": hl.tasks.forecast(hl.tasks.heartbeat(seconds=40, dt=1 / 360)),
        "mackey-glass": hl.tasks.forecast(chaos, name="mackey-glass"),
        "lorenz": hl.tasks.forecast(storm, name="lorenz"),
        "teacher": _paired("teacher", hl.tasks.TeacherStudent(dt=0.5), 8000),
        "add": _paired("add", hl.tasks.Add((4, 6)), 20_000, _add_floors()),
    }


def _paired(name: str, task: Any, steps: int, known: Any = None) -> hl.tasks.Paired:
    """A task whose target at k depends on the inputs before k."""
    made = task(steps, key=jax.random.key(7))
    u, y = np.asarray(made.input)[:-1], np.asarray(made.target)[1:]
    return hl.tasks.Paired(name, u, y, known or {})


def _add_floors() -> dict[str, float]:
    """Half the squared error that is left by those who know neither bit, or one."""
    first, second = 1 / 16, 1 / 64  # variance of what each bit adds to either output
    return {"neither bit": first + second, "first bit": second, "second bit": first}


def measure(names: list[str], *, neurons: int, seeds: int, tasks: list[str], say: Any):
    """A row for each task and law, with its floors and its curve."""
    known, rows = hl.contenders(), []
    for task in (series()[name] for name in tasks):
        for name in (name for name in names if name in known):
            found = hl.compare(
                task, {name: known[name]}, neurons=neurons, seeds=seeds, progress=False
            )
            rows.append(_row(task, found, neurons))
            say(rows[-1])
    return rows


def _row(task: Any, found: hl.Comparison, neurons: int) -> dict[str, Any]:
    entry = found.entries[0]
    data = dataclasses.asdict(entry)
    curve = np.asarray(data.pop("curve"))
    shown = np.median(curve, axis=0).tolist() if len(curve) else []
    finite = lambda v: v if np.isfinite(v) else None
    return {
        "task": task.name,
        "samples": task.length,
        "neurons": neurons,
        "floors": found.floors,
        "loss": finite(entry.loss),
        **data,
        "losses": [finite(loss) for loss in entry.losses],
        "tuning": {str(k): finite(float(v)) for k, v in entry.tuning.items()},
        "cosine": finite(entry.cosine),
        "cosine_recurrent": finite(entry.cosine_recurrent),
        "median_curve": shown,
    }
