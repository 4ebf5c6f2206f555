"""One answer to "how do the weights move?": what all of them look like."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

import equinox as eqx
import optax

from .._types import Params, PyTree, Scalar


class AbstractUpdate(eqx.Module):
    """Moves the weights, given their credit g = dM/dw (or an estimate of it)."""

    @abstractmethod
    def start(self, w: Params) -> PyTree:
        """The memory at the start."""

    @abstractmethod
    def step(
        self,
        g: Params,
        w: Params,
        memory: PyTree,
        dt: Scalar,
        loss: Scalar | None = None,
    ) -> tuple[Params, PyTree]:
        """(w, memory) after `dt`; `loss` for those that look at it."""


if TYPE_CHECKING:
    UpdateLike: TypeAlias = (
        AbstractUpdate | optax.GradientTransformation | optax.MultiSteps
    )
else:  # `as_update` says what is wrong with it
    UpdateLike = Any


class AbstractUpdateFlow(AbstractUpdate):
    """A motion of the weights that is a differential equation."""

    @abstractmethod
    def rates(self, g: Params, w: Params, memory: PyTree) -> tuple[Params, PyTree]:
        """(dw/dt, d memory/dt)."""

    @abstractmethod
    def kinetic(self, memory: PyTree) -> Scalar | float:
        """The kinetic energy of the weights."""
