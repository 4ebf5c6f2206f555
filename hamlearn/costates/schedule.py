"""When, within a step, neurons hear each other: with one step of delay or without."""

from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx

from .._types import Array, Float, Neurons
from ..networks.voltage import VoltageNetwork


class AbstractSchedule(eqx.Module):
    """How rates travel along the edges and errors against them."""

    @abstractmethod
    def forward(
        self,
        network: VoltageNetwork,
        u: Neurons,
        before: tuple[Neurons, Neurons],
        x: Float[Array, "inputs"],
        push: Neurons,
    ) -> tuple[Neurons, tuple[Neurons, Neurons]]:
        """(v, what the neurons heard), given (u, v) one step `before`.

        What was heard is the (u, v) whose prospective voltages made the rates.
        """

    @abstractmethod
    def backward(
        self,
        network: VoltageNetwork,
        ur: Neurons,
        before: Neurons,
        arrive: Callable[[Neurons], Neurons],
        error: Callable[[Neurons], Neurons],
    ) -> tuple[Neurons, Neurons]:
        """(s, lam), given lam one step `before`.

        **Arguments:** `arrive`: the error input s that given errors cause; `error`:
        the closure, from s to lam.
        """


class LayerParallel(AbstractSchedule):
    """Every neuron hears what its neighbours sent one step before, as published.

    All neurons move at once, and no loop can be ill posed. In a net of depth L the
    errors of layer l are late by 2 (L - l) steps, so the step must be small:
    dt <= tau_m / (20 L) for gradients good to about a tenth.
    """

    def forward(self, network, u, before, x, push):
        old_u, old_v = before
        current = network.current(old_u + network.tau_r * old_v, x)
        return (current + push - u) / network.tau_m, before

    def backward(self, network, ur, before, arrive, error):
        s = arrive(before)
        return s, error(s)


class Sweeps(AbstractSchedule):
    """A sweep along the edges for the rates, one against them for the errors.

    Nothing is delayed. On a graph with cycles the sweeps are fixed-point iterations,
    which need a weak recurrence: |mu| tau_m/tau_r < 1 for the eigenvalues mu of
    phi' W^T under GLE.
    """

    def forward(self, network, u, before, x, push):
        v = network.velocity(u, x, push)
        return v, (u, v)

    def backward(self, network, ur, before, arrive, error):
        return network.errors(ur, arrive(before * 0), error)
