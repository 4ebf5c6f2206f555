"""Quality of the laws at equal samples and at equal seconds."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

import hamlearn as hl
from hamlearn.jobs.comparison import Comparison
from hamlearn.jobs.contenders import contenders

#: By their names in `hamlearn compare`.
TASKS = ("heartbeat", "mackey-glass", "lorenz", "teacher", "add", "cue")


def measure(
    names: list[str], *, neurons: int, seeds: int, tasks: Sequence[str], say: Any
):
    """A row for each task and law, with its floors and its curve."""
    known, rows = contenders(), []
    for task in (hl.tasks.comparable()[name]() for name in tasks):
        for name in (name for name in names if name in known):
            found = hl.compare(
                task, {name: known[name]}, neurons=neurons, seeds=seeds, progress=False
            )
            rows.append(_row(task, found, neurons))
            say(rows[-1])
    return rows


def _row(task: Any, found: Comparison, neurons: int) -> dict[str, Any]:
    entry = found.entries[0]
    data = dataclasses.asdict(entry)
    curve = np.asarray(data.pop("curve"))
    shown = np.median(curve, axis=0).tolist() if len(curve) else []
    finite = lambda v: v if np.isfinite(v) else None
    return {
        "task": task.name,
        "samples": found.scored_on,
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
