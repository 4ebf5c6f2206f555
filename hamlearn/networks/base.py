"""Networks: parametric vector fields dx/dt = f(x, u) with a readout y = h(x, u)."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Float, PyTree

if TYPE_CHECKING:
    from .neurons import AbstractNeurons


class AbstractNetwork(eqx.Module):
    """What every law needs of a network: drift, readout, a state, what it learns.

    The rest are answers about itself, so that no law has to ask what kind it is.
    A module `f(x, u)` of your own becomes a network as `Dynamics`.
    """

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

    @abstractmethod
    def transition(self, x: PyTree, u: Float[Array, "inputs"], dt: Any) -> PyTree:
        """The state after `dt` under a held input; `euler` for most networks."""

    @abstractmethod
    def settled(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        """What the neurons would be if all of them followed their parents at once."""

    @property
    @abstractmethod
    def inputs(self) -> int | None:
        """How many inputs it hears; None where it does not say."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What kind it is, for messages."""

    @abstractmethod
    def depth(self) -> int | None:
        """The longest path through it, in edges; None with a cycle or no graph."""

    @abstractmethod
    def moves_state(self, name: str) -> bool:
        """Whether the weight of this name can move the state, or the readout alone."""

    @abstractmethod
    def neurons(self) -> "AbstractNeurons | None":
        """Itself where every weight acts on one neuron only, else None."""


def euler(
    network: AbstractNetwork, x: PyTree, u: Float[Array, "..."], dt: Any
) -> PyTree:
    """x_{k+1} = x_k + dt f(x_k, u_k)."""
    rate = network(x, u)
    return jax.tree.map(lambda x, f: x + jnp.asarray(dt, x.dtype) * f, x, rate)
