"""Errors of rate neurons, carried back at the instant and filtered on the way."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Neurons, PyTree
from ..action.action import Instant
from .base import AbstractCostate
from .filters import AbstractClosure, Unfiltered
from .instantaneous import SweepCount, require_neurons
from .times import EulerLeak, NeuronTimes


class FilteredErrors(AbstractCostate):
    """The exact costate of rate neurons with a causal filter in place of the future.

        s_i = ell_{x_i} + sum_k sigma'_k w_ki lam_k,   lam = closure(s)

    The exact error, lam_i = dt/tau_i p_i' for p' the costate of the next state, obeys
    lam_{k-1} = (1 - dt/tau) lam_k + dt/tau s_k: the neuron's own leak against time.
    With `Unfiltered` it is `AtRest`. The multiplier is -tau lam.

    For neurons whose weights act on one neuron each. Errors go against the edges
    `sweeps` times, from those of the sample before.

    **Arguments:** `closure`: by default `Unfiltered`; `sweeps`: by default one more
    than the longest path, which leaves nothing of the sample before; on a graph with
    cycles 1, a single transposed product per sample, is usual.
    """

    closure: AbstractClosure = Unfiltered()
    sweeps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        check_filter(self)

    def prepare(self, network, x, key):
        return prepared(self, network)

    def start(self, network, x, fixed):
        return jnp.zeros_like(x), self.closure.init(x)

    def step(self, instant, fixed, memory):
        _, lam, memory = filtered_errors(self, instant, fixed, memory)
        return -instant.network.own_time * lam, memory


def check_filter(part: Any) -> None:
    """**Raises:** `ValueError` where `closure` is none, or `sweeps` no number."""
    _checks.instance("closure", part.closure, AbstractClosure)
    if part.sweeps is not None:
        _checks.at_least("sweeps", part.sweeps, 1)


def prepared(part: Any, network: Any) -> SweepCount:
    """How many sweeps.

    **Raises:** `ValueError` for a network of which that is not known.
    """
    require_neurons(part, network, "whose errors pass neuron by neuron")
    if part.sweeps is not None:
        return SweepCount(part.sweeps)
    depth = network.depth()
    if depth is None:
        _checks.reject("sweeps", "given: the network has cycles", None)
    return SweepCount(depth + 1)


def filtered_errors(
    part: Any, instant: Instant, fixed: SweepCount, memory: tuple[Neurons, PyTree]
) -> tuple[Neurons, Neurons, tuple[Neurons, PyTree]]:
    """(s, lam, memory), by the `closure` of `part`."""
    before, inside = memory
    neurons, ell_x = instant.network.neurons(), instant.ell_x
    now = neurons.slopes(instant.x, instant.u, jnp.ones((), instant.x.dtype))
    own = NeuronTimes(
        tau_m=neurons.own_time, tau_r=jnp.zeros_like(instant.x), dt=instant.dt,
        state=instant.x,
    )  # fmt: skip
    transpose = neurons.graph.back(neurons.weight)
    gain = now.slope * neurons.own_time
    arrived = lambda lam: ell_x + now.felt(transpose(gain * lam))
    error = lambda s: part.closure.error(s, inside, own)
    lam = jax.lax.fori_loop(
        0, fixed.number - 1, lambda _, lam: error(arrived(lam)), before
    )
    s = arrived(lam)
    lam = error(s)
    return s, lam, (lam, part.closure.advance(s, inside, own, EulerLeak()))
