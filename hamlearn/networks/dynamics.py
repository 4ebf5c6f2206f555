"""Any module as a network."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, PyTree
from .base import AbstractNetwork, euler
from .partition import fields_trainable


class Dynamics(AbstractNetwork):
    """Any Equinox module `f(x, u) = dx/dt` as a network.

    **Arguments:**

    - `drift`: called as `drift(x, u)`; its floating-point arrays are what learns.
    - `initial_state`: x at the start, any pytree of arrays.
    - `readout`: called as `readout(x, u)`; the state itself without it. Arrays in
      it learn too.
    - `inputs`: how many it hears, for laws that have to know before the first sample.
    """

    drift: Any
    readout_map: Any
    start: PyTree
    number_of_inputs: int | None = eqx.field(static=True)

    def __init__(
        self,
        drift: Any,
        *,
        initial_state: PyTree,
        readout: Any = None,
        inputs: int | None = None,
    ):
        if inputs is not None:
            _checks.at_least("inputs", inputs, 0)
        self.number_of_inputs = inputs
        self.drift = drift
        self.readout_map = readout
        self.start = jax.tree.map(jnp.asarray, initial_state)

    def __call__(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        return self.drift(x, u)

    def readout(self, x: PyTree, u: Float[Array, "inputs"]) -> Float[Array, "outputs"]:
        return x if self.readout_map is None else self.readout_map(x, u)

    def initial_state(self) -> PyTree:
        return self.start

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, ("drift", "readout_map"))

    def transition(self, x: PyTree, u: Float[Array, "inputs"], dt: Any) -> PyTree:
        return euler(self, x, u, dt)

    def settled(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        return jax.tree.map(jnp.add, x, self(x, u))

    @property
    def inputs(self) -> int | None:
        return self.number_of_inputs

    @property
    def name(self) -> str:
        return type(self.drift).__name__

    def depth(self) -> None:
        return None

    def moves_state(self, name: str) -> bool:
        return not name.startswith("readout_map")

    def neurons(self) -> None:
        return None

    def units(self) -> None:
        return None


def as_network(network: Any, x0: PyTree = None) -> AbstractNetwork:
    """`network` itself, or any module `f(x, u)` wrapped with its start `x0`."""
    if isinstance(network, AbstractNetwork):
        return network
    if not callable(network):
        _checks.reject("network", "a network or a module f(x, u) = dx/dt", network)
    if x0 is None:
        _checks.reject(
            "x0",
            "given for a module that is no `AbstractNetwork`: its state is unknown",
            None,
        )
    return Dynamics(network, initial_state=x0)
