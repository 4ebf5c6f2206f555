"""Traces for the leaks of the neurons on the way to the output, one more for each hop.

A filter that runs backward on the error is the same filter, forward, on the other
factor: sum_t (I+ e)_t s_t = sum_t e_t (I- s)_t. Eligibility traces move a neuron's own
leak so; here those of the neurons downstream are moved too, hop by hop.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Neurons, Number, Params, Scalar
from ..action.cost import as_number
from ..costates.instantaneous import require_neurons
from ..networks.base import AbstractNeurons
from ..networks.neurons import immediate, leaving_readout, spread
from ..networks.partition import split
from .base import AbstractSensitivity, with_state_part


class HopMemory(eqx.Module):
    """Traces of every weight, and the filtered slopes that errors pass on their way.

    `weight`: how much of the past the filters of the slopes have seen, at most 1.
    """

    traces: Params
    slope: Float[Array, "hops neurons"]
    rise: Float[Array, "hops neurons"]
    weight: Float[Array, "hops"]


class HopTraces(AbstractSensitivity):
    """Credit through up to `order` neurons, each of whose leaks is a trace.

        s(1)' = (1 - q) s(1) + dx'/dw          s(h)' = (1 - q) s(h) + q s(h-1)
        m(1) = ell_x
        m(h+1) = W^T (mean_h(slope)/q m(h)) + (1 - leak loss/q) m(h)
        g = sum_h m(h) s(h)

    with leak loss dt/tau_i and |m(h+1)| <= cap |m(h)|. Nothing is predicted and nothing
    comes from the future; beside the number of hops the one approximation is that the
    slopes on the way are means, over the times at which a hop may have happened (h
    low-pass filters of pole q, one after the other).

    Identities: `order=1` with q = dt/tau is `OwnLeak`; slopes that never change make it
    exact up to the order; q = 1 is the exact gradient through `order` steps. So q is
    between few hops with a long memory, about order/q, and short exact memory. It needs
    q above half the largest dt/tau. `order` numbers per weight.

    **Arguments:** `order`: H, how many neurons on the way, at least 1; `pole`: q in
    (0, 1], by default the largest dt/tau; `cap`: how much longer an error may get in a
    hop, a norm over all neurons; None: as it likes.
    """

    order: int = eqx.field(static=True)
    pole: Scalar | None
    cap: Scalar | None

    def __init__(self, order: int = 4, pole: Number | None = None, cap: Number = 1.0):
        _checks.at_least("order", order, 1)
        if pole is not None:
            _checks.positive("pole", pole)
            if pole > 1:
                _checks.reject("pole", "at most 1", pole)
        if cap is not None:
            _checks.non_negative("cap", cap)
        self.order = order
        self.pole = None if pole is None else as_number(pole)
        self.cap = None if cap is None else as_number(cap)

    def prepare(self, network, x, key):
        require_neurons(self, network, "whose errors pass neuron by neuron")

    def start(self, network, x, fixed):
        w = leaving_readout(network, split(network)[0])
        several = lambda leaf: jnp.zeros((self.order, *leaf.shape), leaf.dtype)
        none = jnp.zeros((self.order - 1, x.size), x.dtype)
        return HopMemory(jax.tree.map(several, w), none, none, none[:, 0])

    def step(self, instant, fixed, memory):
        neurons, x, u = instant.network.neurons(), instant.x, instant.u
        w = leaving_readout(neurons, instant.w)
        lost = jnp.asarray(instant.dt, x.dtype) / neurons.own_time
        q = jnp.max(lost) if self.pole is None else self.pole.astype(x.dtype)
        errors = self._errors(neurons, instant.ell_x, memory, lost / q, q)
        heard = jax.vmap(lambda error: spread(neurons, w, error, u))(errors)
        part = {name: jnp.sum(heard[name] * memory.traces[name], 0) for name in w}
        fresh = immediate(instant.transition, x, w)
        traces = jax.tree.map(
            lambda s, new: _filtered(s, new, 1, q), memory.traces, fresh
        )
        now = neurons.slopes(x, u, instant.dt)
        along = lambda mean, new: _filtered(mean, new, q, q)
        memory = HopMemory(
            traces,
            along(memory.slope, now.slope),
            along(memory.rise, now.felt(jnp.ones_like(x))),
            along(memory.weight, jnp.ones((), x.dtype)),
        )
        return with_state_part(instant, part), memory

    def _errors(
        self, neurons: AbstractNeurons, error: Neurons, memory: HopMemory,
        ratio: Neurons, q: Scalar,
    ) -> Float[Array, "order neurons"]:  # fmt: skip
        """m(1), ..., m(order)."""
        transpose = neurons.graph.back(neurons.weight)
        every = [error]
        for h in range(self.order - 1):
            seen = jnp.where(memory.weight[h] > 0, memory.weight[h], 1)
            back = transpose(memory.slope[h] / (seen * q) * error)
            onward = memory.rise[h] / seen * back + (1 - ratio) * error
            error = onward if self.cap is None else _capped(onward, error, self.cap)
            every.append(error)
        return jnp.stack(every)


def _filtered(old: Array, new: Array, first: Any, q: Scalar) -> Array:
    """(1 - q) old + (first new, q old(1), q old(2), ...), along the leading axis."""
    if old.shape[0] == 0:
        return old
    before = jnp.concatenate([(first * new)[None], q * old[:-1]])
    return (1 - q) * old + before


def _capped(after: Neurons, before: Neurons, cap: Scalar) -> Neurons:
    """`after`, made no longer than `cap` times `before`."""
    most = cap.astype(after.dtype) * jnp.sqrt(jnp.sum(before**2))
    size = jnp.sqrt(jnp.sum(after**2))
    return after * jnp.where(size > most, most / jnp.where(size > 0, size, 1), 1)
