"""The quickest sweep for a digraph whose nodes are numbered by level."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from .._types import Int
from .parts import AbstractPart, Block, Loose, Run, Sources
from .sweeps import AbstractSweep, Scanned, Unrolled

_LONG = 8  # as many levels alike are worth a loop
_LOOSE, _BLOCKS = 8, 32  # more parts than this take long to compile one by one
_SHORT = 32  # rows or nodes that take no longer than the rest of a step of a loop
_ROW = 4  # edges that take as long as what comes with each row of edges


class _Plan(NamedTuple):
    """Where the nodes and edges of each level begin, and the stretch that it hears."""

    node: Int[np.ndarray, "bounds"]
    edge: Int[np.ndarray, "bounds"]
    low: Int[np.ndarray, "levels"]
    high: Int[np.ndarray, "levels"]
    senders: Int[np.ndarray, "edges"]
    receivers: Int[np.ndarray, "edges"]


def sweep_of(
    level: Int[np.ndarray, "neurons"],
    senders: Int[np.ndarray, "edges"],
    receivers: Int[np.ndarray, "edges"],
    order: Int[np.ndarray, "edges"] | None,
) -> AbstractSweep:
    """A sweep for nodes of rising `level` and edges by receiver, then by sender.

    **Arguments:** `order`: the place of each edge among the weights, if another one.
    """
    plan = _plan(level, senders, receivers)
    whole = np.diff(plan.edge) == np.diff(plan.node) * (plan.high - plan.low)
    starts = _starts(plan, whole)
    if starts.size > (_BLOCKS if whole.all() else _LOOSE):
        return _scanned(plan, order)
    pairs = zip(starts, [*starts[1:], whole.size], strict=True)
    parts = tuple(_part(plan, *pair, whole[pair[0]]) for pair in pairs)
    return Unrolled(None if order is None else _array(order), parts)


def _plan(level, senders, receivers) -> _Plan:
    width = np.bincount(level)
    count = np.bincount(level[receivers], minlength=width.size)
    node, edge = (np.concatenate([[0], np.cumsum(size)]) for size in (width, count))
    low, high = np.zeros_like(width), np.zeros_like(width)
    low[1:] = np.minimum.reduceat(senders, edge[1:-1])
    high[1:] = np.maximum.reduceat(senders, edge[1:-1]) + 1
    return _Plan(node, edge, low, high, senders, receivers)


def _starts(plan, whole):
    """The first level of each part: one level, or a long stretch of equal ones."""
    width = np.diff(plan.node)
    alike = whole & (plan.high == plan.node[:-1]) & (plan.high - plan.low == width)
    alike[0] = False
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(alike)) + 1])
    lengths = np.diff(bounds, append=width.size)
    first = np.repeat(~(alike[bounds] & (lengths >= _LONG)), lengths)
    first[bounds] = True
    return np.flatnonzero(first)


def _part(plan, start, stop, whole) -> AbstractPart:
    nodes = int(plan.node[start]), int(plan.node[stop])
    edges = int(plan.edge[start]), int(plan.edge[stop])
    if start == 0:
        return Sources(nodes)
    if stop - start > 1:
        return Run(nodes, edges, (nodes[1] - nodes[0]) // int(stop - start))
    if whole:
        return Block(nodes, edges, (int(plan.low[start]), int(plan.high[start])))
    here = slice(*edges)
    table, receivers = _rows(plan.receivers[here])
    heard = _heard(plan, table, here)
    return Loose(nodes, *map(_array, (table + edges[0], heard, receivers)))


def _scanned(plan, order) -> Scanned:
    table, receivers = _rows(plan.receivers)
    level = np.searchsorted(plan.node, receivers, side="right") - 1
    width = np.diff(plan.node)
    rows = np.bincount(level, minlength=width.size)
    steps, rows_at_once, nodes_at_once = _steps(width, rows)
    return Scanned(
        edges=_array(table if order is None else order[table]),
        senders=_array(_heard(plan, table)),
        receivers=_array(receivers),
        steps=_array(steps),
        rows_at_once=rows_at_once,
        nodes_at_once=nodes_at_once,
    )


def _heard(plan, table, here=slice(None)):
    """The sender of each edge in rows, the number of nodes where a row has ended."""
    return np.where(table < 0, plan.node[-1], plan.senders[here][table])


def _rows(receivers):
    """Edges in rows of one receiver each, -1 where a row has ended; the receivers.

    Few long rows hold much that is empty, and many short ones cost by themselves.
    """
    owner, first, degree = np.unique(receivers, return_index=True, return_counts=True)
    kinds, many = np.unique(degree, return_counts=True)
    lengths = np.unique([*2 ** np.arange(12), kinds[0], kinds[-1], degree.mean()])
    lengths = np.unique(np.minimum(lengths.astype(int), kinds[-1]))
    cost = [np.sum(many * -(-kinds // k)) * (k + _ROW) for k in lengths]
    k = int(lengths[np.argmin(cost)])
    rows = -(-degree // k)
    own = np.repeat(np.arange(owner.size), rows)
    start = first[own] + k * (np.arange(own.size) - np.repeat(_before(rows), rows))
    edge = start[:, None] + np.arange(k)
    return np.where(edge < (first + degree)[own, None], edge, -1), owner[own]


def _steps(width, rows):
    """The steps of a loop over levels of `width` nodes and `rows` rows of edges."""
    mean = [-(-size.sum() // size.size) for size in (rows, width)]
    limits = zip(mean, (rows, width), strict=True)
    many_rows, many_nodes = (int(min(max(m, _SHORT), s.max())) for m, s in limits)
    # A level takes its edges, the last of them together with its first nodes.
    alone = np.maximum(-(-rows // many_rows), 1) - 1
    steps = alone - -width // many_nodes
    own = np.repeat(np.arange(width.size), steps)
    k = np.arange(own.size) - np.repeat(_before(steps), steps)
    row, node = _before(rows), _before(width)
    since = row[own] + np.minimum(k * many_rows, rows[own])
    until = row[own] + np.minimum((k + 1) * many_rows, rows[own])
    node = node[own] + np.maximum(k - alone[own], 0) * many_nodes
    read = np.minimum(since, rows.sum() - many_rows)
    return np.stack([read, since, until, node], axis=1), many_rows, many_nodes


def _before(sizes):
    return np.cumsum(sizes) - sizes


def _array(values):
    return jnp.asarray(values, jnp.int32)
