"""Any optimizer of optax as the motion of the weights."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from ..action.cost import as_number
from .base import AbstractUpdate


class Optax(AbstractUpdate):
    """An optimizer of optax, by its factory and its numbers.

        w <- w + update(g)

    The numbers are leaves of the law, and the optimizer is built inside the compiled
    step: another learning rate, or a law made anew, compiles nothing.

    **Arguments:** `factory`: such as `optax.adam`; the rest goes to it: floats as
    leaves, everything else (functions, flags, integers) as what the program is
    compiled for.

    **Example:**

        >>> import hamlearn as hl, optax
        >>> law = hl.RTRL(update=hl.updates.Optax(optax.adam, learning_rate=1e-3))
    """

    factory: Callable[..., optax.GradientTransformation] = eqx.field(static=True)
    numbers: dict[str, Any]
    settings: tuple[tuple[str, Any], ...] = eqx.field(static=True)

    def __init__(self, factory: Callable[..., Any], **options: Any):
        if not callable(factory):
            wanted = "a factory such as `optax.sgd`"
            _checks.reject("factory", wanted, factory)
        known = inspect.signature(factory).parameters
        for name in options:
            if name not in known:
                wanted = f"one of {', '.join(known)}"
                _checks.reject(f"argument of {factory.__name__}", wanted, repr(name))
        # Tracers have a `__jax_array__` of None, which `is_inexact_array_like` calls.
        is_number = lambda v: isinstance(v, float) or eqx.is_inexact_array(v)
        self.factory = factory
        numbers = {k: v for k, v in options.items() if is_number(v)}
        self.numbers = {name: as_number(value) for name, value in numbers.items()}
        self.settings = tuple((k, v) for k, v in options.items() if k not in numbers)

    def start(self, w):
        return self._made(w).init(w)

    def step(self, g, w, memory, dt, loss=None):
        return descend(self._made(w), g, w, memory, loss)

    def _made(self, w):
        dtype = jnp.result_type(*(jax.tree.leaves(w) or [float]))  # nothing may learn
        numbers = {name: leaf.astype(dtype) for name, leaf in self.numbers.items()}
        return self.factory(**numbers, **dict(self.settings))


class Ready(AbstractUpdate):
    """An optimizer of optax as it is, such as `optax.chain(...)`.

    Its numbers are part of the compiled program: one made anew compiles again. Give
    an `Optax` where they change.
    """

    transformation: optax.GradientTransformation = eqx.field(static=True)

    def __check_init__(self):
        kind = optax.GradientTransformation
        _checks.instance("transformation", self.transformation, kind)

    def start(self, w):
        return self.transformation.init(w)

    def step(self, g, w, memory, dt, loss=None):
        return descend(self.transformation, g, w, memory, loss)


def descend(transformation, g, w, memory, loss):
    """(w, memory) after one update of an optax optimizer."""
    extra = {}
    if isinstance(transformation, optax.GradientTransformationExtraArgs):
        extra = {} if loss is None else {"value": loss}
    # optax mixes its counters with floats, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        try:
            change, memory = transformation.update(g, memory, w, **extra)
        except TypeError as error:
            if "required keyword-only argument" not in str(error):
                raise
            wanted = "an optimizer that needs the gradient and the loss at most"
            asked = str(error).split(": ")[-1]
            _checks.reject("update", wanted, f"one that also asks for {asked}")
    moved = jax.tree.map(lambda w, d: (w + d).astype(w.dtype), w, change)
    return moved, memory


def as_update(update: Any) -> AbstractUpdate:
    """`update`, an optimizer of optax wrapped; SGD at a rate of 0.01 for None.

    **Raises:** `ValueError` for anything else.
    """
    if update is None:
        return Optax(optax.sgd, learning_rate=0.01)
    if isinstance(update, AbstractUpdate):
        return update
    if isinstance(update, optax.MultiSteps):
        update = update.gradient_transformation()
    if not isinstance(update, optax.GradientTransformation):
        wanted = "an update of `hl.updates` or an optimizer of optax"
        _checks.reject("update", wanted, update)
    return Ready(update)
