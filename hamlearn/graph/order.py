"""A truth that XLA cannot see through: what makes it keep an order."""

import jax
import jax.numpy as jnp

from .._types import Array

_INTEGERS = {2: jnp.int16, 4: jnp.int32, 8: jnp.int64}


def unfoldable_true(value: Array) -> Array:
    """True whatever the bits of a scalar `value` are, NaN included.

    XLA's simplifier does not know it, so that what is chosen by it waits for `value`.
    """
    value = jnp.real(value)
    integer = _INTEGERS[value.dtype.itemsize]
    bits = jax.lax.bitcast_convert_type(jax.lax.stop_gradient(value), integer)
    return (bits | jnp.ones((), integer)) != 0
