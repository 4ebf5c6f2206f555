"""Steps of a law that waits for the end of a window."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from equinox.internal import unvmap_any

from .._types import Params, PyTree
from ..action.action import Point
from ..action.cost import output_loss
from ..networks.batch import over_mean, over_streams, single
from ..signals.streams import stream_samples
from .base import Carried, Info, State
from .moves import moved


def windowed(law: Any, state, sample, dt):
    """Remember the sample; where the window is full, learn from it."""
    past, point, info = _remembered(law, state, sample, dt)
    due = law.credit.due(past)

    def learn(w, memory, carried):
        g, after = _credit(law, state, past, dt)
        new = (*law.update.step(g, w, memory, dt, info.loss), after)
        # Under vmap some of the lanes may be due and others not.
        pick = lambda a, b: jnp.where(due, a, b)
        return jax.tree.map(pick, new, (w, memory, carried))

    stay = lambda *kept: kept
    kept = (state.w, state.update, past.carried)
    w, update, carried = jax.lax.cond(unvmap_any(due), learn, stay, *kept)
    past = replace(past, carried=carried)
    x, motion = moved(law, state.w, state, point, dt)
    return State(x, w, Carried(past, motion), update, state.rest), info


def window_credit(law: Any, state, sample, dt):
    past, point, info = _remembered(law, state, sample, dt)
    due = law.credit.due(past)
    zeros = lambda: jax.tree.map(jnp.zeros_like, state.w)
    found = lambda: _credit(law, state, past, dt)
    waits = lambda: (zeros(), past.carried)
    new = jax.lax.cond(unvmap_any(due), found, waits)
    pick = lambda a, b: jnp.where(due, a, b)
    g, carried = jax.tree.map(pick, new, waits())
    return g, replace(past, carried=carried), point, info, None


def _credit(law: Any, state, past, dt) -> tuple[Params, PyTree]:
    residual, frozen = law.residual.over(dt), state.rest.frozen
    return law.credit.credit(law.cost, residual, state.w, frozen, past, dt)


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
    past = law.credit.remember(state.credit.memory, state.x, sample)
    return past, Point(state.x, v, heard, None, sample), info
