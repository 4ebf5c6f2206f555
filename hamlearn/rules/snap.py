"""Sparse n-step approximations of RTRL: only the nearest sensitivities are kept."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from .. import _checks
from .._types import Array, Float, Int, Params, PyTree
from ..action.cost import Cost
from ..networks.partition import split
from ._online import (
    AbstractOnlineRule,
    Moment,
    checked_cost,
    checked_optimizer,
    number_of_inputs,
)
from ._pattern import Blocks, Measured, grouped, measured
from ._rows import (
    RowNetwork,
    acts_by_rows,
    immediate,
    moving,
    own_weight,
    receivers,
    slopes,
    spread,
)


class SnAp1(AbstractOnlineRule):
    """RTRL in which a weight into neuron i is followed in x_i alone.

        s_ij' = dx_i'/dx_i s_ij + dx_i'/dw_ij,   g_ij = ell_{x_i} s_ij

    with dx_i'/dx_i = leak_i + slope_i w_ii on rate neurons. One number a weight; exact
    when the recurrent weights are diagonal. On a module other than a `RateNetwork` or
    a `VoltageNetwork` with tau_r = 0 it is `SnAp` of order 1: a weight is followed in
    the states that it moves within one step.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `inputs`: how many the network
    has, where it does not say so itself.

    Menick, Elsen, Evci, Osindero, Simonyan, Graves (2021), "Practical real time
    recurrent learning with a sparse approximation", SnAp with n = 1.
    """

    draws: ClassVar[bool] = False
    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    inputs: int | None = eqx.field(static=True, default=None, kw_only=True)

    def start(self, network: Any, x: PyTree, key: Array | None):
        w = moving(network, split(network)[0])
        if acts_by_rows(network):
            return None, jax.tree.map(jnp.zeros_like, w)
        near = measured(network, w, x, number_of_inputs(network, self.inputs), 1)
        return near, near.blocks.empty(_dtype(x))

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        if isinstance(fixed, Measured):
            return _measured_credit(moment, fixed, trace)
        network, u = moment.network, moment.sample.input
        w = moving(network, moment.w)
        now = slopes(network, moment.x, moment.sample, moment.dt)
        keep = now.leak + now.slope * now.felt(own_weight(network))
        held = lambda x, w: moment.transition(x, moment.w | w)
        fresh = immediate(network, held, moment.x, w)
        c_x, keep = spread(network, w, moment.c_x, u), spread(network, w, keep, u)
        g = {name: moment.c_w[name] + c_x[name] * trace[name] for name in w}
        trace = jax.tree.map(lambda d, s, m: d * s + m, keep, trace, fresh)
        return moment.c_w | g, trace


class Neighbourhoods(eqx.Module):
    """Blocks of a graph: for neuron i the weights into it and the nodes within reach.

    `edges` is the weight that joins each two nodes of a block, its last number
    standing for none; node i itself comes first.
    """

    blocks: Blocks
    edges: Int[Array, "n reach reach"]


class SnAp(AbstractOnlineRule):
    """RTRL in which a weight is followed in all states that it soon reaches.

        P_{k+1} = mask * ((1 + dt f_x) P_k + dt f_w),   g_k = ell_w + ell_x P_k

    The mask keeps the entries of dx/dw that `order` steps can make nonzero: in a
    network of neurons dx_k/dw_ij for the neurons k at most `order - 1` edges from i.
    Order 1 is `SnAp1`; from one more than the longest shortest path on it is RTRL.
    Memory: the kept entries alone.

    A `RateNetwork`, or a `VoltageNetwork` with tau_r = 0, says itself what a weight
    reaches. Of any other module it is measured once, at random states, inputs and
    weights, by which of its derivatives are exactly zero.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `order`: n of SnAp-n; `inputs`:
    how many the network has, where it does not say so itself.

    Menick et al. (2021), "Practical real time recurrent learning with a sparse
    approximation".
    """

    draws: ClassVar[bool] = False
    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    order: int = eqx.field(static=True, kw_only=True)
    inputs: int | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        _checks.at_least("order", self.order, 1)

    def start(self, network: Any, x: PyTree, key: Array | None):
        w = moving(network, split(network)[0])
        if acts_by_rows(network):
            near: Any = neighbourhoods(network, w, self.order)
        else:
            inputs = number_of_inputs(network, self.inputs)
            near = measured(network, w, x, inputs, self.order)
        return near, near.blocks.empty(_dtype(x))

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        if isinstance(fixed, Measured):
            return _measured_credit(moment, fixed, trace)
        network, near = moment.network, fixed.blocks
        w = moving(network, moment.w)
        g = _kept_credit(moment, w, near, trace)
        now = slopes(network, moment.x, moment.sample, moment.dt)
        weights = jnp.append(network.weight.reshape(-1), 0)
        ahead = now.felt(jnp.ones_like(now.leak))[near.nodes][:, None, :]
        jacobian = now.slope[near.nodes][:, :, None] * weights[fixed.edges] * ahead
        own = jax.vmap(jnp.diag)(jnp.where(near.real, now.leak[near.nodes], 0))
        held = lambda x, w: moment.transition(x, moment.w | w)
        fresh = ravel_pytree(immediate(network, held, moment.x, w))[0]
        trace = jnp.einsum("irs,isq->irq", jacobian + own, trace)
        return g, trace.at[:, 0].add(jnp.append(fresh, 0)[near.slots])


def neighbourhoods(network: RowNetwork, w: Params, order: int) -> Neighbourhoods:
    """The blocks of a network of neurons, followed over `order - 1` edges."""
    graph, n = network.graph, network.graph.num_nodes
    senders, ends = np.asarray(graph.senders), np.asarray(graph.receivers)
    rows = jax.tree.map(jnp.asarray, receivers(network, w))
    owner = np.asarray(ravel_pytree(rows)[0])
    near = [_reached(senders, ends, i, order - 1) for i in range(n)]
    blocks = grouped(near, owner)
    nodes, real = np.asarray(blocks.nodes), np.asarray(blocks.real)
    number = np.full((n, n), senders.size)  # the weight of an edge, by its two ends
    number[ends, senders] = np.arange(senders.size)
    both = real[:, :, None] & real[:, None, :]
    edges = np.where(both, number[nodes[:, :, None], nodes[:, None, :]], senders.size)
    return Neighbourhoods(blocks, jnp.asarray(edges, jnp.int32))


def _measured_credit(moment: Moment, near: Measured, trace: PyTree):
    w = moving(moment.network, moment.w)
    g = _kept_credit(moment, w, near.blocks, trace)
    return g, near.advance(moment, w, trace)


def _kept_credit(
    moment: Moment, w: Params, near: Blocks, trace: Float[Array, "blocks reach fan"]
) -> Params:
    """ell_w + ell_x P."""
    _, unravel = ravel_pytree(w)
    part = unravel(near.credit(ravel_pytree(moment.c_x)[0], trace))
    return moment.c_w | {name: moment.c_w[name] + part[name] for name in w}


def _dtype(x: PyTree) -> Any:
    return jnp.result_type(*jax.tree.leaves(x))


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
