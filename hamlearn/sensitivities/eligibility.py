"""Traces that see only a neuron's own leak, and how it hears of the error."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Neurons, PyTree
from ..action.action import Instant
from ..costates.instantaneous import (
    number_of_sweeps,
    require_key,
    require_neurons,
)
from ..networks.base import Network
from ..networks.neurons import immediate, leaving_readout, spread
from ..networks.partition import split
from .base import AbstractSensitivity, with_state_part
from .layers import one_layer
from .units import UnitTraces


class AbstractFeedback(eqx.Module):
    """How neurons hear of the error at the outputs."""

    @abstractmethod
    def prepare(self, network: Network, x: PyTree, key: Array | None) -> PyTree:
        """What it keeps, fixed for good."""

    @abstractmethod
    def signal(self, instant: Instant, fixed: PyTree) -> Neurons:
        """The learning signal of every neuron."""


class SymmetricFeedback(AbstractFeedback):
    """ell_x itself: the transposed weights of the readout."""

    def prepare(self, network, x, key):
        return None

    def signal(self, instant, fixed):
        return instant.ell_x


class DrawnFeedback(AbstractFeedback):
    """B e, with e the error at the outputs and B ~ N(0, 1/outputs) fixed at random.

    `init` draws B with its `key`. Weights of a readout that learns come to align with
    B (Lillicrap et al. 2016); where nothing lies between the neurons and the output
    nothing can, and the network is refused.
    """

    def prepare(self, network, x, key):
        key = require_key(key, "the feedback weights are drawn")
        if all(network.moves_state(name) for name in split(network)[0]):
            wanted = (
                "one with a readout that learns, which can align with random feedback"
                " (or take `SymmetricFeedback`)"
            )
            _checks.reject("network", wanted, f"a {network.name} without")
        dtype = network.weight.dtype
        u = jnp.zeros(network.inputs, dtype)
        outputs = eqx.filter_eval_shape(network.readout, x, u).size
        size = (network.graph.num_nodes, outputs)
        return jax.random.normal(key, size, dtype) / jnp.sqrt(outputs).astype(dtype)

    def signal(self, instant, fixed):
        return fixed @ instant.error


class SpatialFeedback(AbstractFeedback):
    """Errors carried back along the edges within the same instant.

        delta <- ell_x + W^T (sigma'(a) delta),   delta = ell_x at first

    as if neurons were at rest where they are: what their leaks do to an error on its
    way is left out.

    **Arguments:** `sweeps`: how many edges back, by default the longest path.
    """

    sweeps: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.sweeps is not None:
            _checks.at_least("sweeps", self.sweeps, 0)

    def prepare(self, network, x, key):
        return number_of_sweeps(self.sweeps, network)

    def signal(self, instant, fixed):
        neurons, ell_x = instant.network.neurons(), instant.ell_x
        now = neurons.slopes(instant.x, instant.u, jnp.ones((), instant.x.dtype))
        transpose = neurons.graph.back(neurons.weight)
        gain = now.slope * neurons.own_time
        sweep = lambda _, delta: ell_x + now.felt(transpose(gain * delta))
        return jax.lax.fori_loop(0, fixed.number, sweep, ell_x)


class OwnLeak(AbstractSensitivity):
    """A trace of the neuron's own leak times a learning signal.

        s_ij' = leak_i s_ij + dx_i'/dw_ij,   leak_i = 1 - dt/tau_i,   g_ij = L_i s_ij

    One number per weight; exact under `SymmetricFeedback` where no neuron hears
    another: on a layer of such units it is `UnitTraces`. Murray (2019); Bellec et al.
    (2020).

    **Arguments:** `feedback`: where L comes from.
    """

    feedback: AbstractFeedback = SymmetricFeedback()

    def __check_init__(self):
        _checks.instance("feedback", self.feedback, AbstractFeedback)

    def prepare(self, network, x, key):
        if one_layer(network) and isinstance(self.feedback, SymmetricFeedback):
            return UnitTraces()
        require_neurons(self, network, "whose trace fades with a neuron's own leak")
        return self.feedback.prepare(network, x, key)

    def start(self, network, x, fixed):
        if isinstance(fixed, UnitTraces):
            return fixed.start(network, x, None)
        w = leaving_readout(network, split(network)[0])
        return jax.tree.map(jnp.zeros_like, w)

    def step(self, instant, fixed, memory):
        if isinstance(fixed, UnitTraces):
            return fixed.step(instant, None, memory)
        neurons, u = instant.network.neurons(), instant.u
        w = leaving_readout(neurons, instant.w)
        now = neurons.slopes(instant.x, u, instant.dt)
        fresh = immediate(instant.transition, instant.x, w)
        signal = self.feedback.signal(instant, fixed)
        heard, keep = (spread(neurons, w, at, u) for at in (signal, now.leak))
        part = {name: heard[name] * memory[name] for name in w}
        trace = jax.tree.map(lambda d, s, m: d * s + m, keep, memory, fresh)
        return with_state_part(instant, part), trace
