"""The edges of a digraph as sorted arrays, before they go to JAX: all of it NumPy."""

from typing import Any

import numpy as np

from .. import _checks
from .._types import Int

_NARROW = 8  # so few nodes at once are faster one by one than in arrays


def sorted_edges(
    num_nodes: int, senders: Any, receivers: Any
) -> tuple[Int[np.ndarray, "edges"], Int[np.ndarray, "edges"]]:
    """Checked edges (senders, receivers) as int32, by receiver, then by sender."""
    _checks.at_least("num_nodes", num_nodes, 1)
    senders = _checks.real("senders", senders, "node number")
    receivers = _checks.real("receivers", receivers, "node number")
    _check_nodes("senders", senders, num_nodes)
    _check_nodes("receivers", receivers, num_nodes)
    _checks.shape("receivers", receivers, senders.shape)
    # One integer an edge: its sorting brings no permutation, which nobody needs.
    edge = receivers.astype(np.int64) * num_nodes + senders.astype(np.int64)
    if np.any(edge[1:] < edge[:-1]):
        edge.sort()
        receivers, senders = np.divmod(edge, num_nodes)
    twice = edge[1:] == edge[:-1]
    if twice.any():
        i, j = divmod(int(edge[np.argmax(twice)]), num_nodes)
        _checks.reject("senders", "without repeated edges", f"holding {j} -> {i} twice")
    return senders.astype(np.int32), receivers.astype(np.int32)


def distinct_draws(
    rng: np.random.Generator,
    choices: Int[np.ndarray, "nodes"],
    degree: Int[np.ndarray, "nodes"],
) -> Int[np.ndarray, "edges"]:
    """`degree[i]` distinct numbers below `choices[i]` for every i, each i's sorted."""
    owner = np.repeat(np.arange(choices.size), degree)
    draws = rng.integers(0, np.maximum(choices, 1)[owner])
    start = np.cumsum(degree) - degree
    for i in np.flatnonzero(4 * degree > choices):  # too crowded to draw and reject
        chosen = rng.permutation(choices[i])[: degree[i]]
        draws[start[i] : start[i] + degree[i]] = chosen
    size = int(choices.max(initial=1))
    key = np.sort(owner * size + draws)
    while (again := 1 + np.flatnonzero(key[1:] == key[:-1])).size:
        owned = key[again] // size
        key[again] = owned * size + rng.integers(0, choices[owned])
        key.sort(kind="stable")  # quick where nearly all is in order
    return key - owner * size


def longest_paths(
    num_nodes: int,
    senders: Int[np.ndarray, "edges"],
    receivers: Int[np.ndarray, "edges"],
) -> Int[np.ndarray, "nodes"] | None:
    """For every node the longest path that leads to it, or None with a cycle.

    Kahn's algorithm, one level after another, O(nodes + edges).
    """
    missing = np.bincount(receivers, minlength=num_nodes)
    ready = np.flatnonzero(missing == 0)
    if ready.size == 0:
        return None
    first, heirs = _by_sender(num_nodes, senders, receivers)
    level = np.zeros(num_nodes, dtype=np.int32)
    depth = visited = 0
    while len(ready):
        level[ready] = depth
        visited, depth = visited + len(ready), depth + 1
        freed = _freed_one_by_one if len(ready) <= _NARROW else _freed_at_once
        ready = freed(ready, first, heirs, missing)
    return level if visited == num_nodes else None


def _by_sender(num_nodes, senders, receivers):
    """The receivers by sender: those of node j are heirs[first[j] : first[j + 1]]."""
    from scipy.sparse import csr_array

    heard = np.cumsum(np.bincount(receivers + 1, minlength=num_nodes + 1))
    shape = (num_nodes, num_nodes)
    rows = csr_array((np.ones(senders.size, bool), senders, heard), shape=shape)
    columns = rows.tocsc()
    return columns.indptr, columns.indices


def _freed_at_once(ready, first, heirs, missing):
    """Nodes that have heard all their parents once those in `ready` are done."""
    ready = np.asarray(ready)
    counts = first[ready + 1] - first[ready]
    runs = np.repeat(first[ready] - np.cumsum(counts) + counts, counts)
    reached = heirs[runs + np.arange(runs.size)]
    np.subtract.at(missing, reached, 1)
    return np.unique(reached[missing[reached] == 0])


def _freed_one_by_one(ready, first, heirs, missing):
    freed = []
    for node in ready:
        reached = heirs[first[node] : first[node + 1]]
        if reached.size > _NARROW:
            missing[reached] -= 1
            freed += reached[missing[reached] == 0].tolist()
            continue
        for heir in reached.tolist():
            missing[heir] -= 1
            if missing[heir] == 0:
                freed.append(heir)
    return freed


def _check_nodes(name, nodes, num_nodes):
    _checks.shape(name, nodes, ("edges",))
    if nodes.size == 0:
        _checks.reject(name, "non-empty: a network needs an edge", "empty")
    if not np.issubdtype(nodes.dtype, np.integer):
        _checks.reject(name, "integers", f"of type {nodes.dtype}")
    if nodes.min() < 0 or nodes.max() >= num_nodes:
        k = int(np.argmax((nodes < 0) | (nodes >= num_nodes)))
        wanted = f"nodes between 0 and {num_nodes - 1}"
        _checks.reject(name, wanted, f"{int(nodes[k])} at index {k}")
