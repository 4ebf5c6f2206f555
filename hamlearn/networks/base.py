"""Networks: parametric vector fields dx/dt = f(x, u) with a readout y = h(x, u)."""

from abc import abstractmethod

import equinox as eqx

from .._types import Array, Float, PyTree


class AbstractNetwork(eqx.Module):
    """What every law needs of a network: drift, readout, a state, what it learns."""

    @abstractmethod
    def __call__(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        """The drift dx/dt = f(x, u)."""

    @abstractmethod
    def readout(
        self, x: PyTree, u: Float[Array, "inputs"]
    ) -> Float[Array, "*batch outputs"]:
        """The output y = h(x, u)."""

    @abstractmethod
    def initial_state(self) -> PyTree:
        """The state at rest."""

    @abstractmethod
    def trainable(self) -> PyTree[bool]:
        """A tree of booleans, a prefix of the network: True where a law may learn."""
