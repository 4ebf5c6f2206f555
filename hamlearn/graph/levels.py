"""Sweeps over an acyclic digraph: every edge used once, no step of delay."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, Edges, Int, Neurons, PyTree, Shaped
from .digraph import Digraph
from .parts import RateOf
from .plan import sweep_of
from .sweeps import AbstractSweep


class Levels(eqx.Module):
    """An acyclic digraph in the order of a forward sweep.

    `forward` solves total = outer + W rate, rate = rate_of(total), from the sources
    up; `backward` its transpose, from the leaves down. Each is O(nodes + edges), one
    program whatever the depth, and so are their derivatives of any order: the tangent
    of a sweep is a sweep with the slopes, its transpose a sweep the other way.
    """

    nodes: Int[Array, "neurons"] | None
    place: Int[Array, "neurons"] | None
    sweep: AbstractSweep

    def forward(
        self,
        graph: Digraph,
        weight: Edges,
        outer: Neurons,
        rate_of: RateOf,
        each: PyTree[Shaped[Array, "neurons"]],
    ) -> tuple[Neurons, Neurons]:
        """(total, rate): total_i = outer_i + sum_j w_ij rate_j, rate = rate_of(total).

        **Arguments:**

        - `graph`: the digraph that these are the levels of.
        - `outer`: what arrives from outside, one number per neuron.
        - `rate_of`: called as `rate_of(total, each)`, elementwise; it closes over no
          array that is differentiated: such go into `each`.
        - `each`: further arrays, with one entry per neuron each.
        """
        return _forward(self, graph, rate_of, weight, outer, each)

    def backward(
        self, graph: Digraph, weight: Edges, slope: Neurons, a: Neurons, b: Neurons
    ) -> tuple[Neurons, Neurons]:
        """(p, q): q_j = b_j + sum_i w_ij p_i and p = a + slope q."""
        back = graph.back(weight)
        up, down = self._solvers(weight, slope)
        return _solved(lambda p, q: (p - slope * q, q - back(p)), down, up, a, b)

    def tangent(
        self, graph: Digraph, weight: Edges, slope: Neurons, a: Neurons, b: Neurons
    ) -> tuple[Neurons, Neurons]:
        """(y, r): y_i = a_i + sum_j w_ij r_j and r = b + slope y, as of `forward`."""
        send = partial(graph.aggregate, weight)
        up, down = self._solvers(weight, slope)
        return _solved(lambda y, r: (y - send(r), r - slope * y), up, down, a, b)

    def by_level(self, values: PyTree[Shaped[Array, "neurons"]]) -> PyTree:
        """`values` in the order of the sweep."""
        chosen = self.nodes
        return values if chosen is None else jax.tree.map(lambda v: v[chosen], values)

    def by_node(self, values: PyTree[Shaped[Array, "neurons"]]) -> PyTree:
        """`values`, in the order of the sweep, in that of the graph."""
        chosen = self.place
        return values if chosen is None else jax.tree.map(lambda v: v[chosen], values)

    def _solvers(self, weight, slope):
        """(y, r) and (p, q) as functions of (a, b)."""
        up = lambda a, b: _up(self, weight, a, _affine, (slope, b))
        return up, partial(_down, self, weight, slope)


def levels_of(graph: Digraph) -> Levels | None:
    """The levels in the order of a forward sweep, None where there is a cycle."""
    level = graph.levels()
    if level is None:
        return None
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    if np.all(np.diff(level) >= 0):
        return Levels(None, None, sweep_of(level, senders, receivers, None))
    nodes = np.argsort(level, kind="stable")
    place = np.empty_like(nodes)
    place[nodes] = np.arange(nodes.size)
    senders, receivers = place[senders], place[receivers]
    edges = np.argsort(receivers * graph.num_nodes + senders)
    sweep = sweep_of(level[nodes], senders[edges], receivers[edges], edges)
    as_index = lambda a: jnp.asarray(a, jnp.int32)
    return Levels(as_index(nodes), as_index(place), sweep)


# Compiled once where they are called outside of a compiled function.
@eqx.filter_jit
def _up(levels, weight, outer, rate_of, each):
    outer, each = levels.by_level((outer, each))
    return levels.by_node(levels.sweep.up(weight.reshape(-1), outer, rate_of, each))


@eqx.filter_jit
def _down(levels, weight, slope, a, b):
    given = levels.by_level((slope, a, b))
    return levels.by_node(levels.sweep.down(weight.reshape(-1), *given))


@eqx.filter_custom_jvp
def _forward(levels, graph, rate_of, weight, outer, each):
    del graph  # for the derivative
    return _up(levels, weight, outer, rate_of, each)


@_forward.def_jvp
def _forward_tangent(primals, tangents):
    levels, graph, rate_of, weight, _, each = primals
    *_, d_weight, d_outer, d_each = tangents
    total, rate = _forward(*primals)
    slope, slopes = _slopes(rate_of, total, each)
    a = jnp.zeros_like(total) if d_outer is None else d_outer
    if d_weight is not None:
        a = a + graph.aggregate(d_weight, graph.once(rate))
    moved = lambda d, slope: None if d is None else d * slope
    parts = jax.tree.map(moved, d_each, slopes, is_leaf=lambda leaf: leaf is None)
    b = sum(jax.tree.leaves(parts), jnp.zeros_like(total))
    return (total, rate), levels.tangent(graph, weight, slope, a, b)


def _slopes(rate_of, total, each):
    """d rate/d total and d rate/d each, elementwise.

    By reverse mode, which functions with a `custom_vjp` have too.
    """
    moving, still = eqx.partition(each, eqx.is_inexact_array)
    rate = lambda total, moving: rate_of(total, eqx.combine(moving, still))
    _, back = jax.vjp(rate, total, moving)
    return back(jnp.ones_like(total))


def _affine(total, slope_and_rest):
    slope, rest = slope_and_rest
    return slope * total + rest


def _solved(system, solve, transpose_solve, a, b):
    """The pair of arrays that the linear `system` maps to (a, b)."""
    # As one array: of two JAX transposes a solution only where both are linear.
    stacked = lambda f, ab: jnp.stack(f(ab[0], ab[1]))
    both = jax.lax.custom_linear_solve(
        partial(stacked, system),
        jnp.stack([a, b]),
        solve=lambda _, ab: stacked(solve, ab),
        transpose_solve=lambda _, ab: stacked(transpose_solve, ab),
    )
    return both[0], both[1]
