"""Forecast quality of the laws at equal samples and at equal seconds."""

import dataclasses
from typing import Any

import numpy as np

import hamlearn as hl
from hamlearn.tasks.lorenz import lorenz_path
from hamlearn.tasks.mackey_glass import mackey_glass


def series() -> dict[str, hl.tasks.Forecast]:
    """A recorded stream, and two that are made: with a lag, and with jumps of side."""
    chaos = np.asarray(mackey_glass(8000).input)[:, 0]
    storm = lorenz_path(8000, 0.05)[:, 0]
    return {
        "heartbeat": hl.tasks.forecast(hl.tasks.heartbeat(seconds=40, dt=1 / 360)),
        "mackey-glass": hl.tasks.forecast(chaos, name="mackey-glass"),
        "lorenz": hl.tasks.forecast(storm, name="lorenz"),
    }


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


def _row(task: hl.tasks.Forecast, found: hl.Comparison, neurons: int) -> dict[str, Any]:
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
