"""Own traces, and a filter of the costate for the future that passes through others."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from ..costates.filtered import check_filter, filtered_errors, prepared
from ..costates.filters import AbstractClosure, Unfiltered
from ..costates.times import EulerLeak, ModeTimes
from ..networks.neurons import immediate, leaving_readout, spread
from ..networks.partition import split
from .base import AbstractSensitivity, with_state_part
from .layers import conjugate, places, why_not_passed
from .stacked import AtOnce
from .units import carried, no_traces


class SplitTraces(AbstractSensitivity):
    """A trace of the own leak, and filtered errors for what passes through others.

        e_ij' = leak_i e_ij + dx_i'/dw_ij,   leak_i = 1 - dt/tau_i
        s_i = ell_{x_i} + sum_k sigma'_k w_ki lam_k,   lam = closure(s)
        g_ij = s_i e_ij

    The trace carries the future of the neuron's own leak; to multiply it by the whole
    costate would count that twice. What it takes is kappa_i = p_i - leak_i p_i', the
    part of the costate that comes from the output and from *other* neurons, which is
    s itself once lam is exact: sum_k kappa e is then the gradient of BPTT. With
    `Unfiltered` it is `OwnLeak` with `SpatialFeedback`.

    **Arguments:** as for `FilteredErrors`.
    """

    closure: AbstractClosure = Unfiltered()
    sweeps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_filter(self)

    def prepare(self, network, x, key):
        return prepared(self, network)

    def start(self, network, x, fixed):
        w = leaving_readout(network, split(network)[0])
        return jax.tree.map(jnp.zeros_like, w), (
            jnp.zeros_like(x),
            self.closure.init(x),
        )

    def step(self, instant, fixed, memory):
        traces, errors = memory
        neurons, u = instant.network.neurons(), instant.u
        w = leaving_readout(neurons, instant.w)
        s, _, errors = filtered_errors(self, instant, fixed, errors)
        keep = neurons.slopes(instant.x, u, instant.dt).leak
        heard, leak = (spread(neurons, w, at, u) for at in (s, keep))
        part = {name: heard[name] * traces[name] for name in w}
        fresh = immediate(instant.transition, instant.x, w)
        traces = jax.tree.map(lambda d, e, new: d * e + new, leak, traces, fresh)
        return with_state_part(instant, part), (traces, errors)


class FilteredTraces(AbstractSensitivity):
    """Exact traces within a layer of modes, filtered errors from the layer above.

        q = d ell/dh_r - i d ell/dh_i of the upper layer,   lam = closure(q)
        g_jk = (direct path) + Re sum_i lam_i M_ij dy_j/dw_jk of the sample before

    The exact lam_k = q_k + a lam_{k+1} is the future through the upper layer's
    memory. With `Unfiltered` it is `PassedTraces` with `AtOnce`. What goes on through
    a third memory is dropped.

    **Arguments:** `closure`: by default `Unfiltered`.

    **Raises:** `ValueError` for networks that `PassedTraces` refuses.
    """

    closure: AbstractClosure = Unfiltered()

    def __check_init__(self):
        _checks.instance("closure", self.closure, AbstractClosure)

    def prepare(self, network, x, key):
        why = why_not_passed(network)
        if why is not None:
            _checks.reject("network", "one through which traces can pass", why)

    def start(self, network, x, fixed):
        layers, states = list(network.units().values()), jax.tree.leaves(x)
        traces = no_traces(layers, states, [1] * (len(layers) - 1))
        return traces, tuple(self.closure.init(state) for state in states[1:])

    def step(self, instant, fixed, memory):
        (traces, inside), dt = memory, instant.dt
        found, after = [], []
        for above, past in zip(places(instant)[1:], inside, strict=True):
            filters: Any = above.layer.filters()
            own = ModeTimes(pole=filters.alone().passed(dt), dt=dt, state=above.x)
            q = conjugate(above.ell_x)
            found.append(self.closure.error(q, past, own))
            after.append(self.closure.advance(q, past, own, EulerLeak()))
        each = iter(found)
        links = lambda filters, q: AtOnce().poles(filters, next(each), dt)
        step = lambda layer, x, u: layer.transition(x, u, dt)
        g, traces = carried(instant, traces, step, links)
        return g, (traces, tuple(after))
