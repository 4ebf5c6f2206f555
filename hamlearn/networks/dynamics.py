"""Any module as a network."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from .._types import Array, Float, Number, PyTree
from .base import AbstractNetwork, AbstractWhole, Readout, euler
from .batch import Batch
from .partition import fields_trainable, split
from .parts import checked_map


class Dynamics(AbstractWhole):
    """Any Equinox module `f(x, u) = dx/dt` as a network.

    **Arguments:**

    - `drift`: called as `drift(x, u)`; its floating-point arrays are what learns.
    - `initial_state`: x at the start, any pytree of arrays.
    - `readout`: called as `readout(x, u)`, or `readout(x)` where it takes no more, as
      `eqx.nn.Linear` does; the state itself without it. Arrays in it learn too.
    - `inputs`: how many it hears, for laws that have to know before the first sample.
    """

    drift: Callable[[PyTree, Array], PyTree]
    readout_map: Readout | None
    start: PyTree
    number_of_inputs: int | None = eqx.field(static=True)
    reads_input: bool = eqx.field(static=True)

    def __init__(
        self,
        drift: Callable[[PyTree, Array], PyTree],
        *,
        initial_state: PyTree,
        readout: Readout | None = None,
        inputs: int | None = None,
    ):
        _checks.function("drift", drift, "x and u", 2)
        if readout is not None:
            _checks.function("readout", readout, "x and u, or of x alone")
        if inputs is not None:
            _checks.at_least("inputs", inputs, 0)
        self.number_of_inputs = inputs
        self.drift = drift
        self.readout_map = readout
        self.start = floating_state("initial_state", initial_state)
        self.reads_input = _checks.takes(readout, 2) is not False
        if readout is not None:
            self._check_readout()

    def __call__(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        return _rate("drift", self.drift(x, u), x)

    def readout(self, x: PyTree, u: Float[Array, "inputs"]) -> Float[Array, "outputs"]:
        if self.readout_map is None:
            return x
        return self.readout_map(x, u) if self.reads_input else self.readout_map(x)

    def _check_readout(self) -> None:
        """Where it is known what it hears: of a state that is one vector."""
        x, inputs = self.start, self.number_of_inputs
        whole = isinstance(x, jax.Array) and x.ndim == 1
        if not whole or (self.reads_input and inputs is None):
            return
        heard = [jax.ShapeDtypeStruct((inputs,), x.dtype)] if self.reads_input else []
        checked_map("readout", self.readout_map, x, *heard, of="the state")

    def initial_state(self) -> PyTree:
        return self.start

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, ("drift", "readout_map"))

    def transition(self, x: PyTree, u: Float[Array, "inputs"], dt: Number) -> PyTree:
        return euler(self, x, u, dt)

    def settled(self, x: PyTree, u: Float[Array, "inputs"]) -> PyTree:
        return jax.tree.map(jnp.add, x, self(x, u))

    @property
    def inputs(self) -> int | None:
        return self.number_of_inputs

    @property
    def name(self) -> str:
        return type(self.drift).__name__


def _rate(name: str, rate: PyTree, x: PyTree) -> PyTree:
    """`rate` in the types of `x`; runs while a program is traced, and costs nothing.

    **Raises:** `ValueError` where it has another structure or shape, which might
    broadcast, or is complex.
    """
    if _shapes(rate) != _shapes(x):
        wanted = f"returning the shape of the state, {_shapes(x)}"
        _checks.reject(name, wanted, f"returning {_shapes(rate)}")
    for leaf in jax.tree.leaves(rate):
        if jnp.iscomplexobj(leaf):
            wanted = "returning real numbers: a complex state is a pair of real ones"
            _checks.reject(name, wanted, f"returning {leaf.dtype}")
    return jax.tree.map(lambda f, x: jnp.asarray(f, jnp.result_type(x)), rate, x)


def started(
    network: Any, x0: PyTree, key: Array | None = None
) -> tuple[AbstractNetwork, PyTree]:
    """(the network, its state at the start): where every law takes them in.

    **Raises:** `ValueError` for no network, for an `x0` of another structure or shape
    than the network's own start, and for a `key` that is none.
    """
    if key is not None:
        _checks.key("key", key)
    network = as_network(network, x0)
    arrays = filter(eqx.is_array, jax.tree.leaves(network))
    if any(map(jnp.iscomplexobj, arrays)):
        _weights_are_real(network)
    start = network.initial_state()
    if x0 is None:
        return network, start
    if isinstance(x0, list | tuple) and jax.tree.structure(start).num_nodes == 1:
        x0 = jnp.asarray(_checks.real("x0", x0))
    given, streams = floating_state("x0", x0), isinstance(network, Batch)
    if _shapes(given) != _shapes(start):
        more = ", the streams of the `Batch` first," if streams else ""
        wanted = f"of shape {_shapes(start)}{more} as the network's own"
        _checks.reject("x0", wanted, f"of shape {_shapes(given)}")
    for leaf, own in zip(*map(jax.tree.leaves, (given, start)), strict=True):
        if not isinstance(leaf, Tracer):
            _checks.within("x0", np.asarray(leaf), own.dtype)
    return network, jax.tree.map(lambda a, b: a.astype(b.dtype), given, start)


def _weights_are_real(network: AbstractNetwork) -> None:
    for name, leaf in split(network)[0].items():
        if jnp.iscomplexobj(leaf):
            wanted = "of real weights: a complex one is a pair of real ones"
            _checks.reject("network", wanted, f"of complex `{name}`")


def _shapes(tree: PyTree) -> str:
    return str(jax.tree.map(jnp.shape, tree))


def floating_state(name: str, state: PyTree) -> PyTree:
    """`state` as arrays of floating-point numbers.

    **Raises:** `ValueError` for what is no finite number, and for no numbers at all.
    """

    def floating(path, leaf):
        here = name + jax.tree_util.keystr(path)
        _checks.finite(here, leaf)
        if not isinstance(leaf, Tracer):
            leaf = _checks.real(here, leaf)
            _checks.within(here, leaf)
        leaf = jnp.asarray(leaf)
        inexact = jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf if inexact else leaf.astype(float)

    found = jax.tree_util.tree_map_with_path(floating, state)
    if not sum(leaf.size for leaf in jax.tree.leaves(found)):
        _checks.reject(name, "numbers", "empty")
    return found


def as_network(network: Any, x0: PyTree = None) -> AbstractNetwork:
    """`network` itself, or any module `f(x, u)` wrapped with its start `x0`."""
    if isinstance(network, AbstractNetwork):
        return network
    if not callable(network) or isinstance(network, type):
        wanted = "a network or a module f(x, u) = dx/dt"
        _checks.reject("network", wanted, _checks.shown(network))
    if x0 is None:
        _checks.reject(
            "x0",
            "given for a module that is no `AbstractNetwork`: its state is unknown",
            None,
        )
    return Dynamics(network, initial_state=floating_state("x0", x0))
