"""Where the state of a network goes, and where it begins."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Params, Scalar
from ..action.action import Point
from ..action.trees import anew
from ..costates.base import AbstractWindow
from ..networks.batch import over_streams, single
from ..networks.partition import join
from ..sensitivities.base import affordable, size_of
from ..signals.signal import Sample
from ..signals.streams import stream_samples
from .base import Carried, State


def moved(law: Any, w: Params, state: State, point: Point, dt: Scalar):
    """(x, the memory of its motion) one step later, under the weights `w`."""
    network = join(w, state.rest.frozen)
    inside = single(network)
    step = lambda x, v, lam, sample, memory: law.motion.step(
        inside, x, v, lam, sample, memory, dt
    )
    streams = (point.x, point.v, point.multiplier, point.sample)
    return over_streams(network, step)(*streams, state.credit.motion)


def fresh(law: Any, network, x, fixed):
    """(memory of the credit, memory of the motion) at the start."""
    inside = single(network)
    motion = over_streams(network, lambda x: law.motion.start(inside, x))(x)
    if isinstance(law.credit, AbstractWindow):
        return law.credit.start(network, x, fixed), motion
    start = lambda x: law.credit.start(inside, x, fixed)
    return over_streams(network, start)(x), motion


def filled(law: Any, network, x, fixed):
    """`fresh` by one compiled program, once what it needs is known to be there.

    Its shapes are found once: `eqx.filter_eval_shape` would trace at every call.
    """
    leaves, tree = jax.tree.flatten((law, network, x, fixed))
    arrays = [leaf if eqx.is_array(leaf) else None for leaf in leaves]
    static = tree, tuple(None if eqx.is_array(leaf) else leaf for leaf in leaves)
    affordable(law.title, 2 * size_of(_filled.eval_shape(static, arrays)))  # old, new
    return _filled(static, arrays)


@partial(jax.jit, static_argnums=0)
def _filled(static, arrays):
    tree, others = static
    pairs = zip(arrays, others, strict=True)
    leaves = [other if leaf is None else leaf for leaf, other in pairs]
    return fresh(*jax.tree.unflatten(tree, leaves))


def restarted(law: Any, state: State, sample: Sample) -> State:
    """State and traces anew where an episode begins."""
    if sample.start is None:
        return state
    network = state.network
    start = jnp.asarray(stream_samples(network, sample).start)
    x = network.initial_state()
    memory, motion = fresh(law, network, x, state.rest.fixed)
    carried = state.credit
    if isinstance(law.credit, AbstractWindow):
        memory = carried.memory  # it is cut where episodes begin
    else:
        memory = anew(start, memory, carried.memory)
    carried = Carried(memory, anew(start, motion, carried.motion), carried.key)
    x = anew(start, x, state.x)
    return State(x, state.w, carried, state.update, state.rest)
