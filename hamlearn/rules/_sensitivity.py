"""Sensitivities P = dx/dw and what one more application of the dynamics does to them.

With `step` the map x_k -> x_{k+1} these are the next sensitivities, with `step` the
drift dx/dt they are their rate: both are step_x P + step_w.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from .._types import Array, Float, Int, Neurons, Params, PyTree
from ..graph.aggregation import Dense
from ._rows import RowNetwork, Slopes, acts_by_rows, immediate, receivers

Step = Callable[[PyTree, Params], PyTree]


def no_sensitivity(x: PyTree, w: Params) -> Float[Array, "n weights"]:
    """P = 0, of a start that the weights do not move."""
    flat_x, flat_w = ravel_pytree(x)[0], ravel_pytree(w)[0]
    return jnp.zeros((flat_x.size, flat_w.size), flat_x.dtype)


def flat_receivers(network: Any, w: Params) -> Int[Array, "weights"] | None:
    """The neuron that each weight acts on, None where the network does not say."""
    if not acts_by_rows(network):
        return None
    rows = receivers(network, w)
    return ravel_pytree(jax.tree.map(jnp.asarray, rows))[0]


def credited(c_x: PyTree, w: Params, P: Float[Array, "n weights"]) -> Params:
    """c_x P, by name."""
    _, unravel = ravel_pytree(w)
    return unravel(ravel_pytree(c_x)[0] @ P)


def along_rows(
    network: RowNetwork,
    now: Slopes,
    step: Step,
    x: Neurons,
    w: Params,
    rows: Int[Array, "weights"],
    P: Float[Array, "n weights"],
) -> Float[Array, "n weights"]:
    """(diag(leak) + diag(slope) W diag(rise)) P, and a number a weight in its row."""
    fresh = ravel_pytree(immediate(network, step, x, w))[0]
    if isinstance(network.graph.aggregation, Dense):
        W = now.felt(network.weight.T).T
        carried = (now.slope[:, None] * W + jnp.diag(now.leak)) @ P
        return carried.at[rows, jnp.arange(P.shape[1])].add(fresh)
    heard = jax.vmap(network.graph.aggregate, (None, 1), 1)(network.weight, now.felt(P))
    carried = now.leak[:, None] * P + now.slope[:, None] * heard
    nodes = jnp.arange(P.shape[0], dtype=rows.dtype)
    return carried + jnp.where(rows == nodes[:, None], fresh, 0)


def along_any(
    step: Step, x: PyTree, w: Params, P: Float[Array, "n weights"]
) -> Float[Array, "n weights"]:
    """The same by n transposed products for step_w and a forward one a weight."""
    flat_x, unravel_x = ravel_pytree(x)
    flat_w, unravel_w = ravel_pytree(w)

    def flat(x, w):
        return ravel_pytree(step(unravel_x(x), unravel_w(w)))[0]

    _, along = jax.linearize(lambda x: flat(x, flat_w), flat_x)
    fresh = jax.jacrev(flat, argnums=1)(flat_x, flat_w)
    return jax.vmap(along, 1, 1)(P) + fresh
