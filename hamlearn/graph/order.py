"""A choice that XLA cannot take away: it keeps an order of evaluation that is meant.

On a CPU XLA moves elementwise work into the loops that read it, tanh into a gather at
every edge, and copies an array that is changed in place while another loop may still
read it. `jax.lax.optimization_barrier` forbids both and is dropped before XLA's CPU
passes that do them (openxla/xla#20440, jax-ml/jax#25399; measured with jaxlib 0.10.1:
no difference to leaving it out). XLA looks into no branch of a conditional whose
predicate it does not know. The predicate here is true for every number, NaN and
infinity included, so the choice changes no result.

A conditional copies whatever a branch hands on unchanged; a loop of no turns does not.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Bool

from .._types import Array, PyTree, Shaped


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


def apart(function: Callable[[Array], PyTree], value: Array) -> PyTree:
    """`function(value)`, computed by itself: what reads it is not fused with it."""

    @jax.custom_batching.custom_vmap
    def chosen(value):
        shapes = jax.eval_shape(function, value)
        empty = lambda leaf: jnp.zeros(leaf.shape, leaf.dtype)
        never = lambda value: jax.tree.map(empty, shapes)
        return jax.lax.cond(unfoldable_true(value), function, never, value)

    @chosen.def_vmap
    def chosen_for_many(size, batched, value):
        # One choice for all: a batched predicate would make it a select, which is no
        # wall.
        del size
        found = apart(jax.vmap(function), value)
        return found, jax.tree.map(lambda leaf: batched[0], found)

    return chosen(value)


def computed(leaves: list[Any]) -> Bool[Array, ""]:
    """True, once all numbers in `leaves` have been computed."""
    floats = [leaf for leaf in leaves if eqx.is_inexact_array(leaf) and leaf.size]
    if not floats:
        return jnp.asarray(True)
    return jnp.all(jnp.stack([unfoldable_true(leaf.reshape(-1)[0]) for leaf in floats]))


def perhaps_in_place(
    pred: Bool[Array, ""],
    change: Callable[[PyTree, PyTree], PyTree],
    now: PyTree,
    given: PyTree,
) -> PyTree:
    """`change(now, given)` where `pred`, else `now`, which is not copied for it.

    A loop of one turn or none; where it is differentiated, the conditional that it
    stands for.

    **Arguments:** `change` closes over no arrays; `pred` has no axes under `vmap`.
    """

    @jax.custom_jvp
    def run(pred, now, given):
        turn = lambda carry: (jnp.zeros_like(carry[0]), change(carry[1], given))
        return jax.lax.while_loop(lambda carry: carry[0], turn, (pred, now))[1]

    @run.defjvp
    def pushed_forward(primals, tangents):
        pred, *both = primals
        stay = lambda now, given: now
        either = lambda now, given: jax.lax.cond(pred, change, stay, now, given)
        return jax.jvp(either, tuple(both), tuple(tangents[1:]))

    return run(pred, now, given)
