"""Streams of inputs and answers in two halves: one to tune on, one to be scored on."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np

from .. import _checks
from ..signals.mollify import mollify
from ..signals.signal import Sample
from .floors import autoregression, constant


class AbstractPaired(ABC):
    """Pairs (u_k, y_k), where y_k is asked once u_0 ... u_k have been heard."""

    name: str
    source: str

    @abstractmethod
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """All u and all y, time first."""

    @abstractmethod
    def floors(self) -> dict[str, float]:
        """Half the squared error, over the second half, of predictors without a
        network: `mean` and `linear`, and more."""

    @abstractmethod
    def describe(self) -> str:
        """What is asked, in a line."""

    @property
    def inputs(self) -> int:
        """How many numbers are heard a sample."""
        return self.pairs()[0].shape[1]

    @property
    def outputs(self) -> int:
        """How many numbers are asked a sample."""
        return self.pairs()[1].shape[1]

    @property
    def length(self) -> int:
        """How many answers there are in one half."""
        return len(self.pairs()[1]) // 2

    def half(self, second: bool, *, immediate: bool, steps: int = 1) -> Sample:
        """One half of the stream as samples.

        **Arguments:** `immediate`: whether the output of a step knows the input of
        that step. Where it acts one step later it is shown one step earlier, so that
        every network has heard the same at each answer; `steps`: of the network a
        sample. With four or more the input goes over smoothly in the first quarter
        of the sample, is then held, and the last step alone is asked and taught
        (`weight`).
        """
        u, y = self.pairs()
        u = np.concatenate([u, u[-1:]])  # the last step hears, and is not asked again
        length = len(y) // 2
        start = length if second else 0
        ahead = start if immediate or steps > 1 else start + 1
        heard, target = u[ahead : ahead + length], y[start : start + length]
        if steps == 1:
            return Sample(heard, target)
        _checks.at_least("steps", steps, 4)
        made = mollify(heard, target, steps=steps, dt=1 / steps)
        asked = np.tile(np.arange(steps) == steps - 1, length)
        return replace(made, weight=asked.astype(heard.dtype))


@dataclass(frozen=True)
class Paired(AbstractPaired):
    """Any stream of inputs and answers, for `compare`.

    **Attributes:** `input` and `target`, time first: target k is asked once the inputs
    up to k have been heard; `known`: losses (half the squared error of an answer) of
    further predictors, by name.

    **Example:** the sign of a product of the last two inputs.

        >>> import hamlearn as hl, numpy as np
        >>> u = np.sign(np.random.default_rng(0).normal(size=(2000, 1)))
        >>> y = u * np.concatenate([u[:1], u[:-1]])
        >>> print(f"{hl.tasks.Paired('product', u, y).floors()['linear']:.2f}")
        0.50
    """

    name: str
    input: np.ndarray
    target: np.ndarray
    known: dict[str, float] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self):
        for name in ("input", "target"):
            _checks.shape(name, getattr(self, name), ("time", f"{name}s"))
            _checks.finite(name, getattr(self, name))
        _checks.at_least("len(target)", len(self.target), 64)
        _checks.shape("target", self.target, (len(self.input), "targets"))

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """All (u_k, y_k)."""
        return np.asarray(self.input, float), np.asarray(self.target, float)

    def floors(self) -> dict[str, float]:
        """Half the squared error, over the second half, of predictors without a net.

        `mean`: the mean answer of that half; `linear`: least squares on the last four
        inputs, fitted on the first half; and those `known`.
        """
        return half_floors(*self.pairs()) | self.known

    def describe(self) -> str:
        """What is asked, in a line."""
        return f"{self.outputs} answers from {self.inputs} inputs a sample"


def half_floors(u: np.ndarray, y: np.ndarray, taps: int = 4) -> dict[str, float]:
    """`mean` and `linear` on the second half of y.

    Before the stream begins the `taps` inputs of the linear predictor are zero.
    """
    length = len(y) // 2
    second = y[length : 2 * length]
    zeros_first = lambda a: np.concatenate(
        [np.zeros((taps - 1, a.shape[1])), a[: 2 * length]]
    )
    whole = Sample(zeros_first(u), zeros_first(y))
    return {
        "mean": constant(Sample(np.zeros((length, 0)), second)),
        "linear": autoregression(whole, taps=taps),
    }
