"""Exact ways to sum weighted signals along the edges of a digraph.

All compute the same numbers, s_i = sum over edges (j -> i) of w_ij v_j, with the edge
weights in one array, sorted by receiver, then by sender. They differ in speed, and in
the shape of that array: a matrix where every node has the same number of incoming
edges, because XLA does not vectorise an outer product into a flat array.
"""

import math
from abc import abstractmethod
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Inexact

from .._types import Array, Edges, Int, Neurons
from .order import apart


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
        pairs = zip(self.sizes[1:], self.sizes[:-1], strict=True)
        layers = jax.lax.split(value, self.sizes)
        sums = _products(tuple(pairs), weight, tuple(layers[:-1]))
        return jnp.concatenate([jnp.zeros(self.sizes[0], value.dtype), *sums])

    def describe(self) -> str:
        return f"{len(self.sizes) - 1} block products"


class EvenLayers(AbstractAggregation):
    """Layers of `size` nodes, each fully connected to the next; the last of any size.

    The weights are a matrix, a row per node; square blocks are multiplied in one batch.
    """

    size: int = eqx.field(static=True)
    layers: int = eqx.field(static=True)
    last: int = eqx.field(static=True)

    @property
    def shape(self):
        return ((self.layers - 1) * self.size + self.last, self.size)

    def __call__(self, weight: Edges, value: Neurons) -> Neurons:
        n, sent = self.size, value[: self.layers * self.size].reshape(-1, self.size)
        squares = self.layers if self.last == n else self.layers - 1
        blocks = [((squares, n, n), sent[:squares])] if squares > 1 else []
        blocks += [((n, n), sent[0])] if squares == 1 else []
        blocks += [((self.last, n), sent[-1])] if self.last != n else []
        shapes, heard = zip(*blocks, strict=True)
        sums = [sum_.reshape(-1) for sum_ in _products(shapes, weight, heard)]
        return jnp.concatenate([jnp.zeros(n, value.dtype), *sums])

    def describe(self) -> str:
        return f"{self.layers} block products"


def _cut(shapes, weight):
    if len(shapes) == 1:
        return [weight.reshape(shapes[0])]
    # `split`, unlike slices, has a derivative without padding: a concatenation.
    parts = jax.lax.split(weight.reshape(-1), [math.prod(shape) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _multiplied(blocks, sent):
    pairs = zip(blocks, sent, strict=True)
    return [jnp.einsum("...ij,...j->...i", block, layer) for block, layer in pairs]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _products(shapes, weight, sent):
    """Blocks of the given shapes, cut out of `weight`, each times what is sent."""
    return _multiplied(_cut(shapes, weight), sent)


@partial(_products.defjvp, symbolic_zeros=True)
def _products_and_tangents(shapes, primals, tangents):
    (weight, sent), (weight_dot, sent_dot) = primals, tangents
    there = _products(shapes, weight, sent)
    terms = [[jnp.zeros_like(sum_) for sum_ in there]]
    if not isinstance(weight_dot, SymbolicZero):
        terms.append(_multiplied(_cut(shapes, weight_dot), sent))
    if not all(isinstance(dot, SymbolicZero) for dot in sent_dot):
        # Its transpose, a vector times a block cut out of an array, is a loop with
        # strides on a CPU, up to twenty times as slow as with an array of its own.
        alone = len(shapes) == 1 or weight.size < _LARGE
        blocks = _cut(shapes, weight) if alone else _copied(shapes, weight)
        terms.append(_multiplied(blocks, sent_dot))
    return there, [sum(parts[1:], parts[0]) for parts in zip(*terms, strict=True)]


_LARGE = 4096  # edges from which a copy is quicker than strides


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _copied(shapes, weight):
    """The blocks as arrays of their own."""
    cut = partial(_cut, shapes)
    return jax.lax.platform_dependent(weight, cpu=partial(apart, cut), default=cut)


@_copied.defjvp
def _copied_and_tangents(shapes, primals, tangents):
    return _copied(shapes, *primals), _cut(shapes, *tangents)


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
    alone = partial(apart, lambda value: value)
    return jax.lax.platform_dependent(value, cpu=alone, default=lambda value: value)


once.defjvp(lambda primals, tangents: (once(*primals), tangents[0]))
