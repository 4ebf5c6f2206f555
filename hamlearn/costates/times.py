"""What a filter of errors knows of its own neuron, and how leaky states step."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .._types import Array, Float, Neurons, Scalar
from ..networks.filters import complex_of
from ..networks.filters import times as product


class AbstractTimes(eqx.Module):
    """What a filter knows of its own neuron, or mode: how it forgets, and its state.

    In steps the exact error is one pole against time, of which a step leaves `keep`:

        lam_k = direct s_k + G_k,   G_{k-1} = keep G_k + ahead s_k
    """

    state: eqx.AbstractVar[Any]
    dt: eqx.AbstractVar[Scalar]

    @property
    @abstractmethod
    def keep(self) -> Array:
        """What a step leaves of the exact error's own part."""

    @property
    @abstractmethod
    def direct(self) -> Array:
        """The share of s that is passed on at once."""

    @property
    @abstractmethod
    def ahead(self) -> Array:
        """The share of the next s."""

    @abstractmethod
    def number(self, s: Array) -> Array:
        """One number per neuron, complex where two reals stand for it."""

    @abstractmethod
    def held(self, number: Array) -> Array:
        """The inverse of `number`."""

    @abstractmethod
    def rows(self, s: Array) -> Float[Array, "rows neurons"]:
        """The reals of every neuron."""

    @property
    @abstractmethod
    def lag(self) -> Array:
        """The shortest lag that an error filter can have."""

    @abstractmethod
    def inverse(self, s: Array, z: Array) -> Array:
        """lam of the inverse of its own filter, z being s behind the lag."""

    @abstractmethod
    def forward(self, s: Array, z: Array) -> Array:
        """lam of its own filter, z being what that remembers."""

    @abstractmethod
    def remembered(self, s: Array, z: Array, leak: "AbstractLeak") -> Array:
        """z of its own filter a step later."""


class NeuronTimes(AbstractTimes):
    """Membrane and prospective time constants, the step, and the neurons' state."""

    tau_m: Neurons
    tau_r: Neurons
    dt: Scalar
    state: Neurons | None = None

    @property
    def keep(self):
        return 1 - self.dt / self.tau_m

    @property
    def direct(self):
        return self.tau_r / self.tau_m

    @property
    def ahead(self):
        return (1 - self.keep) * (1 - self.direct)

    def number(self, s):
        return s

    def held(self, number):
        return number

    def rows(self, s):
        return s[None]

    @property
    def lag(self):
        return jnp.maximum(self.tau_r, self.dt)

    def inverse(self, s, z):
        return z + (s - z) * (self.tau_m / self.lag)

    def forward(self, s, z):
        return z + (s - z) * (self.tau_r / self.tau_m)

    def remembered(self, s, z, leak):
        return leak(z, s, self.tau_m, self.dt)


class ModeTimes(AbstractTimes):
    """Complex modes as pairs: what a step leaves of each, the step, and their state.

        lam_k = s_k + pole lam_{k+1}

    s is the derivative of the loss by the state, d ell/dh_r - i d ell/dh_i. Modes have
    no gain of their own: s is what is left of lam if they forget at once.
    """

    pole: Float[Array, "2 modes"]
    dt: Scalar
    state: Float[Array, "2 modes"] | None = None

    @property
    def keep(self):
        return complex_of(self.pole)

    @property
    def direct(self):
        return jnp.ones_like(self.keep)

    @property
    def ahead(self):
        return self.keep

    def number(self, s):
        return complex_of(s)

    def held(self, number):
        return jnp.stack([number.real, number.imag])

    def rows(self, s):
        return s

    @property
    def lag(self):
        return self.dt

    def inverse(self, s, z):
        return (s - product(self._conjugate, z)) / (1 + jnp.abs(self.keep) ** 2)

    def forward(self, s, z):
        return s + z

    def remembered(self, s, z, leak):
        return product(self._conjugate, s + z)

    @property
    def _conjugate(self):
        return jnp.stack([self.pole[0], -self.pole[1]])


class AbstractLeak(eqx.Module):
    """How a leaky state follows what drives it over one step."""

    @abstractmethod
    def __call__(self, state: Neurons, goal: Neurons, tau: Neurons, dt: Scalar) -> Any:
        """The state after `dt` of tau d(state)/dt = goal - state."""


class EulerLeak(AbstractLeak):
    """state + dt/tau (goal - state); needs dt < 2 tau.

    In neuron and error neuron alike it keeps them exact inverses of each other.
    """

    def __call__(self, state, goal, tau, dt):
        return state + (goal - state) * (dt / tau)


class ExponentialLeak(AbstractLeak):
    """goal + (state - goal) e^{-dt/tau}; stable for any step."""

    def __call__(self, state, goal, tau, dt):
        return goal + (state - goal) * jnp.exp(-dt / tau)
