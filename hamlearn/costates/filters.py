"""Ways to make the error of a slow neuron causal: what replaces a filter of the future.

The adjoint of a voltage neuron hears its error input s through the anticausal filter
(1 - tau_r d/dt) / (1 - tau_m d/dt). A closure is a causal filter in its place. With
the transfer function H(w) = (1 + i w tau_r) / (1 + i w tau_m) of the neuron itself:

    exact: conj(H)   `Prospective`: 1/H   `SignFlipped`: H   `Unfiltered`: 1
    `Learned`: what predicts conj(H) best from what the neuron has

1/H has the phase of conj(H) at every frequency and a gain that is too large by
1/|H|^2; H has its gain and the opposite phase.
"""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._types import Neurons, PyTree, Scalar, Values
from .times import AbstractLeak, AbstractTimes


class AbstractClosure(eqx.Module):
    """A causal filter from error input s to error lam, for every neuron by itself."""

    @abstractmethod
    def init(self, u: Neurons) -> PyTree:
        """The memory at the start, for neurons like `u`."""

    @abstractmethod
    def error(self, s: Neurons, memory: PyTree, times: AbstractTimes) -> Neurons:
        """lam, affine in s."""

    @abstractmethod
    def advance(
        self, s: Neurons, memory: PyTree, times: AbstractTimes, leak: AbstractLeak
    ) -> PyTree:
        """The memory after the step."""


class Prospective(AbstractClosure):
    """The inverse filter, as in GLE: lam = (1 + tau_m d/dt) (1 + tau_r d/dt)^-1 s.

        tau_r dz/dt = s - z,    lam = z + tau_m/tau_r (s - z)

    A step of s is passed on tau_m/tau_r times as large. tau_r below one step acts as
    one step: lam is then the finite difference of s + tau_m ds/dt.
    """

    def init(self, u):
        return jnp.zeros_like(u)

    def error(self, s, memory, times):
        return times.inverse(s, memory)

    def advance(self, s, memory, times, leak):
        return leak(memory, s, times.lag, times.dt)


class ProspectiveGain(AbstractClosure):
    """`Prospective`, with its gain put right from running powers.

        lam <- g lam,    g = <s^2> / <lam^2>

    The inverse filter amplifies by 1/|H|^2 where the adjoint does not. For a single
    tone g is that factor exactly; local, with two more numbers per neuron.

    **Arguments:** `time_constant` > 0: of the running means.
    """

    time_constant: Scalar

    def __init__(self, time_constant: Values = 100.0):
        _checks.positive("time_constant", time_constant)
        self.time_constant = jnp.asarray(time_constant)

    def init(self, u):
        return (jnp.zeros_like(u),) * 3

    def error(self, s, memory, times):
        z, s_power, error_power = memory
        tiny = jnp.finfo(s.dtype).tiny
        gain = (s_power + tiny) / (error_power + tiny)
        return gain * Prospective().error(s, z, times)

    def advance(self, s, memory, times, leak):
        z, s_power, error_power = memory
        raw = Prospective().error(s, z, times)
        decay = jnp.exp(-times.dt / self.time_constant.astype(s.dtype))
        mean = lambda power, value: decay * power + (1 - decay) * value**2
        z = Prospective().advance(s, z, times, leak)
        return z, mean(s_power, s), mean(error_power, raw)


class Unfiltered(AbstractClosure):
    """lam = s: backpropagation at each instant, exact where tau_r = tau_m."""

    def init(self, u):
        return None

    def error(self, s, memory, times):
        return s

    def advance(self, s, memory, times, leak):
        return None


class SignFlipped(AbstractClosure):
    """lam = (1 + tau_r d/dt) (1 + tau_m d/dt)^-1 s, the neuron's own filter.

    What remains of the adjoint when the sign of its rate is flipped, dp/dt = -L_u, so
    that it can be integrated forward: the right gain and twice the phase error.

        tau_m dz/dt = s - z,    lam = z + tau_r/tau_m (s - z)
    """

    def init(self, u):
        return jnp.zeros_like(u)

    def error(self, s, memory, times):
        return times.forward(s, memory)

    def advance(self, s, memory, times, leak):
        return times.remembered(s, memory, leak)
