"""A choice that XLA cannot take away: it keeps an order of evaluation that is meant.

On a CPU XLA moves elementwise work into the loops that read it, tanh into a gather at
every edge, and copies an array that is changed in place while another loop may still
read it. `jax.lax.optimization_barrier` forbids both and is dropped before XLA's CPU
passes that do them (openxla/xla#20440, jax-ml/jax#25399; measured with jaxlib 0.10.1:
no difference to leaving it out). XLA looks into no branch of a conditional whose
predicate it does not know. The predicate here is true for every number, NaN and
infinity included, so the choice changes no result.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool

from .._types import Array, Shaped


def unfoldable_true(leaf: Shaped[Array, "..."]) -> Bool[Array, ""]:
    """True, computed from the bits of the first entry of a non-empty `leaf`."""
    first = leaf[(0,) * leaf.ndim]
    if jnp.iscomplexobj(first):
        first = first.real
    whole = jnp.dtype(f"int{8 * first.dtype.itemsize}")
    is_float = jnp.issubdtype(first.dtype, jnp.floating)
    bits = jax.lax.bitcast_convert_type(first, whole) if is_float else first
    bits = bits.astype(whole)
    return (bits | jnp.ones_like(bits)) != 0
