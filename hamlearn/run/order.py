"""The order in which a step writes what it changes, for XLA's sake.

On a CPU XLA copies an array that it changes in place while something else may still
have to read the old one (openxla/xla issue 20440, jax-ml/jax issue 17845), and
barriers do not stop it. An order that it can see saves the copies of weights, costates
and traces. On a GPU it needs none, and an order costs passes.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ..graph.order import unfoldable_true
from ..laws.base import State

#: Numbers from which on a copy of a leaf costs more than a few operations.
_LARGE = 2**12


def in_turn(new: State, old: State) -> State:
    """`new`, its large leaves written one after the other, after all small ones.

    First what the update remembers, then the weights, then what finding the credit
    remembers: the order in which each is last read.
    """
    parts = (new.update, new.w, new.credit), (old.update, old.w, old.credit)
    fresh, tree = jax.tree.flatten(parts[0])
    stale = tree.flatten_up_to(parts[1])
    is_large = lambda leaf: eqx.is_inexact_array(leaf) and leaf.size >= _LARGE
    if not any(map(is_large, fresh)):
        return new
    small = [leaf for leaf in fresh if not is_large(leaf)]
    before = _seen([*jax.tree.leaves(new.x), *small])
    for k, leaf in enumerate(fresh):
        if is_large(leaf):
            fresh[k] = _after(before, leaf, stale[k])
            before = _seen([fresh[k]])
    update, w, credit = jax.tree.unflatten(tree, fresh)
    return State(new.x, w, credit, update, new.rest)


def _seen(leaves: list[Any]) -> Any:
    """True, once all of `leaves` have been computed."""
    floats = [leaf for leaf in leaves if eqx.is_inexact_array(leaf) and leaf.size]
    if not floats:
        return None
    return jnp.all(jnp.stack([unfoldable_true(leaf.reshape(-1)[0]) for leaf in floats]))


def _after(seen: Any, new: Any, old: Any) -> Any:
    if seen is None:
        return new
    return jax.lax.platform_dependent(
        seen, new, old, cpu=jnp.where, default=lambda seen, new, old: new
    )
