"""Sweeps over an acyclic digraph: every edge used once, no step of delay."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Edges, Int, Neurons
from .digraph import Digraph
from .nodes import NodeSet


class Level(eqx.Module):
    """The nodes of one level of a digraph and the edges that arrive there."""

    nodes: NodeSet
    edges: NodeSet | None
    senders: NodeSet | None
    receivers: Int[Array, "edges"] | None

    def receive(self, total: Neurons, weight: Edges, rate: Neurons) -> Neurons:
        """`total` with sum_j w_ij r_j added at the nodes of this level."""
        if self.edges is None:
            return total
        return self.nodes.add(total, self._sum(weight, rate))

    def send_back(
        self, s: Neurons, weight: Edges, error: Neurons, slope: Neurons
    ) -> Neurons:
        """`s` with slope_j sum_i w_ij error_i over the nodes i of this level added."""
        if self.edges is None:
            return s
        back = jax.linear_transpose(lambda rate: self._sum(weight, rate), s)
        return s + slope * back(self.nodes.take(error))[0]

    def put(self, value: Neurons, part: Array) -> Neurons:
        """`value`, which is zero at the nodes of this level, with `part` there."""
        return self.nodes.add(value, part)

    def _sum(self, weight: Edges, rate: Neurons) -> Array:
        assert self.edges is not None
        assert self.senders is not None
        weights = self.edges.take(weight.reshape(-1))
        if self.receivers is None:  # all of `senders` send to all of `nodes`
            matrix = weights.reshape(self.nodes.size, self.senders.size)
            return matrix @ self.senders.take(rate)
        return jax.ops.segment_sum(
            weights * self.senders.take(rate),
            self.receivers,
            num_segments=self.nodes.size,
            indices_are_sorted=True,
        )


def levels_of(graph: Digraph) -> tuple[Level, ...] | None:
    """The levels in the order of a forward sweep, None where there is a cycle."""
    level = graph.levels()
    if level is None:
        return None
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    return tuple(
        _level(np.flatnonzero(level == k), level[receivers] == k, senders, receivers)
        for k in range(int(level.max()) + 1)
    )


def _level(nodes, arriving, senders, receivers) -> Level:
    edges = np.flatnonzero(arriving)
    if edges.size == 0:
        return Level(NodeSet(nodes), None, None, None)
    to = np.searchsorted(nodes, receivers[edges])
    sources = np.unique(senders[edges])
    if edges.size == nodes.size * sources.size:
        return Level(NodeSet(nodes), NodeSet(edges), NodeSet(sources), None)
    ends = NodeSet(senders[edges])
    return Level(NodeSet(nodes), NodeSet(edges), ends, jnp.asarray(to, jnp.int32))
