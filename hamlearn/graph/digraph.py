"""Directed graphs that carry networks."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Inexact

from .. import _checks
from .._types import Array, Edges, Int, Key, Neurons, Values
from .aggregation import (
    AbstractAggregation,
    Dense,
    DenseWithoutLoops,
    EvenLayers,
    Layered,
    Rows,
    Segments,
    once,
)
from .edges import longest_paths, sorted_edges
from .families import anywhere, between_layers, of_file, small_world, thin_layers

if TYPE_CHECKING:
    import networkx

_MANY_LAYERS = 64


class Digraph(eqx.Module):
    """A digraph with nodes 0 ... n-1 and edges j -> i, sorted by receiver i.

    Edge weights live outside the graph, in one array of shape `edge_shape` that
    holds them in the order of `senders` and `receivers`. `aggregate` computes
    s_i = sum_j w_ij v_j in the fastest exact form for the graph; the repr says which.

    **Arguments:**

    - `num_nodes`: n >= 1.
    - `senders`, `receivers`: for every edge its source j and its target i; any
      order (they are stored sorted by receiver, then by sender).

    **Example:**

        >>> import hamlearn as hl
        >>> hl.Digraph.layered([2, 3, 1])
        Digraph(6 nodes, 9 edges, 2 block products)

    **Raises:** `ValueError` for an empty graph, a node out of range, a repeated
    edge, or arrays of different length.
    """

    num_nodes: int = eqx.field(static=True)
    senders: Int[Array, "edges"]
    receivers: Int[Array, "edges"]
    node_levels: Int[Array, "neurons"] | None
    longest_path: int | None = eqx.field(static=True)
    aggregation: AbstractAggregation

    def __init__(self, num_nodes: int, senders: Values, receivers: Values):
        ends = sorted_edges(num_nodes, senders, receivers)
        level = longest_paths(num_nodes, *ends)
        self.num_nodes = int(num_nodes)
        with jax.ensure_compile_time_eval():  # a graph is known, also inside `jit`
            self.senders, self.receivers = map(jnp.asarray, ends)
            self.node_levels = None if level is None else jnp.asarray(level)
            self.longest_path = None if level is None else int(level.max())
            self.aggregation = _fastest(self, *ends)

    @classmethod
    def complete(cls, num_nodes: int, *, self_loops: bool) -> "Digraph":
        """Every node sends to every node, to itself only with `self_loops`."""
        _checks.at_least("num_nodes", num_nodes, 1 if self_loops else 2)
        _room_for("num_nodes", num_nodes**2)
        receivers, senders = np.divmod(np.arange(num_nodes**2), num_nodes)
        keep = slice(None) if self_loops else receivers != senders
        return cls(num_nodes, senders[keep], receivers[keep])

    @classmethod
    def layered(
        cls,
        sizes: Sequence[int],
        *,
        in_degree: int | None = None,
        key: Key | None = None,
    ) -> "Digraph":
        """Layers of the given sizes, each sending to all of the next.

        With `in_degree` a node hears only so many of the layer before, drawn with
        `key` uniformly without repetition, all of them where there are fewer.
        """
        if np.ndim(_checks.real("sizes", sizes, "layer size")) != 1 or len(sizes) < 2:
            _checks.reject("sizes", "at least two layer sizes", _checks.shown(sizes))
        for size in sizes:
            _checks.at_least("sizes", size, 1)
        if in_degree is not None:
            _checks.at_least("in_degree", in_degree, 1)
            edges = thin_layers(sizes, in_degree, _generator(key))
            return cls(int(np.sum(sizes)), *edges)
        _room_for("sizes", sum(int(a) * int(b) for a, b in pairwise(sizes)))
        graph = cls(int(np.sum(sizes)), *between_layers(sizes))
        blocks = _blocks(sizes)
        if blocks is None:
            return graph
        return eqx.tree_at(lambda g: g.aggregation, graph, blocks)

    @classmethod
    def random(
        cls, num_nodes: int, *, in_degree: int, acyclic: bool = False, key: Array
    ) -> "Digraph":
        """Every node hears `in_degree` others, drawn uniformly without repetition.

        With `acyclic` a node hears only nodes of lower index, all of them where
        there are fewer than `in_degree`.
        """
        _check_degree(num_nodes, in_degree)
        edges = anywhere(num_nodes, in_degree, acyclic, _generator(key))
        return cls(num_nodes, *edges)

    @classmethod
    def small_world(
        cls, num_nodes: int, *, in_degree: int, rewired: float = 0.1, key: Array
    ) -> "Digraph":
        """Every node hears its nearest neighbours on a ring, but for chance.

        A neighbour is replaced with probability `rewired` by a node that is none,
        drawn uniformly without repetition; every node keeps `in_degree` edges.

        Watts & Strogatz (1998), "Collective dynamics of small-world networks", with
        directed edges.
        """
        _check_degree(num_nodes, in_degree)
        _checks.non_negative("rewired", rewired)
        _checks.shape("rewired", rewired, ())
        if rewired > 1 or (rewired > 0 and num_nodes <= 2 * in_degree):
            wanted = "at most 1, and 0 unless half of the nodes are no neighbours"
            _checks.reject("rewired", wanted, rewired)
        return cls(
            num_nodes, *small_world(num_nodes, in_degree, rewired, _generator(key))
        )

    @classmethod
    def from_file(cls, path: str | Path, *, num_nodes: int | None = None) -> "Digraph":
        """The graph of a list of edges: a line for each, the sender and the receiver.

        Text with blanks, tabs or commas between them; further columns and lines that
        begin with `#` or `%` are left out. Or a `.npy` file with two columns.

        **Arguments:** `num_nodes`: by default the largest number and one more.
        """
        senders, receivers = of_file(path)
        if num_nodes is None:
            num_nodes = int(max(senders.max(initial=0), receivers.max(initial=0))) + 1
        return cls(num_nodes, senders, receivers)

    @classmethod
    def from_scipy(cls, matrix: Any) -> "Digraph":
        """The graph of a square sparse matrix of SciPy: W[i, j] is an edge j -> i.

        `entries` takes the weights out of the same matrix.
        """
        from scipy.sparse import issparse

        shape = np.shape(matrix)
        if not issparse(matrix) or len(shape) != 2 or shape[0] != shape[1]:
            wanted = "a square sparse matrix of SciPy"
            _checks.reject("matrix", wanted, _checks.shown(matrix))
        found = matrix.tocoo()
        return cls(shape[0], found.col, found.row)

    def entries(self, matrix: Any) -> np.ndarray:
        """The entries of a sparse matrix at the edges, in the order of the weights."""
        _checks.shape("matrix", matrix, (self.num_nodes, self.num_nodes))
        rows = matrix.tocsr()[np.asarray(self.receivers), np.asarray(self.senders)]
        return np.asarray(rows).reshape(self.edge_shape)

    @classmethod
    def from_networkx(cls, graph: "networkx.DiGraph") -> "Digraph":
        """The nodes of `graph`, numbered in its own order."""
        directed = getattr(graph, "is_directed", None)
        if directed is None or isinstance(graph, type):
            wanted = "a directed graph of networkx"
            _checks.reject("graph", wanted, _checks.shown(graph))
        if not directed():
            _checks.reject("graph", "directed", f"{graph}")
        number = {node: k for k, node in enumerate(graph.nodes)}
        edges = [(number[a], number[b]) for a, b in graph.edges()]
        senders, receivers = np.array(edges, dtype=np.int64).reshape(-1, 2).T
        return cls(len(number), senders, receivers)

    def to_networkx(self) -> "networkx.DiGraph":
        """The same graph as a `networkx.DiGraph` with nodes 0 ... n-1."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(self.num_nodes))
        edges = zip(np.asarray(self.senders), np.asarray(self.receivers), strict=True)
        graph.add_edges_from((int(j), int(i)) for j, i in edges)
        return graph

    @property
    def num_edges(self) -> int:
        """E, the number of edges."""
        return self.senders.shape[0]

    @property
    def edge_shape(self) -> tuple[int, ...]:
        """The shape of an array with one number per edge, (n, k) or (E,)."""
        return self.aggregation.shape

    def aggregate(self, weight: Edges, value: Neurons) -> Neurons:
        """s_i = sum over edges (j -> i) of w_ij v_j, in O(edges)."""
        return self.aggregation(weight, value)

    def back(self, weight: Edges) -> Callable[[Neurons], Neurons]:
        """The transpose of `aggregate`: p to sum over edges (j -> i) of w_ij p_i."""
        nothing = jnp.zeros(self.num_nodes, weight.dtype)
        _, pull = jax.vjp(lambda value: self.aggregate(weight, value), nothing)
        return lambda p: pull(p)[0]

    def once(self, value: Inexact[Array, "neurons"]) -> Inexact[Array, "neurons"]:
        """`value`, computed once a node and not anew for every edge that reads it."""
        return once(value) if self.aggregation.gathers else value

    def in_degree(self) -> Int[np.ndarray, "neurons"] | Int[Array, "neurons"]:
        """How many edges arrive at each node."""
        if isinstance(self.receivers, Tracer):
            return jnp.bincount(self.receivers, length=self.num_nodes)
        return np.bincount(np.asarray(self.receivers), minlength=self.num_nodes)

    def levels(self) -> Int[np.ndarray, "neurons"] | None:
        """For every node the longest path that leads to it, or None with a cycle.

        A forward sweep visits the nodes by rising level.
        """
        return None if self.node_levels is None else np.asarray(self.node_levels)

    def depth(self) -> int | None:
        """The longest path, in edges, or None with a cycle."""
        return self.longest_path

    def __repr__(self) -> str:
        return (
            f"Digraph({self.num_nodes} nodes, {self.num_edges} edges, "
            f"{self.aggregation.describe()})"
        )


def _check_degree(num_nodes: int, in_degree: int) -> None:
    _checks.at_least("num_nodes", num_nodes, 2)
    _checks.at_least("in_degree", in_degree, 1)
    if in_degree >= num_nodes:
        _checks.reject("in_degree", f"less than `num_nodes` = {num_nodes}", in_degree)


def _room_for(name: str, edges: int) -> None:
    wanted = (
        "small enough for so many edges (with `in_degree` or `random` there are less)"
    )
    _checks.affordable(name, wanted, 40 * edges)


def _generator(key: Any) -> np.random.Generator:
    """Of NumPy, from a key of JAX that is known."""
    _checks.key("key", key)
    _checks.known("key", key)
    with jax.ensure_compile_time_eval():
        return np.random.default_rng(np.asarray(jax.random.bits(key, (4,), jnp.uint32)))


def _fastest(graph: Digraph, senders, receivers) -> AbstractAggregation:
    n, num_edges = graph.num_nodes, graph.num_edges
    if num_edges == n**2:
        return Dense(n)
    if num_edges == n * (n - 1) and not np.any(senders == receivers):
        return DenseWithoutLoops(n)
    degree = np.bincount(receivers, minlength=n)
    if np.all(degree == degree[0]):
        return Rows(graph.senders.reshape(n, -1))
    return Segments(graph.senders, graph.receivers, n)


def _blocks(sizes: Sequence[int]) -> AbstractAggregation | None:
    """One product per pair of layers; None where so many take long to compile."""
    if len(set(sizes[:-1])) == 1:
        return EvenLayers(int(sizes[0]), len(sizes) - 1, int(sizes[-1]))
    if len(sizes) > _MANY_LAYERS:
        return None
    return Layered(tuple(int(size) for size in sizes))
