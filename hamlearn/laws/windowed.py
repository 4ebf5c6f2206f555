"""Steps of a law that waits for the end of a window."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox.internal import unvmap_any

from .._types import Params, PyTree
from ..action.action import Point
from ..action.cost import output_loss
from ..graph.order import computed, perhaps_in_place
from ..networks.batch import over_mean, over_streams, single
from ..signals.streams import stream_samples
from .base import Carried, Info, State
from .moves import moved


def windowed(law: Any, state, sample, dt):
    """Remember the sample; where the window is full, learn from it."""
    past, point, info = _remembered(law, state, sample, dt)
    due = law.credit.due(past)
    x, motion = moved(law, state.w, state, point, dt)
    # The old weights are done with, so that the new ones may take their place.
    anyone = unvmap_any(due & computed(jax.tree.leaves(x)))
    arrays, static = eqx.partition((law, state.rest.frozen), eqx.is_array)

    def learn(now, given):
        (w, memory, carried), (arrays, past, due, dt, loss) = now, given
        law, frozen = eqx.combine(arrays, static)
        past = replace(past, carried=carried)
        g, after = _credit(law, w, frozen, past, dt)
        new = (*law.update.step(g, w, memory, dt, loss), after)
        # Under vmap some of the lanes may be due and others not.
        return jax.tree.map(lambda a, b: jnp.where(due, a, b), new, now)

    now = (state.w, state.update, past.carried)
    past = replace(past, carried=None)
    given = (arrays, past, due, dt, info.loss)
    w, update, carried = perhaps_in_place(anyone, learn, now, given)
    past = replace(past, carried=carried)
    return State(x, w, Carried(past, motion), update, state.rest), info


def window_credit(law: Any, state, sample, dt):
    past, point, info = _remembered(law, state, sample, dt)
    due = law.credit.due(past)
    zeros = lambda: jax.tree.map(jnp.zeros_like, state.w)
    found = lambda: _credit(law, state.w, state.rest.frozen, past, dt)
    waits = lambda: (zeros(), past.carried)
    new = jax.lax.cond(unvmap_any(due), found, waits)
    pick = lambda a, b: jnp.where(due, a, b)
    g, carried = jax.tree.map(pick, new, waits())
    return g, replace(past, carried=carried), point, info, None


def _credit(law: Any, w: Params, frozen, past, dt) -> tuple[Params, PyTree]:
    residual = law.residual.over(dt)
    return law.credit.credit(law.cost, residual, w, frozen, past, dt)


def _remembered(law: Any, state, sample, dt):
    """(the past with this sample, where the state is, info)."""
    network = state.network
    inside, sample = single(network), stream_samples(network, sample)

    def one(x, motion, sample):
        v, heard = law.motion.rate(inside, x, sample, motion)
        output = law.residual.output(inside, x, v, sample.input)
        return v, heard, Info(output, output_loss(law.cost, output, sample))

    streams = (state.x, state.credit.motion, sample)
    v, heard, info = over_streams(network, one)(*streams)
    info = Info(info.output, over_mean(network, info.loss))
    past = law.credit.remember(
        state.credit.memory, law.cost, network, state.x, sample, dt
    )
    return past, Point(state.x, v, heard, None, sample), info


def telling(law: Any, past: Any, info: Info) -> Info:
    """The info with what there is to say of the last window."""
    return Info(info.output, info.loss, law.credit.told(past.carried))
