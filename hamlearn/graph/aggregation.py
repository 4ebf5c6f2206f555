"""Exact ways to sum weighted signals along the edges of a digraph.

All compute the same numbers, s_i = sum over edges (j -> i) of w_ij v_j, with the edge
weights in one array, sorted by receiver, then by sender. They differ in speed, and in
the shape of that array: a matrix where every node has the same number of incoming
edges, because XLA does not vectorise an outer product into a flat array.
"""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Inexact

from .._types import Array, Edges, Int, Neurons
from .order import unfoldable_true


class AbstractAggregation(eqx.Module):
    """Computes s_i = sum_j w_ij v_j in O(edges), with weights of a given shape.

    `gathers`: every edge looks up the value of its sender by itself.
    """

    gathers: ClassVar[bool] = False

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of an array with one number per edge."""

    @abstractmethod
    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        """The weighted sum that arrives at every node."""

    @abstractmethod
    def describe(self) -> str:
        """The form in a few words, for the repr of a graph."""


class Dense(AbstractAggregation):
    """Complete digraph with self-loops: the weights are the matrix."""

    num_nodes: int = eqx.field(static=True)

    @property
    def shape(self):
        return (self.num_nodes, self.num_nodes)

    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        return weight @ value

    def describe(self) -> str:
        return "dense product"


class DenseWithoutLoops(AbstractAggregation):
    """Complete digraph without self-loops: the matrix less its diagonal."""

    num_nodes: int = eqx.field(static=True)

    @property
    def shape(self):
        return (self.num_nodes, self.num_nodes - 1)

    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        n = self.num_nodes
        # Off-diagonal entries in row order, one zero before every n of them, are the
        # matrix without its first entry: no index array is needed.
        rows = jnp.pad(weight.reshape(n - 1, n), ((0, 0), (0, 1)))
        matrix = jnp.pad(rows.reshape(-1), (1, 0)).reshape(n, n)
        return matrix @ value

    def describe(self) -> str:
        return "dense product, empty diagonal"


class Layered(AbstractAggregation):
    """Consecutive layers, each fully connected to the next: one block a pair."""

    sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def shape(self):
        return (
            sum(a * b for a, b in zip(self.sizes[:-1], self.sizes[1:], strict=True)),
        )

    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        # `split`, unlike slices, has a derivative without padding: a concatenation.
        counts = [a * b for a, b in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        blocks = jax.lax.split(weight, counts)
        layers = jax.lax.split(value, self.sizes)
        sums = [jnp.zeros(self.sizes[0], value.dtype)]
        for block, layer in zip(blocks, layers[:-1], strict=True):
            sums.append(block.reshape(-1, layer.size) @ layer)
        return jnp.concatenate(sums)

    def describe(self) -> str:
        return f"{len(self.sizes) - 1} block products"


class EvenLayers(AbstractAggregation):
    """Layers of `size` nodes, each fully connected to the next; the last of any size.

    The weights are a matrix, a row per node, and square blocks are multiplied in one
    batch: of a vector times a block cut out of a longer array XLA makes a strided
    loop, twenty times as slow.
    """

    size: int = eqx.field(static=True)
    layers: int = eqx.field(static=True)
    last: int = eqx.field(static=True)

    @property
    def shape(self):
        return ((self.layers - 1) * self.size + self.last, self.size)

    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        n, sent = self.size, value[: self.layers * self.size].reshape(-1, self.size)
        squares = weight.shape[0] // n if self.last == n else self.layers - 1
        blocks, odd = jax.lax.split(
            weight, (squares * n, weight.shape[0] - squares * n)
        )
        sums = jnp.einsum("lij,lj->li", blocks.reshape(-1, n, n), sent[:squares])
        rest = odd @ sent[-1]
        return jnp.concatenate([jnp.zeros(n, value.dtype), sums.reshape(-1), rest])

    def describe(self) -> str:
        return f"{self.layers} block products"


class Rows(AbstractAggregation):
    """The same number of incoming edges at every node: gather, then sum rows."""

    gathers: ClassVar[bool] = True
    senders: Int[jax.Array, "nodes in_degree"]

    @property
    def shape(self):
        return self.senders.shape

    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        return jnp.sum(weight * value[self.senders], axis=1)

    def describe(self) -> str:
        return f"gather, {self.senders.shape[1]} a node"


class Segments(AbstractAggregation):
    """Any digraph: gather, then a sum over the sorted segments of each receiver."""

    gathers: ClassVar[bool] = True
    senders: Int[jax.Array, "edges"]
    receivers: Int[jax.Array, "edges"]
    num_nodes: int = eqx.field(static=True)

    @property
    def shape(self):
        return self.senders.shape

    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        return jax.ops.segment_sum(
            weight * value[self.senders],
            self.receivers,
            num_segments=self.num_nodes,
            indices_are_sorted=True,
        )

    def describe(self) -> str:
        return "gather and segment sum"


@jax.custom_jvp
def once(value: Inexact[Array, "neurons"]) -> Inexact[Array, "neurons"]:
    """`value`, computed once a node, although edges gather it.

    On a CPU XLA would compute the function that made it, tanh say, anew for every
    edge; it does not look through a choice (`order`).
    """
    return jax.lax.platform_dependent(value, cpu=_chosen, default=lambda value: value)


@jax.custom_batching.custom_vmap
def _chosen(value):
    never = lambda value: jnp.zeros_like(value)
    return jax.lax.cond(unfoldable_true(value), lambda value: value, never, value)


@_chosen.def_vmap
def _chosen_for_many(size, batched, value):
    # One choice for all: a batched predicate would make it a select, which is no wall.
    del size
    return _chosen(value), batched[0]


once.defjvp(lambda primals, tangents: (once(*primals), tangents[0]))
