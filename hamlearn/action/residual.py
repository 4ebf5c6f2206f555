"""How a network is imposed: the three residuals G that are zero on its motion."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Float, Neurons, PyTree, Scalar
from ..networks.base import Network
from ..networks.voltage import VoltageNetwork


class AbstractResidual(eqx.Module):
    """G(x, v, w; u), with v the rate dx/dt, and the output that belongs to it."""

    @abstractmethod
    def __call__(
        self,
        network: Network,
        x: PyTree,
        v: PyTree,
        u: Float[Array, "inputs"],
        heard: PyTree,
    ) -> PyTree:
        """G.

        **Arguments:** `heard`: the (x, v) that the neurons have heard of each other,
        where messages take time; None where that is x and v themselves.
        """

    @abstractmethod
    def output(
        self, network: Network, x: PyTree, v: PyTree, u: Float[Array, "inputs"]
    ) -> Float[Array, "outputs"]:
        """The output at state x and rate v."""

    @abstractmethod
    def over(self, dt: Scalar) -> "AbstractResidual":
        """The same for steps of `dt`, where that makes a difference."""


class Dynamical(AbstractResidual):
    """G = v - f(x, w, u): a network of any kind, as a differential equation.

    Over steps of `dt` f is (transition(x, w, u) - x)/dt, with the network's own
    `transition`.
    """

    dt: Scalar | None = None

    def __call__(self, network, x, v, u, heard=None):
        if self.dt is None:
            return jax.tree.map(jnp.subtract, v, network(x, u))
        after = network.transition(x, u, self.dt)
        slope = lambda v, a, b: v - (a - b) / jnp.asarray(self.dt, a.dtype)
        return jax.tree.map(slope, v, after, x)

    def output(self, network, x, v, u):
        return network.readout(x, u)

    def over(self, dt):
        return Dynamical(dt)


class Holonomic(AbstractResidual):
    """G = x - sigma(a(x, w, u)): every neuron is what its parents make of it.

    Betti & Gori (2019), section 3.1, with their input neurons eliminated: by
    d'Alembert's principle the motion of all others is the same.
    """

    def __call__(self, network, x, v, u, heard=None):
        return jax.tree.map(jnp.subtract, x, network.settled(x, u))

    def output(self, network, x, v, u):
        return network.readout(x, u)

    def over(self, dt):
        return self


class Mismatch(AbstractResidual):
    """G = um - I(ur): leaky neurons that are heard ahead of their voltage.

        um = x + tau_m v,   ur = x + tau_r v,   output phi(ur)

    for a `VoltageNetwork`. Ellenberger et al. (2024), section 2.
    """

    def __call__(self, network, x, v, u, heard=None):
        x_heard, v_heard = (x, v) if heard is None else heard
        return mismatch(
            network, x + network.tau_m * v, x_heard + network.tau_r * v_heard, u
        )

    def output(self, network, x, v, u):
        return network.output(x + network.tau_r * v)

    def over(self, dt):
        return self


def mismatch(
    network: VoltageNetwork, um: Neurons, ur: Neurons, x: Float[Array, "inputs"]
) -> Neurons:
    """e_i = um_i - sum_j w_ij phi(ur_j) - sum_k b_ik x_k - b_i."""
    return um - network.current(ur, x)
