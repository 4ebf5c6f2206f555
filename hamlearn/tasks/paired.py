"""Any stream of inputs and answers: numbers to be met, or classes to be told."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import numpy as np

from .. import _checks
from .._types import Array, Float, Loss, Values
from ..action.cost import cross_entropy, squared_error
from ..signals.signal import Sample
from ._units import Units
from .floors import floors_of
from .task import AbstractTask, Facts, Metric, accuracy, part


class Paired(AbstractTask):
    """Your own inputs and answers, time first.

    Target k is asked once the inputs up to k have been heard.

    **Arguments:**

    - `input`: shape (time,) or (time, inputs).
    - `target`: numbers of shape (time,) or (time, outputs), for `squared_error`; or
      integer labels 0, 1, ... of shape (time,), which become one-hot, for
      `cross_entropy` and `accuracy`.
    - `classes`: how many labels there are, by default the largest and one more.
    - `loss`, `metric`: others than these. With a loss given that is not
      `cross_entropy`, integers are numbers.
    - `weight`: shape (time,), 0 where nothing is asked, by default 1.
    - `known`: losses of further predictors, by name.
    - `strictly_causal`: whether target k needs only the inputs before k.
    - `units`: of all columns, where they are not those of a recording.
    - `name`, `source`: for tables and files.

    **Raises:** `ValueError` naming the argument: shapes, lengths below 64, values that
    are not finite, labels out of range, shares that do not sum to one.

    **Example:** the sign of a product of the last two inputs, as a number and a class.

        >>> import hamlearn as hl, numpy as np
        >>> u = np.sign(np.random.default_rng(0).normal(size=2000))
        >>> y = u * np.concatenate([u[:1], u[:-1]])
        >>> print(f"{hl.tasks.Paired('product', u, y).floors()['linear']:.2f}")
        0.50
        >>> task = hl.tasks.Paired("product", u, (y > 0).astype(int))
        >>> task.outputs, task.metric_name, round(task.floors()["linear"], 1)
        (2, 'accuracy', 0.7)
    """

    _facts: Facts = eqx.field(static=True)
    input: Float[np.ndarray, "time inputs"]
    target: Float[np.ndarray, "time outputs"]
    weight: Float[np.ndarray, "time"] | None
    known: dict[str, float]
    units: Units | None = eqx.field(static=True)

    def __init__(
        self,
        name: str,
        input: Values,
        target: Values,
        *,
        classes: int | None = None,
        loss: Loss | None = None,
        metric: Metric | None = None,
        weight: Values | None = None,
        known: Mapping[str, float] | None = None,
        strictly_causal: bool = False,
        units: Units | None = None,
        source: str = "",
    ):
        _checks.instance("name", name, str)
        _checks.functions({"loss": loss, "metric": metric}, "output and target")
        if known is not None:
            _checks.instance("known", known, Mapping)
        if classes is not None:
            _checks.at_least("classes", classes, 1)
        target, labels = _checks.real("target", target), False
        if loss in (None, cross_entropy):
            target, labels = _classes(target, classes)
        if not labels and classes is not None:
            got = f"of shape {target.shape} and dtype {target.dtype}"
            _checks.reject("target", "integer labels where `classes` is given", got)
        if loss is None:
            loss = cross_entropy if labels else squared_error
        if metric is None and loss is cross_entropy:
            metric = accuracy
        self.input, self.target = _columns("input", input), _columns("target", target)
        _checks.at_least("len(target)", len(self.target), 64)
        _checks.shape("target", self.target, (len(self.input), "outputs"))
        if loss is cross_entropy:
            _check_shares(self.target)
        self.weight = None
        if weight is not None:
            _checks.shape("weight", weight, (len(self.target),))
            _checks.non_negative("weight", weight)
            self.weight = np.asarray(weight, float)
        inputs, outputs = self.input.shape[1], self.target.shape[1]
        self._facts = Facts(
            name,
            inputs,
            outputs,
            length=len(self.target),
            loss=loss,
            metric=metric,
            strictly_causal=strictly_causal,
            about=f"{'a class of' if labels else 'answers:'} {outputs} from {inputs} "
            "inputs per sample",
            source=source,
        )
        self.known, self.units = dict(known or {}), units

    @property
    def facts(self) -> Facts:
        """Sizes, loss and metric, as given or as the targets say."""
        return self._facts

    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """In their order, by default all; the key draws nothing."""
        return part(Sample(self.input, self.target, self.weight), steps, test=test)

    def unscaled(
        self, outputs: Float[np.ndarray, "time outputs"]
    ) -> Float[np.ndarray, "time outputs"]:
        """What a network has said, in the units of a recording; classes as they are."""
        if self.units is None or self.loss is cross_entropy:
            return outputs
        return self.units.last(self.outputs).unscaled(outputs)

    def floors(self) -> dict[str, float]:
        """Losses over the second half, of `floors_of` and those `known`."""
        return floors_of(self.samples(), loss=self.loss) | self.known


def _classes(target: np.ndarray, classes: int | None) -> tuple[np.ndarray, bool]:
    """(one-hot rows, True) where `target` are labels, else (`target`, False)."""
    if target.ndim == 1 and target.dtype.kind in "iub":
        return one_hot(target, classes), True
    return target, False


def _check_shares(target: np.ndarray) -> None:
    """Every row sums to one."""
    off = np.abs(target.sum(axis=1) - 1)
    if np.any(off > 1e-6):
        k = int(np.argmax(off))
        got = f"a sum of {target[k].sum():g} at index {k}"
        _checks.reject("target", "labels, or shares that sum to one", got)


def one_hot(
    labels: np.ndarray, classes: int | None = None
) -> Float[np.ndarray, "time classes"]:
    """Integer labels 0, 1, ... as rows with a single 1."""
    labels = labels.astype(int)
    _checks.shape("target", labels, ("time",))
    most = int(labels.max(initial=0)) + 1
    classes = max(most, 2) if classes is None else classes
    _checks.at_least("classes", classes, most)
    if labels.size and labels.min() < 0:
        k = int(np.argmin(labels))
        _checks.reject("target", "labels from 0", f"{labels[k]} at index {k}")
    return np.eye(classes)[labels]


def _columns(name: str, values: Any) -> Float[np.ndarray, "time channels"]:
    """Numbers with time first, a single channel as a column."""
    values = _checks.real(name, values).astype(float)
    values = values[:, None] if values.ndim == 1 else values
    _checks.shape(name, values, ("time", f"{name}s"))
    _checks.finite(name, values)
    return values
