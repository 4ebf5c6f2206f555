"""Networks: parametric vector fields dx/dt = f(x, u) with a readout y = h(x, u)."""

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, PyTree
from .base import AbstractNetwork


class Batch(AbstractNetwork):
    """The same network run on `size` streams at once, with shared weights.

    State, input and output get a leading axis of length `size`; losses average
    over it.
    """

    network: AbstractNetwork
    size: int = eqx.field(static=True)

    def __check_init__(self):
        _checks.at_least("size", self.size, 1)

    def __call__(self, x: PyTree, u: Float[Array, "batch inputs"]) -> PyTree:
        return jax.vmap(self.network)(x, u)

    def readout(
        self, x: PyTree, u: Float[Array, "batch inputs"]
    ) -> Float[Array, "batch outputs"]:
        return jax.vmap(self.network.readout)(x, u)

    def initial_state(self) -> PyTree:
        x = self.network.initial_state()
        return jax.tree.map(lambda a: jnp.broadcast_to(a, (self.size, *a.shape)), x)

    def trainable(self) -> PyTree[bool]:
        everything = jax.tree.map(lambda _: False, self)
        return eqx.tree_at(lambda b: b.network, everything, self.network.trainable())
