"""One stream for every kind of network: each has heard the same at each answer."""

from dataclasses import replace

import jax
import numpy as np

from .. import _checks
from .._types import Array
from ..signals.mollify import mollify
from ..signals.signal import Sample
from .task import AbstractTask


def halves(
    task: AbstractTask, key: Array | None = None, *, most: int | None = None
) -> tuple[Sample, Sample]:
    """(a stream to tune on, a fresh one to be scored on), of half the length each.

    The second is shorter where a task holds less than that back.

    **Arguments:** `most`: how many samples both have together at most.
    """
    _checks.instance("task", task, AbstractTask)
    if most is not None:
        _checks.at_least("most", most, 2)
    length = task.length if most is None else min(task.length, most)
    steps = max(length // 2, 1)
    first, second = (task.samples(key, steps, test=test) for test in (False, True))
    return first, jax.tree.map(lambda leaf: leaf[:steps], second)


def shaped(
    samples: Sample, *, immediate: bool, steps: int = 1, strictly_causal: bool = False
) -> Sample:
    """`samples` as a network should get them, so that all kinds can be compared.

    Where the output of a step knows the input of that step, input k stands beside
    target k. Where it acts one step later it is shown one step earlier. Episodes run
    on into each other (`start` is left out).

    **Arguments:**

    - `immediate`: whether the output of a step knows the input of that step.
    - `steps`: of the network per sample. With four or more the input goes over
      smoothly in the first quarter of the sample, is then held, and the last step
      alone is asked and taught (`weight`).
    - `strictly_causal`: of the task: its answers need only the inputs before theirs,
      so that all inputs are shown one sample later.

    **Returns:** a `Sample` of `steps` times as many, as NumPy arrays.
    """
    u, y = np.asarray(samples.input), np.asarray(samples.target)
    weight = None if samples.weight is None else np.asarray(samples.weight)
    u = _shifted(u, int(strictly_causal) - int(not immediate and steps == 1))
    if steps == 1:
        return Sample(u, y, weight)
    _checks.at_least("steps", steps, 4)
    made = mollify(u, y, steps=steps, dt=1 / steps)
    asked = np.tile(np.arange(steps) == steps - 1, len(y)).astype(u.dtype)
    if weight is not None:
        asked = asked * np.repeat(weight, steps).astype(u.dtype)
    return replace(made, weight=asked)


def _shifted(u: np.ndarray, later: int) -> np.ndarray:
    """`u` a sample later, beginning with zeros, or earlier, its last one twice."""
    if later == 0:
        return u
    if later < 0:
        return np.concatenate([u[1:], u[-1:]])
    return np.concatenate([np.zeros_like(u[:1]), u[:-1]])
