"""One pass over an acyclic digraph, level by level: every edge is used once.

Nodes are numbered by level here, so that W is strictly triangular and a pass is the
substitution with it. Nothing in this file is differentiated: `levels` knows that the
derivative of a pass is a pass.
"""

from abc import abstractmethod
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Shaped

from .._types import Array, Int, Neurons, PyTree
from .parts import AbstractPart, FlatEdges, RateOf, Rows, arriving, returned


class AbstractSweep(eqx.Module):
    """The two substitutions with W."""

    @abstractmethod
    def up(
        self,
        weight: FlatEdges,
        outer: Neurons,
        rate_of: RateOf,
        each: PyTree[Shaped[Array, "neurons"]],
    ) -> tuple[Neurons, Neurons]:
        """(total, rate): total = outer + W rate and rate = rate_of(total, each)."""

    @abstractmethod
    def down(
        self, weight: FlatEdges, slope: Neurons, a: Neurons, b: Neurons
    ) -> tuple[Neurons, Neurons]:
        """(p, q): q = b + W^T p and p = a + slope q."""


class Unrolled(AbstractSweep):
    """Few parts, one after the other; `edges` sorts the weights where they are not."""

    edges: Int[Array, "edges"] | None
    parts: tuple[AbstractPart, ...]

    def up(self, weight, outer, rate_of, each):
        weight, total, rate = self._sorted(weight), outer, jnp.zeros_like(outer)
        for part in self.parts:
            total, rate = part.up(weight, total, rate, rate_of, each)
        return total, rate

    def down(self, weight, slope, a, b):
        weight, p, q = self._sorted(weight), jnp.zeros_like(a), b
        for part in reversed(self.parts):
            p, q = part.down(weight, slope, a, p, q)
        return p, q

    def _sorted(self, weight):
        return weight if self.edges is None else weight[self.edges]


class Scanned(AbstractSweep):
    """Many levels of any kind: one loop over stretches of edges and of nodes.

    Edges stand in rows of one receiver each; where a row has ended, its sender is the
    number of nodes, which is none of them. A step reads `rows_at_once` rows from
    `steps[:, 0]` on, of which those between `steps[:, 1]` and `steps[:, 2]` count, and
    `nodes_at_once` nodes from `steps[:, 3]` on, or the last ones. A node that is early
    in a step comes again when it is due, before an edge reads it.
    """

    edges: Rows
    senders: Rows
    receivers: Int[Array, "rows"]
    steps: Int[Array, "steps 4"]
    rows_at_once: int = eqx.field(static=True)
    nodes_at_once: int = eqx.field(static=True)

    def up(self, weight, outer, rate_of, each):
        weight = weight[self.edges]

        def step(carry, at):
            total, rate = carry
            rows, nodes, senders = self._at(at, len(outer))
            arrived = arriving(rows(weight), rate, senders)
            to = total.at[rows(self.receivers)]
            total = to.add(arrived, indices_are_sorted=True)
            now = rate_of(nodes(total), jax.tree.map(nodes, each))
            return (total, jax.lax.dynamic_update_slice(rate, now, (at[3],))), None

        return jax.lax.scan(step, (outer, jnp.zeros_like(outer)), self.steps)[0]

    def down(self, weight, slope, a, b):
        weight = weight[self.edges]

        def step(carry, at):
            p, q = carry
            rows, nodes, senders = self._at(at, len(a))
            now = nodes(a) + nodes(slope) * nodes(q)
            p = jax.lax.dynamic_update_slice(p, now, (at[3],))
            sent = p[rows(self.receivers)]
            return (p, returned(rows(weight), sent, q, senders)), None

        start = (jnp.zeros_like(a), b)
        return jax.lax.scan(step, start, self.steps, reverse=True)[0]

    def _at(self, at, none):
        cut = jax.lax.dynamic_slice_in_dim
        rows = partial(cut, start_index=at[0], slice_size=self.rows_at_once)
        nodes = partial(cut, start_index=at[3], slice_size=self.nodes_at_once)
        number = at[0] + jnp.arange(self.rows_at_once, dtype=at.dtype)
        due = (number >= at[1]) & (number < at[2])
        return rows, nodes, jnp.where(due[:, None], rows(self.senders), none)
