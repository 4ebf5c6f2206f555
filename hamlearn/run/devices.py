"""Loops over arrays on a mesh of devices whose axes are explicit.

With explicit axes JAX asks of every gather and every reshape where its result shall
lie. Here only the loop as a whole is told: within it the axes are automatic, and what
comes out lies where it came from.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from .._types import PyTree
from ..laws.base import State, with_rest, without_rest
from ..signals.signal import Sample

Loop = Callable[[State, Sample], tuple[State, PyTree]]


def explicit_mesh(tree: PyTree) -> Any:
    """The mesh with explicit axes that some array lies on; None where none does."""
    for leaf in filter(eqx.is_array, jax.tree.leaves(tree)):
        mesh = jax.typeof(leaf).sharding.mesh
        if AxisType.Explicit in mesh.axis_types:
            return mesh
    return None


def over_mesh(loop: Loop, state: State, samples: Sample, mesh: Any) -> Any:
    """`loop(state, samples)`, with the axes of `mesh` automatic inside.

    The state stays where it is; what is kept of each step is divided as the targets
    are, where it has as many streams.
    """
    arrays, static = eqx.partition((state, samples), eqx.is_array)

    def run(arrays: PyTree) -> tuple[State, PyTree]:
        after, kept = loop(*eqx.combine(arrays, static))
        return without_rest(after), kept

    moving = without_rest(arrays[0])
    own = jax.tree.map(lambda leaf: NamedSharding(mesh, _spec(leaf)), moving)
    shapes = jax.eval_shape(run, jax.tree.map(_plain, arrays))
    streams, spec = samples.target.shape[1], _spec(samples.target)

    def kept(leaf: Any) -> NamedSharding:
        divided = len(leaf.shape) > 1 and leaf.shape[1] == streams and len(spec) > 1
        return NamedSharding(mesh, PartitionSpec(None, spec[1] if divided else None))

    out = own, jax.tree.map(kept, shapes[1])
    inside: Any = jax.sharding.auto_axes(run, out_sharding=out)
    after, infos = inside(arrays)
    return with_rest(after, state.rest), infos


def _spec(leaf: Any) -> PartitionSpec:
    return jax.typeof(leaf).sharding.spec


def _plain(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
