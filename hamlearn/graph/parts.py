"""Levels of an acyclic digraph as parts of a sweep, each of the form it is quickest in.

Nodes are numbered by level here and edges sorted by receiver, then by sender, so that
what belongs to one part is one stretch of every array. A part takes its step of a sweep
up, total = outer + W rate and rate = rate_of(total, each), from what is before it; and
of the sweep down, q = b + W^T p and p = a + slope q, from what is after it.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Shaped

from .._types import Array, Float, Int, Neurons, PyTree

#: Rates from what arrives and from numbers of the neurons, elementwise.
RateOf = Callable[[Array, PyTree], Array]
Span = tuple[int, int]
FlatEdges = Float[Array, "edges"]
Rows = Int[Array, "rows width"]


class AbstractPart(eqx.Module):
    """One level or several in a row."""

    nodes: eqx.AbstractVar[Span]

    @abstractmethod
    def up(
        self,
        weight: FlatEdges,
        total: Neurons,
        rate: Neurons,
        rate_of: RateOf,
        each: PyTree[Shaped[Array, "neurons"]],
    ) -> tuple[Neurons, Neurons]:
        """`total`, so far `outer`, and `rate` with the numbers of this part."""

    @abstractmethod
    def down(
        self, weight: FlatEdges, slope: Neurons, a: Neurons, p: Neurons, q: Neurons
    ) -> tuple[Neurons, Neurons]:
        """`p` with the numbers of this part, `q` with what it sends to those before."""


class Sources(AbstractPart):
    """Nodes that hear nobody."""

    nodes: Span = eqx.field(static=True)

    def up(self, weight, total, rate, rate_of, each):
        return total, _rated(self.nodes, total, rate, rate_of, each)

    def down(self, weight, slope, a, p, q):
        return _closed(self.nodes, slope, a, p, q), q


class Block(AbstractPart):
    """A level that hears all of one stretch of nodes: one product."""

    nodes: Span = eqx.field(static=True)
    edges: Span = eqx.field(static=True)
    senders: Span = eqx.field(static=True)

    def up(self, weight, total, rate, rate_of, each):
        lack = _lack(self._matrix(weight), _cut(self.senders, rate))
        total = _put(self.nodes, total, _cut(self.nodes, total) - lack)
        return total, _rated(self.nodes, total, rate, rate_of, each)

    def down(self, weight, slope, a, p, q):
        p = _closed(self.nodes, slope, a, p, q)
        sent = _row_times(_cut(self.nodes, p), self._matrix(weight))
        return p, _put(self.senders, q, _cut(self.senders, q) + sent)

    def _matrix(self, weight):
        heard = self.senders[1] - self.senders[0]
        return _cut(self.edges, weight).reshape(-1, heard)


class Run(AbstractPart):
    """Many levels of one width, each hearing all of the one before: one loop."""

    nodes: Span = eqx.field(static=True)
    edges: Span = eqx.field(static=True)
    width: int = eqx.field(static=True)

    def up(self, weight, total, rate, rate_of, each):
        def step(before, level):
            matrix, outer, each = level
            total = outer - _lack(matrix, before)
            now = rate_of(total, each)
            return now, (total, now)

        levels = (self._matrices(weight), *jax.tree.map(self._rows, (total, each)))
        _, new = jax.lax.scan(step, _cut(self._heard, rate), levels)
        here = [part.reshape(-1) for part in new]
        return _put(self.nodes, total, here[0]), _put(self.nodes, rate, here[1])

    def down(self, weight, slope, a, p, q):
        def step(above, level):
            matrix, slope, a, b = level
            q = b + above
            p = a + slope * q
            return _row_times(p, matrix), (p, q)

        levels = (self._matrices(weight), *map(self._rows, (slope, a, q)))
        last = jnp.zeros(self.width, q.dtype)
        sent, new = jax.lax.scan(step, last, levels, reverse=True)
        here = [part.reshape(-1) for part in new]
        p, q = _put(self.nodes, p, here[0]), _put(self.nodes, q, here[1])
        return p, _put(self._heard, q, _cut(self._heard, q) + sent)

    @property
    def _heard(self):
        return (self.nodes[0] - self.width, self.nodes[0])

    def _rows(self, value):
        return _cut(self.nodes, value).reshape(-1, self.width)

    def _matrices(self, weight):
        return _cut(self.edges, weight).reshape(-1, self.width, self.width)


class Loose(AbstractPart):
    """A level with any edges, in rows of one receiver each.

    Where a row has ended, its sender is the number of nodes, which is none of them.
    """

    nodes: Span = eqx.field(static=True)
    edges: Rows
    senders: Rows
    receivers: Int[Array, "rows"]

    def up(self, weight, total, rate, rate_of, each):
        arrived = arriving(weight[self.edges], rate, self.senders)
        total = total.at[self.receivers].add(arrived, indices_are_sorted=True)
        return total, _rated(self.nodes, total, rate, rate_of, each)

    def down(self, weight, slope, a, p, q):
        p = _closed(self.nodes, slope, a, p, q)
        return p, returned(weight[self.edges], p[self.receivers], q, self.senders)


def arriving(
    weight: Float[Array, "rows width"], rate: Neurons, senders: Rows
) -> Float[Array, "rows"]:
    """What arrives by each row of edges, from senders that there are."""
    # Rows, and not a sum over segments, where each addition waits for the last one.
    terms = weight * rate[senders]
    return jnp.sum(jnp.where(senders < rate.size, terms, jnp.zeros_like(terms)), axis=1)


def returned(
    weight: Float[Array, "rows width"],
    p: Float[Array, "rows"],
    q: Neurons,
    senders: Rows,
) -> Neurons:
    """`q` with what the receivers of the rows send back, to senders that there are."""
    return q.at[senders].add(weight * p[:, None], mode="drop")


def _lack(
    matrix: Float[Array, "nodes senders"], rate: Float[Array, "senders"]
) -> Float[Array, "nodes"]:
    """-M r, to be subtracted.

    On a CPU XLA joins a product with what it is added to, and for that copies a matrix
    that was cut out of a longer array: a third of the speed (jaxlib 0.10.1). It does
    not join it with what it is subtracted from.
    """
    return matrix @ -rate


@jax.custom_batching.custom_vmap
def _row_times(
    p: Float[Array, "nodes"], matrix: Float[Array, "nodes senders"]
) -> Float[Array, "senders"]:
    """p^T M, row by row.

    Of a product of one vector with a matrix that was cut out of a longer array XLA
    makes a strided loop on a CPU, ten times as slow (jaxlib 0.10.1); not of many.
    """
    return jnp.sum(p[:, None] * matrix, axis=0)


@_row_times.def_vmap
def _many_times(size, batched, p, matrix):
    axes = [0 if many else None for many in batched]
    return jax.vmap(jnp.matmul, axes, axis_size=size)(p, matrix), True


def _cut(span: Span, value: Array) -> Array:
    return value[slice(*span)]


def _put(span: Span, value: Array, part: Array) -> Array:
    return value.at[slice(*span)].set(part)


def _rated(nodes, total, rate, rate_of, each):
    here = partial(_cut, nodes)
    return _put(nodes, rate, rate_of(here(total), jax.tree.map(here, each)))


def _closed(nodes, slope, a, p, q):
    here = partial(_cut, nodes)
    return _put(nodes, p, here(a) + here(slope) * here(q))
