"""One answer to "how is the costate found?": what all of them look like."""

from abc import abstractmethod
from typing import ClassVar

import equinox as eqx

from .._types import Array, Bool, Number, Params, PyTree, Scalar
from ..action.action import Instant
from ..action.cost import Cost
from ..action.residual import AbstractResidual
from ..networks.base import Network
from ..signals.signal import Sample


class AbstractCostate(eqx.Module):
    """Finds the multiplier lam of the residual causally, one sample at a time.

    With G = v - f the multiplier is minus the costate p of optimal control. One
    stream is one call; several are mapped over. `residual` is the kind of residual
    whose multiplier it finds.
    """

    residual: ClassVar[type[AbstractResidual]] = AbstractResidual

    @abstractmethod
    def prepare(self, network: Network, x: PyTree, key: Array | None) -> PyTree:
        """What never changes and all streams share: tables, feedback weights."""

    @abstractmethod
    def start(self, network: Network, x: PyTree, fixed: PyTree) -> PyTree:
        """The memory at the start of a stream or an episode."""

    @abstractmethod
    def step(
        self, instant: Instant, fixed: PyTree, memory: PyTree
    ) -> tuple[PyTree, PyTree]:
        """(lam of this sample, the memory after it)."""


class AbstractCostateFlow(AbstractCostate):
    """A costate that obeys a differential equation: its memory moves at a rate."""

    @abstractmethod
    def rates(
        self, instant: Instant, fixed: PyTree, memory: PyTree
    ) -> tuple[PyTree, PyTree]:
        """(lam, d memory/dt)."""

    @abstractmethod
    def scalars(
        self, instant: Instant, memory: PyTree, kinetic: Scalar | float
    ) -> dict[str, Scalar]:
        """Lagrangian and Hamiltonian, given the kinetic energy of the weights."""


class AbstractWindow(eqx.Module):
    """Credit from a window of past samples, once every `window` of them.

    Between, nothing is due and the weights rest. What is remembered has a field
    `carried`, which each window hands on to the next.
    """

    residual: ClassVar[type[AbstractResidual]] = AbstractResidual
    window: eqx.AbstractVar[int]

    @abstractmethod
    def prepare(self, network: Network, x: PyTree, key: Array | None) -> PyTree:
        """Say what does not fit."""

    @abstractmethod
    def check(self, network: Network, dt: Number) -> None:
        """Say what of the network does not suit the step."""

    @abstractmethod
    def start(self, network: Network, x: PyTree, fixed: PyTree) -> PyTree:
        """An empty past; takes the network of all streams."""

    @abstractmethod
    def remember(
        self, past: PyTree, cost: Cost, network: Network, x: PyTree,
        sample: Sample, dt: Scalar,
    ) -> PyTree:  # fmt: skip
        """The past with one more sample."""

    @abstractmethod
    def due(self, past: PyTree) -> Bool[Array, ""] | bool:
        """Whether the weights move now."""

    @abstractmethod
    def credit(
        self, cost: Cost, residual: AbstractResidual, w: Params, frozen: PyTree,
        past: PyTree, dt: Scalar,
    ) -> tuple[Params, PyTree]:  # fmt: skip
        """(g of the window, what is carried on from it)."""

    @abstractmethod
    def told(self, carried: PyTree) -> dict[str, Scalar]:
        """What the info says of the last window, by name."""
