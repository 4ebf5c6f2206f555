"""One network on many streams: the one place that knows of batches."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Number, PyTree
from .base import AbstractNetwork


class Batch(AbstractNetwork):
    """The same network run on `size` streams at once, with shared weights.

    State, input and output get a leading axis of length `size`; losses average
    over it.
    """

    network: AbstractNetwork
    size: int = eqx.field(static=True)

    def __check_init__(self):
        _checks.instance("network", self.network, AbstractNetwork)
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

    def transition(
        self, x: PyTree, u: Float[Array, "batch inputs"], dt: Number
    ) -> PyTree:
        return jax.vmap(lambda x, u: self.network.transition(x, u, dt))(x, u)

    def settled(self, x: PyTree, u: Float[Array, "batch inputs"]) -> PyTree:
        return jax.vmap(self.network.settled)(x, u)

    @property
    def inputs(self) -> int | None:
        return self.network.inputs

    @property
    def name(self) -> str:
        return f"Batch of {self.network.name}"

    def depth(self) -> int | None:
        return self.network.depth()

    def moves_state(self, name: str) -> bool:
        return self.network.moves_state(name)

    def neurons(self) -> None:
        return None

    def units(self) -> None:
        return None


def single(network: AbstractNetwork) -> Any:
    """The network of one stream."""
    return network.network if isinstance(network, Batch) else network


def over_streams(network: AbstractNetwork, function: Callable[..., Any]) -> Any:
    """`function`, mapped over the streams where there are several."""
    return jax.vmap(function) if isinstance(network, Batch) else function


def first_stream(network: AbstractNetwork, x: PyTree) -> PyTree:
    """The state of the first stream, or of the only one."""
    if not isinstance(network, Batch):
        return x
    return jax.tree.map(lambda leaf: leaf[0], x)


def per_stream(network: AbstractNetwork, tree: PyTree) -> PyTree:
    """`tree`, once for each stream where there are several."""
    if not isinstance(network, Batch):
        return tree
    copies = lambda leaf: jnp.broadcast_to(leaf, (network.size, *leaf.shape))
    return jax.tree.map(copies, tree)


def over_mean(network: AbstractNetwork, tree: PyTree) -> PyTree:
    """The mean over the streams where there are several."""
    if not isinstance(network, Batch):
        return tree
    return jax.tree.map(lambda leaf: jnp.mean(leaf, 0), tree)


def stream_keys(network: AbstractNetwork, key: Any) -> Any:
    """A key for each stream."""
    if key is None or not isinstance(network, Batch):
        return key
    return jax.random.split(key, network.size)


def streams_of(network: AbstractNetwork) -> tuple[int, ...]:
    """The leading shape of its state: (streams,), or () of a single one."""
    return (network.size,) if isinstance(network, Batch) else ()
