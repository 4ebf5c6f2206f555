"""What a task is: samples to learn from, what is asked of them, what must be beaten."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float, Loss, Numbers, Scalar
from ..action.cost import squared_error
from ..signals.signal import Sample

Metric: TypeAlias = Loss


def accuracy(
    output: Float[Array, "outputs"], target: Float[Array, "outputs"]
) -> Scalar:
    """1 where output and target are largest at the same entry, else 0."""
    same = jnp.argmax(output) == jnp.argmax(target)
    return same.astype(jnp.result_type(output))


@dataclass(frozen=True)
class Facts:
    """What is known of a task before a sample of it is drawn.

    **Attributes:**

    - `name`: short, fit for a file name; `about`: what is asked, in a line; `source`.
    - `inputs`, `outputs`: numbers heard and answered per sample.
    - `length`: how many samples there are to learn from; of an endless stream, how
      many are drawn where the number is not given.
    - `loss`: of (output, target), what an answer costs; `metric`: what is reported
      beside it, or None.
    - `strictly_causal`: whether an answer depends only on inputs before its own
      sample, so that a network whose input acts one step later can be right.
    """

    name: str
    inputs: int
    outputs: int
    length: int = 10_000
    loss: Loss = squared_error
    metric: Metric | None = None
    strictly_causal: bool = False
    about: str = ""
    source: str = ""


class AbstractTask(eqx.Module):
    """A stream of samples with answers, and what predictors without a network reach.

    A task of your own names its `facts` and gives `samples` and `floors`:

        >>> import hamlearn as hl, jax
        >>> class Echo(hl.tasks.AbstractTask):
        ...     "The input of the sample before."
        ...     @property
        ...     def facts(self):
        ...         return hl.tasks.Facts("echo", inputs=1, outputs=1)
        ...     def samples(self, key=None, steps=None, *, test=False):
        ...         key, steps = hl.tasks.drawn(self, key, steps, test=test)
        ...         u = jax.random.normal(key, (steps + 1, 1))
        ...         return hl.Sample(u[1:], u[:-1])
        ...     def floors(self):
        ...         return hl.tasks.floors_of(self.samples())
        >>> sorted(Echo().floors())
        ['constant', 'last', 'linear']
    """

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """What is known of it before a sample is drawn."""

    @abstractmethod
    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """A stream to learn from, or a fresh one to be tested on with held weights.

        Target k is to be answered once the inputs up to k have been heard.

        **Arguments:** `key`: of what is drawn, by default `jax.random.key(0)`;
        `steps`: how many samples, by default `length`; `test`: samples of which none
        is among those that the same `key` and `steps` give without it. A recording
        tests on what follows its first `steps`.

        **Returns:** a `Sample` with time as leading axis; its `weight` says which
        answers are asked.
        """

    @abstractmethod
    def floors(self) -> dict[str, float]:
        """Mean losses of predictors without a network, by name, in units of `loss`.

        `constant`: the best constant answer, always there; `last`: repeating the last
        answer; `linear`: fitted to the last four inputs; others by what they know.
        """

    @property
    def name(self) -> str:
        """Short, fit for a file name."""
        return self.facts.name

    @property
    def source(self) -> str:
        """Where the data come from; empty where they are made here."""
        return self.facts.source

    @property
    def inputs(self) -> int:
        """How many numbers are heard per sample."""
        return self.facts.inputs

    @property
    def outputs(self) -> int:
        """How many numbers are asked per sample."""
        return self.facts.outputs

    @property
    def length(self) -> int:
        """How many samples there are, or are drawn where the number is not given."""
        return self.facts.length

    @property
    def loss(self) -> Loss:
        """What an answer costs, for `hl.Cost(loss=task.loss)`."""
        return self.facts.loss

    @property
    def metric(self) -> Metric | None:
        """What is reported beside the loss, such as `accuracy`."""
        return self.facts.metric

    @property
    def strictly_causal(self) -> bool:
        """Whether an answer depends only on inputs before its own sample."""
        return self.facts.strictly_causal

    @property
    def metric_name(self) -> str | None:
        """The metric in a word."""
        return None if self.metric is None else self.metric.__name__

    def describe(self) -> str:
        """What is asked, in a line."""
        return self.facts.about

    def score(self, output: Numbers, samples: Sample) -> dict[str, float]:
        """Mean `loss` of answers, and the metric by its name, over what is asked.

        **Arguments:** `output`: shape (time, ..., outputs), as of a run over
        `samples`.
        """
        target, weight = np.asarray(samples.target), samples.weight
        found = {"loss": mean_score(self.loss, output, target, weight)}
        if self.metric is None:
            return found
        name = str(self.metric_name)
        return found | {name: mean_score(self.metric, output, target, weight)}


def mean_score(
    score: Metric, output: Numbers, target: Numbers, weight: Numbers = None
) -> float:
    """The weighted mean of score(output, target), in double precision.

    **Arguments:** `output`, `target`: shape (time, ..., outputs); `weight`: of shape
    (time,) or (time, ...), by default 1.
    """
    output, target = np.asarray(output, float), np.asarray(target, float)
    _checks.shape("output", output, target.shape)
    each = score
    for _ in target.shape[:-1]:
        each = jax.vmap(each)
    with jax.enable_x64(True):
        scores = np.asarray(each(output, target))
    weight = np.ones(len(scores)) if weight is None else np.asarray(weight, float)
    weight = weight.reshape(weight.shape + (1,) * (scores.ndim - weight.ndim))
    weight = np.broadcast_to(weight, scores.shape)
    return float(np.sum(weight * scores) / np.sum(weight))


def drawn(
    task: AbstractTask, key: Array | None, steps: int | None, *, test: bool
) -> tuple[Array, int]:
    """(key, number of samples) to draw a stream with: the defaults, other keys to test.

    For the `samples` of endless tasks.
    """
    steps = task.length if steps is None else steps
    _checks.at_least("steps", steps, 1)
    if key is not None:
        _checks.key("key", key)
    key = jax.random.key(0) if key is None else key
    return (jax.random.fold_in(key, 1) if test else key), steps


def generator(key: Array) -> np.random.Generator:
    """NumPy's random numbers from a key, the same whatever precision JAX is set to."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def part(samples: Sample, steps: int | None, *, test: bool) -> Sample:
    """The first `steps` samples of a recording, or, to test on, those that follow."""
    length = len(samples.target)
    if test and steps is None:
        wanted = f"given with `test` (tests begin after it), at most {length - 1}"
        _checks.reject("steps", wanted, None)
    steps = length if steps is None else steps
    _checks.at_least("steps", steps, 1)
    if steps > length - test:
        _checks.reject("steps", f"at most {length - test}", steps)
    chosen = slice(steps, None) if test else slice(0, steps)
    return jax.tree.map(lambda leaf: leaf[chosen], samples)
