"""What a law carries, over time: to look at states, costates and weights."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, PyTree
from ..rules import AbstractRule
from ..signals.signal import Sample


def path(
    rule: AbstractRule,
    network: Any,
    samples: Sample,
    pick: Callable[[Any], PyTree],
    *,
    dt: Any,
    x0: PyTree = None,
    key: Array | None = None,
    every: int = 1,
) -> tuple[np.ndarray, PyTree]:
    """Run a law and keep what `pick` takes from its state, at every k-th sample.

    `stream` keeps what laws report; this keeps what they carry, all of it in memory.

    **Arguments:** `rule`, `network`, `samples`, `dt`, `x0`, `key`: as for `stream`;
    `pick`: such as `lambda state: state.flow`, of which arrays are kept; `every`: k.

    **Returns:** (times, what was picked with time as leading axis), from before each
    sample.
    """
    _checks.at_least("every", every, 1)
    state = rule.init(network, x0=x0, key=key)
    count = samples.target.shape[0] // every
    if count < 1:
        _checks.reject("every", f"at most the {samples.target.shape[0]} samples", every)
    dtype = jnp.result_type(*jax.tree.leaves(eqx.filter(state, eqx.is_inexact_array)))
    blocks = jax.tree.map(
        lambda leaf: _blocks(jnp.asarray(leaf).astype(dtype), count, every), samples
    )
    kept = _follow(rule, state, blocks, jnp.asarray(dt, dtype), pick)
    return np.arange(count) * every * float(dt), jax.tree.map(np.asarray, kept)


def _blocks(leaf: Array, count: int, every: int) -> Array:
    return leaf[: count * every].reshape(count, every, *leaf.shape[1:])


@eqx.filter_jit
def _follow(rule, state, blocks, dt, pick):
    moving, still = eqx.partition(state, eqx.is_array)

    def step(moving, sample):
        state, _ = rule.step(eqx.combine(moving, still), sample, dt)
        return eqx.filter(state, eqx.is_array), None

    def block(moving, samples):
        kept = eqx.filter(pick(eqx.combine(moving, still)), eqx.is_array)
        return jax.lax.scan(step, moving, samples)[0], kept

    return jax.lax.scan(block, moving, blocks)[1]
