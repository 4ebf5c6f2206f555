"""Sparse n-step approximations of RTRL: only the nearest sensitivities are kept."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from .. import _checks
from .._types import Array, Float, Int, Params, PyTree
from ..action.action import Instant
from ..costates.window import number_of_inputs
from ..networks.base import AbstractNeurons
from ..networks.neurons import immediate, leaving_readout, own_weight, receivers, spread
from ..networks.partition import split
from .base import AbstractSensitivity, affordable, fits, with_state_part
from .layers import one_layer
from .pattern import Blocks, Measured, grouped, measured
from .units import UnitTraces


class Diagonal(AbstractSensitivity):
    """A weight into neuron i is followed in x_i alone.

        s_ij' = dx_i'/dx_i s_ij + dx_i'/dw_ij,   g_ij = ell_{x_i} s_ij

    with dx_i'/dx_i = leak_i + slope_i w_ii on rate neurons. One number per weight;
    exact when the recurrent weights are diagonal, and on a layer of units that do not
    hear each other, where it is `UnitTraces`. Where weights do not act on one neuron
    each it is `Sparse` of order 1.

    **Arguments:** `inputs`: how many the network has, where it does not say so itself.
    """

    inputs: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.inputs is not None:
            _checks.at_least("inputs", self.inputs, 0)

    def prepare(self, network, x, key):
        if network.neurons() is not None:
            return None
        if one_layer(network):
            return UnitTraces()
        return _measured(network, x, self.inputs, 1)

    def start(self, network, x, fixed):
        if isinstance(fixed, UnitTraces):
            return fixed.start(network, x, None)
        if fixed is not None:
            return fixed.blocks.empty(_dtype(x))
        w = leaving_readout(network, split(network)[0])
        return jax.tree.map(jnp.zeros_like, w)

    def step(self, instant, fixed, memory):
        if isinstance(fixed, UnitTraces):
            return fixed.step(instant, None, memory)
        if fixed is not None:
            return _measured_step(instant, fixed, memory)
        neurons, u = instant.network.neurons(), instant.u
        w = leaving_readout(neurons, instant.w)
        now = neurons.slopes(instant.x, u, instant.dt)
        own = now.leak + now.slope * now.felt(own_weight(neurons))
        fresh = immediate(instant.transition, instant.x, w)
        ell_x, keep = (spread(neurons, w, at, u) for at in (instant.ell_x, own))
        part = {name: ell_x[name] * memory[name] for name in w}
        trace = jax.tree.map(lambda d, s, m: d * s + m, keep, memory, fresh)
        return with_state_part(instant, part), trace


class Neighbourhoods(eqx.Module):
    """Blocks of a graph: for neuron i the weights into it and the nodes within reach.

    `edges` is the weight that joins each two nodes of a block, its last number
    standing for none; node i itself comes first.
    """

    blocks: Blocks
    edges: Int[Array, "n reach reach"]


class Sparse(AbstractSensitivity):
    """A weight is followed in all states that it soon reaches.

        P_{k+1} = mask * ((dx_{k+1}/dx_k) P_k + dx_{k+1}/dw),   g_k = ell_w + ell_x P_k

    The mask keeps the entries of dx/dw that `order` steps can make nonzero: in a
    network of neurons dx_k/dw_ij for the neurons k at most `order - 1` edges from i.
    Memory: the kept entries alone. Of a network that does not say itself what a
    weight reaches it is measured once, at random states, inputs and weights, by which
    of its derivatives are exactly zero.

    **Arguments:** `order`: n of SnAp-n; `inputs`: how many the network has, where it
    does not say so itself.

    Menick, Elsen, Evci, Osindero, Simonyan, Graves (2021), "Practical real time
    recurrent learning with a sparse approximation".
    """

    order: int = eqx.field(static=True)
    inputs: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        _checks.at_least("order", self.order, 1)
        if self.inputs is not None:
            _checks.at_least("inputs", self.inputs, 0)

    def prepare(self, network, x, key):
        if one_layer(network):
            return UnitTraces()
        if network.neurons() is None:
            return _measured(network, x, self.inputs, self.order)
        w = leaving_readout(network, split(network)[0])
        with jax.ensure_compile_time_eval():  # tables, also where weights are traced
            return neighbourhoods(network.neurons(), w, self.order)

    def start(self, network, x, fixed):
        if isinstance(fixed, UnitTraces):
            return fixed.start(network, x, None)
        return fixed.blocks.empty(_dtype(x))

    def step(self, instant, fixed, memory):
        if isinstance(fixed, UnitTraces):
            return fixed.step(instant, None, memory)
        if isinstance(fixed, Measured):
            return _measured_step(instant, fixed, memory)
        neurons, near = instant.network.neurons(), fixed.blocks
        w = leaving_readout(neurons, instant.w)
        g = _kept(instant, w, near, memory)
        now = neurons.slopes(instant.x, instant.u, instant.dt)
        weights = jnp.append(neurons.weight.reshape(-1), 0)
        ahead = now.felt(jnp.ones_like(now.leak))[near.nodes][:, None, :]
        jacobian = now.slope[near.nodes][:, :, None] * weights[fixed.edges] * ahead
        own = jax.vmap(jnp.diag)(jnp.where(near.real, now.leak[near.nodes], 0))
        fresh = ravel_pytree(immediate(instant.transition, instant.x, w))[0]
        trace = jnp.einsum("irs,isq->irq", jacobian + own, memory)
        return g, trace.at[:, 0].add(jnp.append(fresh, 0)[near.slots])


def neighbourhoods(network: AbstractNeurons, w: Params, order: int) -> Neighbourhoods:
    """The blocks of a network of neurons, followed over `order - 1` edges."""
    graph, n = network.graph, network.graph.num_nodes
    _checks.known("network.graph", (graph.senders, graph.receivers))
    senders, ends = np.asarray(graph.senders), np.asarray(graph.receivers)
    near, reach = [], 0
    for block in _reached(senders, ends, n, order - 1):
        near += block
        reach = max(reach, *(nodes.size for nodes in block))
        fits(f"SnAp-{order}", _needed(network, w, reach))
    affordable(f"SnAp-{order}", _needed(network, w, reach))
    rows = receivers(network, w)
    owner = np.concatenate([rows[name].ravel() for name in sorted(rows)])
    blocks = grouped(near, owner)
    nodes, real = np.asarray(blocks.nodes), np.asarray(blocks.real)
    # The weight of an edge, by its two ends.
    number = np.full((n, n), senders.size, np.int32)
    number[ends, senders] = np.arange(senders.size)
    both = real[:, :, None] & real[:, None, :]
    edges = np.where(both, number[nodes[:, :, None], nodes[:, None, :]], senders.size)
    return Neighbourhoods(blocks, jnp.asarray(edges, jnp.int32))


def _needed(network: AbstractNeurons, w: Params, reach: int) -> int:
    """Bytes of the tables and traces of SnAp-n where some neuron reaches so many."""
    graph, n = network.graph, network.graph.num_nodes
    fan = int(graph.in_degree().max(initial=0))
    weights = sum(leaf.size for leaf in w.values())
    traces = 2 * reach * max(n * fan, weights)  # the old and the new
    size = jnp.result_type(network.weight).itemsize
    return 4 * n**2 + n * reach**2 * (8 + 2 * size) + traces * size


def _measured(network: Any, x: PyTree, inputs: int | None, order: int) -> Measured:
    w = leaving_readout(network, split(network)[0])
    return measured(network, w, x, number_of_inputs(network, inputs), order)


def _measured_step(instant: Instant, near: Measured, trace: PyTree):
    w = leaving_readout(instant.network, instant.w)
    g = _kept(instant, w, near.blocks, trace)
    return g, near.advance(instant, w, trace)


def _kept(
    instant: Instant, w: Params, near: Blocks, trace: Float[Array, "blocks reach fan"]
) -> Params:
    """ell_w + ell_x P."""
    _, unravel = ravel_pytree(w)
    part = unravel(near.credit(ravel_pytree(instant.ell_x)[0], trace))
    return with_state_part(instant, part)


def _dtype(x: PyTree) -> Any:
    return jnp.result_type(*jax.tree.leaves(x))


def _reached(senders, receivers, n: int, hops: int) -> Iterator[list[np.ndarray]]:
    """The nodes at most `hops` edges from each, itself first, for some at a time."""
    from scipy.sparse import csr_array, eye_array

    itself: Any = csr_array(eye_array(n, dtype=int))
    ones = np.ones(senders.size, np.int32)
    edges = csr_array((ones, (senders, receivers)), shape=(n, n))
    step = itself + edges
    for start in range(0, n, _ROWS):
        rows: Any = itself[start : start + _ROWS]
        for _ in range(hops):
            rows = rows @ step
            rows.data[:] = 1  # whether there is a way, not how many
        rows.sort_indices()
        found = np.split(rows.indices, rows.indptr[1:-1])
        yield [
            np.concatenate([[start + k], nodes[nodes != start + k]])
            for k, nodes in enumerate(found)
        ]


_ROWS = 256  # nodes whose neighbours are sought at once
