"""What networks have said, in the unit of the series, as columns of a file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .._types import Float
from ..tasks import AbstractTask, Forecast, Paired


def predictions(
    task: AbstractTask,
    answers: Mapping[str, Float[np.ndarray, "time outputs"]],
    target: Float[np.ndarray, "time outputs"],
    *,
    weight: Float[np.ndarray, "time"] | None = None,
    first: int = 0,
) -> dict[str, np.ndarray]:
    """Columns by name: `sample`, `recorded` and one by who answered, such as a law.

    Several outputs are several columns, `rtrl 1`, `rtrl 2`. `recorded` is NaN where
    nothing is asked. What the task knows the unit of is in that unit.

    **Arguments:** `answers`, `target`, `weight`: of the samples from number `first`.
    """
    if isinstance(task, Forecast):
        found = {name: task.foretold(said, first) for name, said in answers.items()}
        one = next(iter(found.values()))
        return {
            "sample": one["sample"],
            "recorded": one["recorded"],
            **{name: columns["foretold"] for name, columns in found.items()},
        }
    asked = np.ones(len(target), bool) if weight is None else weight > 0
    recorded = np.where(asked[:, None], target, np.nan)
    columns = {"sample": first + np.arange(len(target))}
    for name, values in {"recorded": recorded, **answers}.items():
        values = np.asarray(values, np.float64)
        if isinstance(task, Paired):
            values = task.unscaled(values)
        several = values.shape[1] > 1
        for k, column in enumerate(values.T, 1):
            columns[f"{name} {k}" if several else name] = column
    return columns


def write_csv(path: Path, columns: Mapping[str, np.ndarray]) -> Path:
    """Write columns as text, which `hl.tasks.read` reads; NaN is an empty cell."""
    cell = lambda value: f"{value:.9g}" if np.isfinite(value) else ""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(cell, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path
