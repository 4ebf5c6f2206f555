"""Networks: parametric vector fields dx/dt = f(x, u) with a readout y = h(x, u)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Edges
from ..graph.digraph import Digraph


def default_input_nodes(graph: Digraph) -> np.ndarray:
    """The nodes without an incoming edge, or all where each has one."""
    _checks.known("graph", graph.receivers)
    sources = np.flatnonzero(np.asarray(graph.in_degree()) == 0)
    return sources if sources.size else np.arange(graph.num_nodes)


def initial_weight(graph: Digraph, gain: float, dtype: Any, key: Array) -> Edges:
    """w_ij ~ N(0, gain^2 / in-degree of i)."""
    degree = graph.in_degree()
    here = np if isinstance(degree, np.ndarray) else jnp  # a graph may be traced
    fan_in = degree[here.asarray(graph.receivers)].reshape(graph.edge_shape)
    scale = jnp.asarray(gain / here.sqrt(fan_in), dtype)
    return scale * jax.random.normal(key, graph.edge_shape, dtype)


def checked_nodes(name: str, nodes: Any, n: int) -> np.ndarray:
    """Distinct node numbers below n; an integer k stands for the last k nodes."""
    if _checks.whole(nodes):
        if not 1 <= nodes <= n:
            _checks.reject(name, f"between 1 and the number of nodes {n}", nodes)
        return np.arange(n - nodes, n)
    chosen = _checks.real(name, nodes, "node number")
    _checks.shape(name, chosen, ("nodes",))
    fits = chosen.size > 0 and np.issubdtype(chosen.dtype, np.integer)
    fits = fits and chosen.min() >= 0 and chosen.max() < n
    if not fits or np.unique(chosen).size < chosen.size:
        _checks.reject(name, f"distinct nodes between 0 and {n - 1}", nodes)
    return chosen


def checked_fields(names: Sequence[str], kind: type) -> tuple[str, ...]:
    """`names`, each of which must be a field of `kind`."""
    fields = kind.__dataclass_fields__
    several = isinstance(names, list | tuple | set | frozenset)
    for name in names if several else [names]:
        if not several or not isinstance(name, str) or name not in fields:
            _checks.reject("learn", f"names of fields of {kind.__name__}", name)
    return tuple(names)
