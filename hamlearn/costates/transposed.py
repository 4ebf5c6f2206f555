"""The transposed derivative of a step by the state, at many samples."""

from collections.abc import Callable
from itertools import compress
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Literal

from .._types import PyTree, Scalar
from ..networks.base import AbstractNetwork
from ..signals.signal import Sample

Transposed = tuple[Callable[[PyTree, PyTree], PyTree], PyTree]


def transposed(
    network: AbstractNetwork, x: PyTree, samples: Sample, dt: Scalar
) -> Transposed:
    """((dx_{k+1}/dx_k)^T p as a function of (this, p), `this` of every sample).

    What it takes is found for all samples together, where products with the weights
    are products of matrices; of neurons that know their slopes, one product is left
    for each sample.
    """
    neurons = network.neurons()
    if neurons is None:
        return _of_any(network, x, samples, dt)
    transpose = neurons.graph.back(neurons.weight)

    def through(now, p):
        return now.leak * p + now.felt(transpose(now.slope * p))

    return through, jax.vmap(lambda x, u: neurons.slopes(x, u, dt))(x, samples.input)


_FEW = 16  # numbers per number of the state that may be kept for each sample


def _of_any(network, x, samples, dt) -> Transposed:
    """Linearised at all samples together; what does not change is there once.

    Where that takes many numbers per sample, each is linearised on the way.
    """

    def pull(now):
        x, u = now
        return jax.vjp(lambda x: network.transition(x, u, dt), x)[1]

    every = x, samples.input
    first = jax.tree.map(lambda leaf: leaf[0], every)
    program, shapes = jax.make_jaxpr(pull, return_shape=True)(first)
    changes = _dependent(program.jaxpr)
    sizes = [leaf.size for leaf in jax.tree.leaves(shapes)]
    state = sum(jnp.size(leaf) for leaf in jax.tree.leaves(first[0]))
    if sum(compress(sizes, changes)) > _FEW * state:
        return lambda now, p: pull(now)(p)[0], every

    leaves, tree = jax.tree.flatten(pull(first))

    def kept(now):
        return list(compress(jax.tree.leaves(pull(now)), changes))

    def through(now, p):
        now = iter(now)
        found = zip(leaves, changes, strict=True)
        here = [next(now) if one else leaf for leaf, one in found]
        return jax.tree.unflatten(tree, here)(p)[0]

    return through, jax.vmap(kept)(every)


def _dependent(program: Any) -> list[bool]:
    """Which results of a program depend on its arguments, by what reads what."""
    found = set(program.invars)
    known = lambda v: not isinstance(v, Literal) and v in found
    for equation in program.eqns:
        if any(known(v) for v in equation.invars):
            found.update(equation.outvars)
    return [known(v) for v in program.outvars]
