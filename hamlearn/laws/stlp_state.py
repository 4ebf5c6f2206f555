"""The state of `STLP` as coordinates and velocities, and how it begins."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from .._types import Number, PyTree, Scalar
from ..action.cognitive import Coordinates, Phase
from ..action.trees import anew
from ..mechanics.gram import AbstractGram
from ..networks.rest import Settling
from ..signals.signal import Sample
from ..signals.streams import stream_samples
from .base import AbstractFlow, Rest, State, with_rest, without_rest


class Constrained(eqx.Module):
    """Velocities of the neurons, the slack and its velocity, whether all has begun."""

    x_dot: PyTree
    slack: PyTree
    slack_dot: PyTree
    begun: Scalar


class Choices(eqx.Module):
    """What was chosen for the network: the Gram solver, how it comes to rest."""

    gram: AbstractGram
    settle: Settling


def phase(state: State) -> Phase:
    """Coordinates and velocities of a state of `STLP`."""
    at, moves = state.credit, state.update
    q = Coordinates(state.x, state.w, at.slack)
    return Phase(q, Coordinates(at.x_dot, moves, at.slack_dot))


def joined(flow: Phase, begun: Scalar, rest: Rest | None) -> State:
    """The state made of coordinates and velocities."""
    q, v = flow
    credit = Constrained(v.x, q.slack, v.slack, begun)
    return State(q.x, q.w, credit, v.w, rest)


def largest(tree: PyTree) -> Scalar:
    """The largest absolute value in a tree."""
    return jnp.max(
        jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)])
    )


def begun_at(law: AbstractFlow, state: State, sample: Sample, t: Number) -> State:
    """On the constraints at the first sample, and where an episode begins."""
    rest, network = state.rest, state.network
    start = stream_samples(network, sample).start
    fresh = network.initial_state()
    begun = state.credit.begun > 0
    if start is not None:
        start, begun = jnp.asarray(start), begun & ~jnp.any(start > 0)

    def begin(y):
        x = y.x if start is None else anew(start, fresh, y.x)
        y = eqx.tree_at(lambda y: y.x, y, x)
        now = without_rest(law.begin(with_rest(y, rest), t, sample))
        if start is None:
            return now
        where = jnp.where(y.credit.begun > 0, start, jnp.ones_like(start))
        parts = lambda y: (y.x, y.credit.x_dot, y.credit.slack, y.credit.slack_dot)
        x, x_dot, slack, slack_dot = anew(where, parts(now), parts(y))
        credit = Constrained(x_dot, slack, slack_dot, now.credit.begun)
        return State(x, y.w, credit, y.update, None)

    stay = lambda y: y
    return with_rest(jax.lax.cond(begun, stay, begin, without_rest(state)), rest)


def masses(law: Any, v: Coordinates) -> Coordinates:
    """The mass of every coordinate."""
    slack = law.slack
    room = None if slack is None else jax.tree.map(lambda _: slack.mass, v.slack)
    weights = {name: law.weight_mass.get(name, law.inertia) for name in v.w}
    return Coordinates(jax.tree.map(lambda _: law.neuron_mass, v.x), weights, room)


def mass_ratio(law: Any) -> float:
    """The largest m_x/m_W, for the choice of a Gram solver."""
    known = [law.inertia, *law.weight_mass.values()]
    if any(isinstance(mass, Tracer) for mass in [*known, law.neuron_mass]):
        return float("inf")  # unknown inside a transformation
    lightest = min(np.asarray(mass).min() for mass in known)
    return float(np.asarray(law.neuron_mass).max() / lightest)


def require_start(law: AbstractFlow, state: State, sample: Sample) -> None:
    """**Raises:** `ValueError` where `x0` was given and is off the constraints."""
    if float(state.credit.begun) > 0:
        return
    fresh = state.network.initial_state()
    if all(map(np.array_equal, *map(jax.tree.leaves, (state.x, fresh)))):
        return
    begun = law.begin(state, jnp.zeros((), state.credit.begun.dtype), sample)
    gap = float(largest(jax.tree.map(jnp.subtract, state.x, begun.x)))
    if gap > float(jnp.finfo(state.credit.begun.dtype).eps) ** 0.5:
        wanted = "the forward pass of the input at the start"
        _checks.reject("x0", wanted, f"off by {gap:.3g}")
