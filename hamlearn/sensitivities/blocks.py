"""Exact sensitivities, carried on from block to block of samples."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from .. import _checks
from .._types import Array, Params, PyTree, Scalar
from ..action.action import Point, credit_over_time
from ..action.cost import Cost
from ..action.residual import AbstractResidual
from ..action.trees import scaled
from ..costates.transposed import transposed
from ..costates.window import AbstractPast, Past, pulled_back
from ..networks.base import AbstractNetwork
from ..networks.batch import first_stream, over_mean, per_stream, single
from ..networks.neurons import leaving_readout
from ..networks.partition import join, split
from ..signals.signal import Sample
from .exact import credited, no_sensitivity


class ExactBlocks(AbstractPast):
    """P = dx/dw at the ends of blocks, and the exact gradient of every block.

        g = sum of dM_k/dw over the block + p_0 P_0
        P_b = dx_b/dw at fixed x_0 + (dx_b/dx_0) P_0

    with p the adjoint within the block, one backward pass, and the two terms of P_b
    from n backward passes together. With the weights held the g sum to those of
    `Exact`. O(n^2 + n weights/b) operations per weight-sample in place of n; memory
    b n^2 more than P.

    **Arguments:** `window`: b, samples per block; `inputs`: how many the network has,
    where it does not say so itself.

    Schmidhuber (1992), "A fixed size storage O(n^3) time complexity learning algorithm
    for fully recurrent continually running networks".
    """

    window: int = eqx.field(static=True)
    inputs: int | None = eqx.field(static=True, default=None)
    overlap: int = eqx.field(static=True, default=0, init=False)

    def __check_init__(self):
        _checks.at_least("block", self.window, 1)

    def prepare(self, network, x, key):
        return None

    def carried(self, network: AbstractNetwork, x: PyTree) -> Array:
        w = leaving_readout(network, split(network)[0])
        return per_stream(network, no_sensitivity(first_stream(network, x), w))

    def credit(
        self, cost: Cost, residual: AbstractResidual, w: Params, frozen: PyTree,
        past: Past, dt: Scalar,
    ) -> tuple[Params, Array]:  # fmt: skip
        network = join(w, frozen)
        inside, moves = single(network), leaving_readout(network, w)
        x, samples, start, _ = self.in_order(past)
        one = partial(_along, cost, inside, moves, dt)
        if inside is not network:
            one = jax.vmap(one, (1, 1, 1, 0), (1, 0, 0))
        after, through_state, carried = one(x, samples, start, past.carried)
        rest = jax.tree.map(jnp.zeros_like, x)
        points = Point(x, rest, None, scaled(-dt, after), samples)
        g = credit_over_time(cost, residual, w, frozen, points)
        part = over_mean(network, through_state)
        return g | {name: g[name] + part[name] for name in moves}, carried


def _along(
    cost: Cost, network: Any, moves: Params, dt: Scalar, x: PyTree, samples: Sample,
    begins: Array, P: Array,
) -> tuple[PyTree, Params, Array]:  # fmt: skip
    """(p_{k+1} of every k, p_0 P_0 by name, P after the block) of one stream."""
    first, after = pulled_back(cost, network, x, samples, None, begins, dt)
    start, rows = _rows_back(network, x, samples, begins, dt)
    w, frozen = split(network)

    def moved(moves: Params) -> PyTree:
        step = join(w | moves, frozen).transition
        return jax.vmap(lambda x, u: step(x, u, dt))(x, samples.input)

    _, back = jax.vjp(moved, moves)
    flat = lambda tree: ravel_pytree(tree)[0]
    # All samples of all rows at once: one product of matrices for each weight matrix.
    fresh = jax.vmap(lambda row: flat(back(row)[0]), 1)(rows)
    P_after = jax.vmap(flat)(start) @ P + fresh.astype(P.dtype)
    return after, credited(first, moves, P), P_after


def _rows_back(
    network: Any, x: PyTree, samples: Sample, begins: Array, dt: Scalar
) -> tuple[PyTree, PyTree]:
    """(dx_b/dx_0, dx_b/dx_{k+1} for every k), each row a tree of the state's kind."""
    through, each = transposed(network, x, samples, dt)
    flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], x))
    last = jax.vmap(unravel)(jnp.eye(flat.size, dtype=flat.dtype))

    def back(rows, now):
        this, begin = now
        before = jax.vmap(lambda row: through(this, row))(rows)
        return jax.tree.map(lambda a: jnp.where(begin, 0, a), before), rows

    return jax.lax.scan(back, last, (each, begins), reverse=True)
