"""Which sensitivities dx/dw a sparse approximation of RTRL keeps, on any network.

Order n keeps the entries of dx/dw that n steps can make nonzero: weights move what
they act on, and each further step takes that one edge on. Weights that move the same
states form a block, with one small matrix of (states within reach, weights) each.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool

from .._types import Array, Float, Int, Params, PyTree
from ..action.action import Instant
from ..networks.base import AbstractNetwork
from ..networks.partition import join, split
from .base import affordable


class Blocks(eqx.Module):
    """Index tables: the states that each block keeps, and the weights it is made of.

    `nodes` are states, `real` where a block has so many; `slots` are weights, the last
    number standing for none; `place` is where each weight is among (block, slot).
    """

    nodes: Int[Array, "blocks reach"]
    real: Bool[Array, "blocks reach"]
    slots: Int[Array, "blocks fan"]
    place: Int[Array, "weights"]

    def empty(self, dtype: Any) -> Float[Array, "blocks reach fan"]:
        """Sensitivities of zero."""
        return jnp.zeros((*self.nodes.shape, self.slots.shape[1]), dtype)

    def credit(
        self, c_x: Float[Array, "states"], trace: Float[Array, "blocks reach fan"]
    ) -> Float[Array, "weights"]:
        """c_x P for the entries of P that are kept."""
        near = jnp.where(self.real, c_x[self.nodes], 0)
        return jnp.einsum("ir,irq->iq", near, trace).reshape(-1)[self.place]


class Measured(eqx.Module):
    """Blocks of a module whose structure was measured, and how to get its Jacobians.

    States of one colour can be moved at once without their effects meeting (`ahead`,
    for dx'/dx), or asked at once without their causes meeting (`back`, for dx'/dw).
    """

    blocks: Blocks
    fresh: Bool[Array, "blocks reach fan"]
    linked: Bool[Array, "blocks reach reach"]
    ahead: Int[Array, "states"]
    back: Int[Array, "states"]
    colours: tuple[int, int] = eqx.field(static=True)

    def advance(
        self, instant: Instant, w: Params, trace: Float[Array, "blocks reach fan"]
    ) -> Float[Array, "blocks reach fan"]:
        """mask * (dx'/dx P + dx'/dw), by one derivative a colour."""
        flat_x, unravel_x = ravel_pytree(instant.x)
        flat_w, unravel_w = ravel_pytree(w)

        def step(x, w):
            x = instant.transition(unravel_x(x), unravel_w(w))
            return ravel_pytree(x)[0]

        nodes, slots = self.blocks.nodes, self.blocks.slots
        seeds = lambda colour, count: jax.nn.one_hot(colour, count, dtype=flat_x.dtype)
        _, along = jax.linearize(lambda x: step(x, flat_w), flat_x)
        _, across = jax.vjp(lambda w: step(flat_x, w), flat_w)
        A = jax.vmap(along, 1, 1)(seeds(self.ahead, self.colours[0]))
        B = jax.vmap(lambda p: across(p)[0], 1)(seeds(self.back, self.colours[1]))
        B = jnp.pad(B, ((0, 0), (0, 1)))
        jacobian = A[nodes[:, :, None], self.ahead[nodes][:, None, :]]
        jacobian = jnp.where(self.linked, jacobian, 0)
        fresh = B[self.back[nodes][:, :, None], slots[:, None, :]]
        trace = jnp.einsum("irs,isq->irq", jacobian, trace)
        return trace + jnp.where(self.fresh, fresh, 0)


def measured(
    network: AbstractNetwork, w: Params, x: PyTree, inputs: int, order: int
) -> Measured:
    """The blocks of `order` for any module, its structure found by derivatives.

    An entry of a Jacobian counts as zero if it is so at eight random states, inputs
    and weights; this forms f_w once, at the start.
    """
    states, weights = (ravel_pytree(tree)[0].size for tree in (x, w))
    affordable(f"SnAp-{order}", 8 * states * (states + weights))
    by_x, by_w = _structure(network, w, x, inputs)
    reached = by_w.astype(int)
    for _ in range(order - 1):
        reached = np.minimum(reached + by_x.astype(int) @ reached, 1)
    blocks = _blocks(reached > 0)
    nodes, slots = np.asarray(blocks.nodes), np.asarray(blocks.slots)
    real = np.asarray(blocks.real)
    by_w = np.pad(by_w, ((0, 0), (0, 1)))
    fresh = by_w[nodes[:, :, None], slots[:, None, :]] & real[:, :, None]
    linked = by_x[nodes[:, :, None], nodes[:, None, :]]
    linked = linked & real[:, :, None] & real[:, None, :]
    ahead, back = colouring(by_x.T), colouring(by_w)
    as_int = lambda table: jnp.asarray(table, jnp.int32)
    return Measured(
        blocks, jnp.asarray(fresh), jnp.asarray(linked), as_int(ahead), as_int(back),
        (int(ahead.max()) + 1, int(back.max()) + 1),
    )  # fmt: skip


def grouped(near: list[np.ndarray], owner: Int[np.ndarray, "weights"]) -> Blocks:
    """Tables of blocks that keep the states `near` and own the weights of `owner`."""
    nodes, real = padded(near, 0)
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=len(near))
    starts = np.cumsum(counts) - counts
    slots, _ = padded(np.split(order, starts[1:]), owner.size)
    place = np.empty(owner.size, np.int64)
    slot = np.arange(owner.size) - np.repeat(starts, counts)
    place[order] = owner[order] * slots.shape[1] + slot
    as_int = lambda table: jnp.asarray(table, jnp.int32)
    return Blocks(as_int(nodes), jnp.asarray(real), as_int(slots), as_int(place))


def padded(lists: list[np.ndarray], fill: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length, and where they are real."""
    width = max(row.size for row in lists)
    table = np.full((len(lists), width), fill)
    real = np.zeros((len(lists), width), bool)
    for k, row in enumerate(lists):
        table[k, : row.size], real[k, : row.size] = row, True
    return table, real


def colouring(pattern: Bool[np.ndarray, "rows columns"]) -> np.ndarray:
    """A colour for every row; rows of one colour share no column. Greedy."""
    colours = np.zeros(pattern.shape[0], np.int64)
    taken = np.zeros((0, pattern.shape[1]), bool)
    for k in np.argsort(-pattern.sum(axis=1), kind="stable"):
        free = np.flatnonzero(~np.any(taken & pattern[k], axis=1))
        colours[k] = free[0] if free.size else taken.shape[0]
        if not free.size:
            taken = np.concatenate([taken, np.zeros((1, pattern.shape[1]), bool)])
        taken[colours[k]] |= pattern[k]
    return colours


def _blocks(kept: Bool[np.ndarray, "states weights"]) -> Blocks:
    """Weights of the same column of `kept` together."""
    columns, owner = np.unique(kept, axis=1, return_inverse=True)
    near = [np.flatnonzero(column) for column in columns.T]
    return grouped(near, owner.reshape(-1))


def _structure(network, w, x, inputs):
    """(where f_x + 1 can be nonzero, where f_w can) as matrices of booleans."""
    flat_x, flat_w = (np.asarray(ravel_pytree(tree)[0]) for tree in (x, w))
    rng = np.random.default_rng(0)
    near = lambda flat: flat + rng.standard_normal((8, flat.size))
    at = near(flat_x), near(flat_w), rng.standard_normal((8, inputs))
    at = tuple(jnp.asarray(draws, flat_x.dtype) for draws in at)
    everything, frozen = split(network)
    by_x, by_w = map(np.asarray, _nonzero(everything, frozen, w, x, at))
    return by_x | np.eye(flat_x.size, dtype=bool), by_w


@eqx.filter_jit
def _nonzero(everything, frozen, w, x, at):
    """Where f_x and f_w are not zero at any of some points; compiled once a network."""
    _, unravel_x = ravel_pytree(x)
    _, unravel_w = ravel_pytree(w)

    def drift(x, w, u):
        f = join(everything | unravel_w(w), frozen)(unravel_x(x), u)
        return ravel_pytree(f)[0]

    def one(at):
        return tuple(jac != 0 for jac in jax.jacrev(drift, argnums=(0, 1))(*at))

    return jax.tree.map(lambda jac: jnp.any(jac, axis=0), jax.lax.map(one, at))
