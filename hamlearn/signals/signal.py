"""Signals in time: what a network hears and what it should answer."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Number, Numbers, Scalar, Shaped, Values


class Sample(eqx.Module):
    """Input and target over one step, with their derivatives where a law needs them.

    Called with a time s since the start of the step it gives the sample there, by
    Taylor's formula u + s u' + s^2/2 u''; without derivatives it is held constant.
    `weight` scales the loss of the step (0: no target here; default 1). Where `start`
    is true an episode begins: state, traces and windows anew, weights and optimizer
    as they are.
    """

    input: Shaped[Numbers, "*time inputs"]
    target: Shaped[Numbers, "*time outputs"]
    weight: Shaped[Numbers, "..."] | None = None  # for every stream, or for all alike
    input_rate: Shaped[Numbers, "*time inputs"] | None = None
    target_rate: Shaped[Numbers, "*time outputs"] | None = None
    input_acceleration: Shaped[Numbers, "*time inputs"] | None = None
    target_acceleration: Shaped[Numbers, "*time outputs"] | None = None
    start: Shaped[Numbers, "..."] | None = None

    def __call__(self, s: Scalar) -> "Sample":
        if self.input_rate is None:
            return self
        u = _taylor(s, self.input, self.input_rate, self.input_acceleration)
        y = _taylor(s, self.target, self.target_rate, self.target_acceleration)
        return Sample(u, y, self.weight)


def _taylor(s, value, rate, acceleration):
    if rate is None:
        return value
    if acceleration is None:
        return value + s * rate
    return value + s * (rate + s / 2 * acceleration)


if TYPE_CHECKING:
    TimeFunction: TypeAlias = Callable[[Scalar], Array]
    Pair: TypeAlias = tuple[Values, Values]  # inputs and targets
    SamplesLike: TypeAlias = Sample | Pair | Iterable[Sample | Pair]
else:  # what takes them says by name what is wrong with them
    TimeFunction = SamplesLike = Any


class Signal(eqx.Module):
    """Input u(t) and target y(t), called with t to give a `Sample`.

    **Arguments:** `input`, `target`: functions of time that return vectors, or None
    for a network without input. `Held` and `Mollified`
    are such functions.
    """

    input: TimeFunction | None
    target: TimeFunction | None

    def __init__(
        self, input: TimeFunction | None = None, target: TimeFunction | None = None
    ):
        for name, function in (("input", input), ("target", target)):
            if function is not None:
                _checks.function(name, function, "time", 1)
        self.input = input
        self.target = target

    def __call__(self, t: Number) -> Sample:
        return Sample(_vector(self.input, t), _vector(self.target, t))

    def sample(self, times: Float[Numbers, "time"]) -> Sample:
        """The values at `times`, as held samples for `stream`."""
        return jax.vmap(self)(jnp.asarray(times))

    def jets(self, times: Float[Numbers, "time"]) -> Sample:
        """The values at `times` with their exact first and second derivatives."""

        def along(t):
            rate = lambda s: jax.jvp(self, (s,), (jnp.ones_like(s),))
            (value, first), (_, second) = jax.jvp(rate, (t,), (jnp.ones_like(t),))
            return Sample(
                value.input, value.target, None, first.input, first.target,
                second.input, second.target,
            )  # fmt: skip

        return jax.vmap(along)(jnp.asarray(times))


def _vector(function, t):
    if function is None:
        return jnp.zeros(0, jnp.result_type(t, float) if jnp.ndim(t) == 0 else None)
    return jnp.atleast_1d(function(t))
