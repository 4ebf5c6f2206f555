"""Any optimizer of optax as the motion of the weights."""

import inspect
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer

from .. import _checks
from .._types import Array, Float
from ..action.cost import as_number
from .base import AbstractUpdate, UpdateLike


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
    numbers: dict[str, Float[Array, "..."]]
    settings: tuple[tuple[str, Any], ...] = eqx.field(static=True)

    def __init__(self, factory: Callable[..., Any], **options: Any):
        if not callable(factory):
            wanted = "a factory such as `optax.sgd`"
            _checks.reject("factory", wanted, factory)
        _check_options(factory, options)
        # Tracers have a `__jax_array__` of None, which `is_inexact_array_like` calls.
        is_number = lambda v: isinstance(v, float) or eqx.is_inexact_array(v)
        self.factory = factory
        numbers = {k: v for k, v in options.items() if is_number(v)}
        for name, value in numbers.items():
            if not isinstance(value, Tracer):
                _checks.within(name, np.asarray(value))
        self.numbers = {name: as_number(value) for name, value in numbers.items()}
        self.settings = tuple((k, v) for k, v in options.items() if k not in numbers)

    def start(self, w):
        return begun(self._made(w), w)

    def step(self, g, w, memory, dt, loss=None):
        return descend(self._made(w), g, w, memory, loss)

    def _made(self, w):
        dtype = jnp.result_type(*(jax.tree.leaves(w) or [float]))  # nothing may learn
        numbers = {name: leaf.astype(dtype) for name, leaf in self.numbers.items()}
        return optimizer("factory", self.factory(**numbers, **dict(self.settings)))


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
        return begun(self.transformation, w)

    def step(self, g, w, memory, dt, loss=None):
        return descend(self.transformation, g, w, memory, loss)


def begun(transformation, w):
    """What an optax optimizer remembers, at the start."""
    try:
        return transformation.init(w)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        _refuse(error)


def descend(transformation, g, w, memory, loss):
    """(w, memory) after one update of an optax optimizer."""
    heard = inspect.signature(transformation.update).parameters.values()
    asks = any(one.name == "value" or one.kind is one.VAR_KEYWORD for one in heard)
    extra = {"value": loss} if asks and loss is not None else {}
    # optax mixes its counters with floats, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        try:
            change, memory = transformation.update(g, memory, w, **extra)
        except (AttributeError, TypeError) as error:
            _refuse(error)
    moved = jax.tree.map(lambda w, d: (w + d).astype(w.dtype), w, change)
    return moved, memory


def _refuse(error: Exception) -> NoReturn:
    """An optimizer of optax that asks for more than it gets; the user's own fail as
    they do."""
    if "required keyword-only argument" in str(error):
        wanted = "an optimizer that needs the gradient and the loss at most"
        asked = str(error).split(": ")[-1]
        _checks.reject("update", wanted, f"one that also asks for {asked}")
    at = [
        f.f_globals.get("__name__", "")
        for f, _ in traceback.walk_tb(error.__traceback__)
    ]
    if [name for name in at if not name.startswith("jax.")][-1].startswith("optax."):
        wanted = "an optimizer of weights by name, and of nothing beside them"
        _checks.reject("update", wanted, f"one that cannot take them ({error})")
    raise error


def _check_options(factory: Callable[..., Any], options: dict[str, Any]) -> None:
    """**Raises:** `ValueError` for arguments that the factory has not, or lacks."""
    known = inspect.signature(factory).parameters
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    here = f"argument of {getattr(factory, '__name__', 'the factory')}"
    if all(one.kind is not several[1] for one in known.values()):
        for name in options.keys() - known.keys():
            _checks.reject(here, f"one of {', '.join(known)}", repr(name))
    for name, one in known.items():
        asked = one.default is one.empty and one.kind not in several
        if asked and name not in options:
            _checks.reject(here, f"given: `{name}`", "without it")


def optimizer(name: str, found: Any) -> optax.GradientTransformation:
    """An optimizer of optax; its wrappers by their transformation.

    **Raises:** `ValueError` for anything else.
    """
    if isinstance(found, optax.MultiSteps):
        found = found.gradient_transformation()
    if not isinstance(found, optax.GradientTransformation):
        wanted = "an update of `hl.updates` or an optimizer of optax"
        if name == "factory":
            wanted = "one that returns an optimizer of optax"
        _checks.reject(name, wanted, _checks.shown(found))
    return found


def as_update(update: UpdateLike | None) -> AbstractUpdate:
    """`update`, an optimizer of optax wrapped; SGD at a rate of 0.01 for None.

    **Raises:** `ValueError` for anything else.
    """
    if update is None:
        return Optax(optax.sgd, learning_rate=0.01)
    if isinstance(update, AbstractUpdate):
        return update
    return Ready(optimizer("update", update))
