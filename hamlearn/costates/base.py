"""One answer to "how is the costate found?": what all of them look like."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx

from .._types import Array, PyTree, Scalar
from ..action.action import Instant
from ..action.residual import AbstractResidual


class AbstractCostate(eqx.Module):
    """Finds the multiplier lam of the residual causally, one sample at a time.

    With G = v - f the multiplier is minus the costate p of optimal control. One
    stream is one call; several are mapped over. `residual` is the kind of residual
    whose multiplier it finds.
    """

    residual: ClassVar[type[AbstractResidual]] = AbstractResidual

    @abstractmethod
    def prepare(self, network: Any, x: PyTree, key: Array | None) -> PyTree:
        """What never changes and all streams share: tables, feedback weights."""

    @abstractmethod
    def start(self, network: Any, x: PyTree, fixed: PyTree) -> PyTree:
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
