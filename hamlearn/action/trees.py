"""Arithmetic on trees of arrays."""

from typing import Any

import jax
import jax.numpy as jnp

from .._types import Array, PyTree, Scalar


def inner(a: PyTree, b: PyTree) -> Scalar:
    """Sum of products of two trees of the same structure."""
    # A sum of products, not a dot product: XLA fuses it with what makes a and b.
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    # A Python zero: a single-precision sum stays so, also where doubles are enabled.
    return jax.tree.reduce(jnp.add, products, jnp.asarray(0.0))


def squared_norm(a: PyTree) -> Scalar:
    """Sum of squares of all entries of a tree."""
    return jax.tree.reduce(jnp.add, jax.tree.map(_sum_of_squares, a), jnp.asarray(0.0))


def _sum_of_squares(x: Array) -> Scalar:
    if x.ndim < 2:
        return jnp.sum(x * x)
    # Columns first, held apart from their sum: merged into one, the two are a
    # reduction that takes several times as long on a CPU.
    return jnp.sum(jax.lax.optimization_barrier(jnp.sum(x * x, axis=0)))


def negative(a: PyTree) -> PyTree:
    """-a, leaf by leaf."""
    return jax.tree.map(jnp.negative, a)


def added(a: PyTree, b: PyTree) -> PyTree:
    """a + b, leaf by leaf."""
    return jax.tree.map(jnp.add, a, b)


def scaled(factor: Any, a: PyTree) -> PyTree:
    """factor times a, in the dtype of a."""
    return jax.tree.map(
        lambda leaf: jnp.asarray(factor, jnp.result_type(leaf)) * leaf, a
    )


def moved(y: PyTree, h: Any, rate: PyTree) -> PyTree:
    """y + h rate, in the dtype of y."""
    return jax.tree.map(lambda y, f: y + jnp.asarray(h, y.dtype) * f, y, rate)


def anew(start: Array, fresh: PyTree, old: PyTree) -> PyTree:
    """`fresh` where an episode begins, `old` elsewhere; `start` for every stream, or
    for the only one."""

    def pick(fresh, old):
        where = start.reshape(*start.shape, *[1] * (old.ndim - start.ndim))
        return jnp.where(where.astype(bool), fresh, old)

    return jax.tree.map(pick, fresh, old)
