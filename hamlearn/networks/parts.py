"""What networks are made of, and what their parts have to be."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from .._types import Array, Edges, Float, PyTree
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


def checked_map(name: str, function: Any, heard: Any, *more: Any, of: str) -> None:
    """`function` makes one vector of what it hears; runs no number through it.

    What it raises whatever it hears is its own error, and passes.

    **Arguments:** `heard`, `more`: shapes and types; `of`: what is heard, in words.

    **Raises:** `ValueError` where it hears another number, and for another return.
    """
    call = lambda heard: eqx.filter_eval_shape(function, heard, *more)
    try:
        made = call(heard)
    except (TypeError, ValueError):
        other = other_size(call, heard, function)
        if other is None:
            raise
        _checks.reject(name, f"of {heard.shape[-1]} inputs, {of}", f"of {other}")
    if not isinstance(made, jax.ShapeDtypeStruct) or len(made.shape) != 1:
        got = f"returning {jax.tree.map(jnp.shape, made)}"
        _checks.reject(name, "returning one vector", got)


def other_size(call: Callable[[Any], Any], heard: Any, owner: PyTree) -> int | None:
    """How many numbers `call` would hear in place of those of `heard`, along the last
    axis; None where it fails with any. Tried are sizes of arrays in `owner`, and
    small ones."""
    arrays = filter(eqx.is_array, jax.tree.leaves(owner))
    sizes = dict.fromkeys([*(n for a in arrays for n in a.shape), *range(65)])
    for size in sizes:
        shape = (*heard.shape[:-1], size)
        if shape == heard.shape:
            continue
        try:
            call(jax.ShapeDtypeStruct(shape, heard.dtype))
        except (TypeError, ValueError):
            continue
        return size
    return None


def vector(name: str, value: Any) -> Float[Array, "neurons"]:
    """`value` as finite numbers of a floating-point type along one axis."""
    _checks.finite(name, value)
    _checks.shape(name, value, ("neurons",))
    if np.size(value) == 0:
        _checks.reject(name, "of at least one neuron", "empty")
    value = value if isinstance(value, Tracer) else _checks.real(name, value)
    array = jnp.asarray(value)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def drawn_poles(
    key: Array,
    modes: int,
    time_constant: tuple[float, float],
    phase: float,
    classes: int | None,
) -> tuple[Float[Array, "poles"], Float[Array, "poles"]]:
    """(time constants, radians per time constant) of complex modes.

    Of every mode at random, log-uniform between the two and uniform up to pi phase; or
    of every class evenly over log time constants, longest first, and pi phase/2.
    """
    _checks.shape("time_constant", time_constant, (2,))
    _checks.positive("time_constant", time_constant)
    _checks.positive("phase", phase)
    _checks.shape("phase", phase, ())
    shortest, longest = time_constant
    if classes is not None:
        tau = jnp.asarray(np.geomspace(longest, shortest, classes))
        return tau, jnp.full(classes, np.pi * phase / 2)
    a, b = jax.random.split(key)
    span = jax.random.uniform(a, (modes,)) * np.log(longest / shortest)
    turn = jax.random.uniform(b, (modes,), minval=1e-3)
    return shortest * jnp.exp(span), np.pi * phase * turn
