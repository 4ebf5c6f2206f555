"""Blocks of samples, so that only what must be is done one sample after the other."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .._types import Array, PyTree, Scalar
from ..networks.hamiltonian import HamiltonianNetwork

#: Samples taken together: what weights do to all of them is a product of matrices.
BLOCK = 64


def swept(
    layers: tuple[HamiltonianNetwork, ...], states: Any, u: Array, dt: Scalar, *,
    back: bool,
) -> tuple[tuple[PyTree, ...], list[Array], tuple[PyTree, ...]]:  # fmt: skip
    """(the layers' states behind a block of samples, what each heard, the states met).

    One layer after the other: the drives of a layer for the whole block at once, then
    its steps. Going back p is reversed, and the state met at a sample is the one that
    its step comes to.
    """
    after, heard, met = [], [], []
    for layer, x in zip(layers, states, strict=True):
        theta = -layer.dissipation if back else layer.dissipation

        def step(x, c, layer=layer, theta=theta):
            new, _ = layer.halfway(x, c, dt, theta)
            return new, (new if back else x)

        drives = jax.vmap(layer.drive)(u)
        x, there = jax.lax.scan(step, x, drives, reverse=back)
        after.append(x)
        heard.append(u)
        met.append(there)
        u = jax.vmap(layer.readout)(there, u)
    return tuple(after), heard, tuple(met)


def block_of(length: int) -> int:
    """Samples of a block: without a short one at the end, which would be a program of
    its own to compile, where a length near `BLOCK` divides."""
    fits = (size for size in range(BLOCK, BLOCK // 2, -1) if length % size == 0)
    return min(length, next(fits, BLOCK))


def in_blocks(
    step: Callable[[Any, Any], Any], carry: Any, everything: Any, *,
    reverse: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """`lax.scan` over blocks of samples; the last block may be a short one."""
    length = jax.tree.leaves(everything)[0].shape[0]
    size = block_of(length)
    whole = size * (length // size)
    rest = jax.tree.map(lambda leaf: leaf[whole:], everything)
    blocks = jax.tree.map(
        lambda leaf: leaf[:whole].reshape(whole // size, size, *leaf.shape[1:]),
        everything,
    )
    found = []
    if whole < length and reverse:
        carry, kept = step(carry, rest)
        found.append(kept)
    carry, kept = jax.lax.scan(step, carry, blocks, reverse=reverse)
    kept = jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), kept)
    found.insert(0, kept)
    if whole < length and not reverse:
        carry, kept = step(carry, rest)
        found.append(kept)
    return carry, jax.tree.map(lambda *parts: jnp.concatenate(parts), *found)
