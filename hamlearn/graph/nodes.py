"""Some nodes of a graph, read and changed together."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .._types import Array, Float, Int, Neurons, Shaped


class NodeSet(eqx.Module):
    """Some nodes of a graph; consecutive ones are read as a slice."""

    nodes: Int[Array, "nodes"] | None
    span: tuple[int, int] | None = eqx.field(static=True)
    size: int = eqx.field(static=True)

    def __init__(self, nodes: np.ndarray):
        consecutive = bool(np.all(np.diff(nodes) == 1))
        self.span = (int(nodes[0]), int(nodes[-1]) + 1) if consecutive else None
        self.nodes = None if consecutive else jnp.asarray(nodes, jnp.int32)
        self.size = int(nodes.size)

    def take(self, value: Shaped[Array, "neurons"]) -> Shaped[Array, "nodes"]:
        """The entries of `value` at these nodes."""
        return value[self.nodes] if self.span is None else value[slice(*self.span)]

    def add(self, value: Neurons, increment: Float[Array, "nodes"]) -> Neurons:
        """`value` with `increment` added at these nodes."""
        if self.span is None:
            return value.at[self.nodes].add(increment)
        first, last = self.span
        return value + jnp.pad(increment, (first, value.shape[0] - last))

    def numbers(self) -> np.ndarray:
        """The nodes as numbers."""
        return np.arange(*self.span) if self.span else np.asarray(self.nodes)
