"""Sparse n-step approximations of RTRL: only the nearest sensitivities are kept."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool

from .. import _checks
from .._action import Cost
from .._graph import Digraph
from .._network import split
from .._types import Array, Int, PyTree
from ._online import AbstractOnlineRule, Moment, checked_cost, checked_optimizer
from ._rows import (
    immediate,
    moving,
    own_weight,
    receivers,
    require_rate_network,
    slopes,
    spread,
)


class SnAp1(AbstractOnlineRule):
    """RTRL in which a weight into neuron i is followed in x_i alone.

        s_ij' = (leak_i + slope_i w_ii) s_ij + slope_i x_j,   g_ij = ell_{x_i} s_ij

    One number a weight; exact when the recurrent weights are diagonal. For a
    `RateNetwork`. Arguments as for `RTRL`.

    Menick, Elsen, Evci, Osindero, Simonyan, Graves (2021), "Practical real time
    recurrent learning with a sparse approximation", SnAp with n = 1.
    """

    cost: Cost
    optimizer: optax.GradientTransformation

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
    ):
        self.cost = checked_cost(cost)
        self.optimizer = checked_optimizer(optimizer)

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rate_network("SnAp1", network)
        return None, jax.tree.map(jnp.zeros_like, moving(network, split(network)[0]))

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        network, u = moment.network, moment.sample.input
        w = moving(network, moment.w)
        now = slopes(network, moment.x, moment.sample, moment.dt)
        keep = now.leak + now.slope * own_weight(network)
        held = lambda x, w: moment.transition(x, moment.w | w)
        fresh = immediate(network, held, moment.x, w)
        c_x, keep = spread(network, w, moment.c_x, u), spread(network, w, keep, u)
        g = {name: moment.c_w[name] + c_x[name] * trace[name] for name in w}
        trace = jax.tree.map(lambda d, s, m: d * s + m, keep, trace, fresh)
        return moment.c_w | g, trace


class Neighbourhoods(eqx.Module):
    """Index tables: which sensitivities are kept, and the Jacobian between them.

    For every neuron i: `nodes` those within reach, i first; `edges` the weight that
    joins each two of them (the last one stands for none); `slots` the weights into i;
    and for every weight its `place` in (neuron, slot).
    """

    nodes: Int[Array, "n reach"]
    real: Bool[Array, "n reach"]
    edges: Int[Array, "n reach reach"]
    slots: Int[Array, "n fan"]
    place: Int[Array, "weights"]


class SnAp(AbstractOnlineRule):
    """RTRL in which a weight into neuron i is followed in all that i soon reaches.

        P_{k+1} = mask * ((1 + dt f_x) P_k + dt f_w),   g_k = ell_w + ell_x P_k

    The mask keeps dx_k/dw_ij for the neurons k at most `order - 1` edges from i:
    order 1 is `SnAp1`, and from one more than the longest shortest path on it is
    RTRL. Memory: the kept entries alone. For a `RateNetwork`.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `order`: n of SnAp-n.

    Menick et al. (2021), "Practical real time recurrent learning with a sparse
    approximation".
    """

    cost: Cost
    optimizer: optax.GradientTransformation
    order: int = eqx.field(static=True)

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        order: int,
    ):
        _checks.at_least("order", order, 1)
        self.cost = checked_cost(cost)
        self.optimizer = checked_optimizer(optimizer)
        self.order = order

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rate_network("SnAp", network)
        rows = receivers(network, moving(network, split(network)[0]))
        owner = ravel_pytree(jax.tree.map(jnp.asarray, rows))[0]
        tables = neighbourhoods(network.graph, np.asarray(owner), self.order)
        shape = (*tables.nodes.shape, tables.slots.shape[1])
        return tables, jnp.zeros(shape, x.dtype)

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        network, near = moment.network, fixed
        w = moving(network, moment.w)
        _, unravel = ravel_pytree(w)
        c_x = jnp.where(near.real, moment.c_x[near.nodes], 0)
        kept = jnp.einsum("ir,irq->iq", c_x, trace)
        part = unravel(kept.reshape(-1)[near.place])
        g = moment.c_w | {name: moment.c_w[name] + part[name] for name in w}
        now = slopes(network, moment.x, moment.sample, moment.dt)
        weights = jnp.append(network.weight.reshape(-1), 0)
        jacobian = now.slope[near.nodes][:, :, None] * weights[near.edges]
        own = jax.vmap(jnp.diag)(jnp.where(near.real, now.leak[near.nodes], 0))
        held = lambda x, w: moment.transition(x, moment.w | w)
        fresh = ravel_pytree(immediate(network, held, moment.x, w))[0]
        trace = jnp.einsum("irs,isq->irq", jacobian + own, trace)
        return g, trace.at[:, 0].add(jnp.append(fresh, 0)[near.slots])


def neighbourhoods(graph: Digraph, owner: np.ndarray, order: int) -> Neighbourhoods:
    """The tables for weights owned by `owner`, followed over `order - 1` edges."""
    n = graph.num_nodes
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    near = [_reached(senders, receivers, i, order - 1) for i in range(n)]
    nodes, real = _padded(near, 0)
    number = np.full((n, n), senders.size)  # the weight of an edge, by its two ends
    number[receivers, senders] = np.arange(senders.size)
    both = real[:, :, None] & real[:, None, :]
    edges = np.where(both, number[nodes[:, :, None], nodes[:, None, :]], senders.size)
    order_of = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=n)
    slots, _ = _padded(np.split(order_of, np.cumsum(counts)[:-1]), owner.size)
    place = np.empty(owner.size, np.int64)
    slot = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    place[order_of] = owner[order_of] * slots.shape[1] + slot
    as_int = lambda table: jnp.asarray(table, jnp.int32)
    return Neighbourhoods(
        as_int(nodes), jnp.asarray(real), as_int(edges), as_int(slots), as_int(place)
    )


def _reached(senders, receivers, start: int, hops: int) -> np.ndarray:
    """The nodes at most `hops` edges from `start`, which comes first."""
    inside = np.zeros(max(senders.max(), receivers.max()) + 1, bool)
    inside[start] = True
    for _ in range(hops):
        before = inside.sum()
        inside[receivers[inside[senders]]] = True
        if inside.sum() == before:
            break
    inside[start] = False
    return np.concatenate([[start], np.flatnonzero(inside)])


def _padded(lists: list[np.ndarray], fill: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one length, and where they are real."""
    width = max(row.size for row in lists)
    table = np.full((len(lists), width), fill)
    real = np.zeros((len(lists), width), bool)
    for k, row in enumerate(lists):
        table[k, : row.size], real[k, : row.size] = row, True
    return table, real
