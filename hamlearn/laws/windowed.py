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
    x, motion = moved(law, state.w, state, point, dt)

    def learn(law, frozen, now, past, dt, loss):
        (w, memory), carried = now
        g, after = _credit(law, w, frozen, replace(past, carried=carried), dt)
        return law.update.step(g, w, memory, dt, loss), after

    # The old weights are done with, so that the new ones may take their place.
    ready = computed(jax.tree.leaves(x))
    now = (state.w, state.update)
    (w, update), past = _where_due(law, state, past, ready, learn, now, dt, info.loss)
    return State(x, w, Carried(past, motion), update, state.rest), info


def window_credit(law: Any, state, sample, dt):
    """(g, zero where no window is full; the past with this sample; where M was taken,
    info, no key)."""
    past, point, info = _remembered(law, state, sample, dt)

    def find(law, frozen, now, past, dt, w):
        return _credit(law, w, frozen, replace(past, carried=now[1]), dt)

    none = jax.tree.map(jnp.zeros_like, state.w)
    g, past = _where_due(law, state, past, True, find, none, dt, state.w)
    return g, past, point, info, None


def _where_due(law: Any, state, past, ready, change, now, *given):
    """(`now`, the past), both after `change` where a window is full."""
    due = law.credit.due(past)
    arrays, static = eqx.partition((law, state.rest.frozen), eqx.is_array)

    def turn(now, given):
        arrays, past, due, *given = given
        new = change(*eqx.combine(arrays, static), now, past, *given)
        # Under vmap some of the lanes may be due and others not.
        return jax.tree.map(lambda a, b: jnp.where(due, a, b), new, now)

    both, past = (now, past.carried), replace(past, carried=None)
    given = (arrays, past, due, *given)
    now, carried = perhaps_in_place(unvmap_any(due & ready), turn, both, given)
    return now, replace(past, carried=carried)


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
