"""Networks: parametric vector fields dx/dt = f(x, u) with a readout y = h(x, u)."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Edges, Float, Neurons, Number, Params, PyTree, Scalar
from ..graph.digraph import Digraph
from ..graph.nodes import NodeSet
from .filters import Filters
from .heads import AbstractOwnHead
from .portable import copied, reduced


class AbstractNetwork(eqx.Module):
    """What every law needs of a network: drift, readout, a state, what it learns.

    The rest are answers about itself, so that no law has to ask what kind it is.
    A module `f(x, u)` of your own becomes a network as `Dynamics`.
    """

    def __reduce__(self):
        return reduced(self)

    def __deepcopy__(self, memo):
        return copied(self, memo)

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
    def transition(self, x: PyTree, u: Float[Array, "inputs"], dt: Number) -> PyTree:
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

    @abstractmethod
    def units(self) -> "dict[str, AbstractUnits] | None":
        """Its layers of units that do not hear each other, from the input to the
        output, by what the names of their weights begin with; else None."""


#: An `AbstractNetwork`; of which kind, says what takes or returns it.
Network: TypeAlias = Any

if TYPE_CHECKING:
    NetworkLike: TypeAlias = AbstractNetwork | Callable[[PyTree, Array], PyTree]
    Readout: TypeAlias = Callable[..., Array]  # of (x, u), or of x alone
else:  # what takes them says by name what is wrong with them
    NetworkLike = Readout = Any


class AbstractWhole(AbstractNetwork):
    """A network that is looked at as one piece: no graph, no neurons or units.

    What its readout learns is `readout_map`; every other weight moves the state.
    """

    def depth(self) -> None:
        return None

    def moves_state(self, name: str) -> bool:
        return not name.startswith("readout_map")

    def neurons(self) -> None:
        return None

    def units(self) -> None:
        return None


class Slopes(eqx.Module):
    """What makes up dx'/dx at one sample; `rise` is None where x itself is sent."""

    leak: Neurons
    slope: Neurons
    rise: Neurons | None = None

    def felt(self, change: Float[Array, "n *rest"]) -> Float[Array, "n *rest"]:
        """How what is sent changes with the states, along their leading axis."""
        if self.rise is None:
            return change
        return self.rise.reshape(-1, *[1] * (change.ndim - 1)) * change


class AbstractNeurons(AbstractNetwork):
    """Neurons on a digraph: weights on edges, from inputs, and one bias each."""

    graph: eqx.AbstractVar[Digraph]
    weight: eqx.AbstractVar[Edges]
    input_weight: eqx.AbstractVar[Float[Array, "input_nodes inputs"] | None]
    bias: eqx.AbstractVar[Neurons]
    input_nodes: eqx.AbstractVar[NodeSet]

    @property
    @abstractmethod
    def own_time(self) -> Neurons:
        """The time constant of every neuron's own leak."""

    @abstractmethod
    def slopes(self, x: Neurons, u: Float[Array, "inputs"], dt: Scalar) -> Slopes:
        """Leaks and slopes of a step of `dt` at state `x`."""

    @abstractmethod
    def sent(self, x: Neurons) -> Neurons:
        """What the neurons send at state `x`."""


class AbstractUnits(AbstractNetwork):
    """Units that do not hear each other; a state of some numbers for every unit.

    A weight that moves the state acts on one unit, or on all of a class that shares
    it. The trace of every weight then has as many numbers as a unit. Units are the
    first axis of such a weight, and of every weight where outputs are units' own.
    """

    def neurons(self) -> None:
        return None

    def units(self) -> "dict[str, AbstractUnits]":
        return {"": self}

    @property
    @abstractmethod
    def holomorphic(self) -> tuple[str, ...]:
        """Names of weights (2, units, ...) that are real and imaginary part of numbers
        in which the complex state is holomorphic: dx/d(imaginary) = i dx/d(real)."""

    @property
    @abstractmethod
    def spirals(self) -> bool:
        """Whether a step multiplies the state of each unit by a complex number."""

    @abstractmethod
    def apart(self, w: Params) -> Params:
        """The weights with what units share once for every unit of its own."""

    @abstractmethod
    def own_head(self) -> AbstractOwnHead | None:
        """What makes its outputs, where each is made by one unit alone; else None."""

    @abstractmethod
    def filters(self) -> Filters | None:
        """What its units do to what they hear, where they are linear filters of it."""


def euler(
    network: AbstractNetwork, x: PyTree, u: Float[Array, "..."], dt: Number
) -> PyTree:
    """x_{k+1} = x_k + dt f(x_k, u_k)."""
    rate = network(x, u)
    return jax.tree.map(lambda x, f: x + jnp.asarray(dt, x.dtype) * f, x, rate)
