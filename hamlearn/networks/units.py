"""What layers of units with a memory and a head answer alike."""

import equinox as eqx

from .._types import Array, Float, PyTree
from .base import AbstractUnits
from .heads import AbstractHead, AbstractOwnHead
from .partition import fields_trainable


class AbstractMemory(AbstractUnits):
    """Units that remember, read by a head; every weight but the head's moves them."""

    head: eqx.AbstractVar[AbstractHead]
    learn: eqx.AbstractVar[tuple[str, ...]]

    def readout(
        self, x: Float[Array, "2 units"], u: Float[Array, "inputs"]
    ) -> Float[Array, "outputs"]:
        return self.head(x, u)

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, self.learn)

    def depth(self) -> None:
        return None

    def moves_state(self, name: str) -> bool:
        return not name.startswith("head")

    def own_head(self) -> AbstractOwnHead | None:
        return self.head if isinstance(self.head, AbstractOwnHead) else None
