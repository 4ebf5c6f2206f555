"""Networks one above the other, and layers without a memory."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Number, Params, PyTree
from .base import AbstractNetwork, AbstractUnits, Network
from .heads import AbstractHead, AbstractOwnHead, fits_head
from .partition import fields_trainable
from .parts import checked_fields


class Memoryless(AbstractUnits):
    """A layer without a state: y = head(0, u).

    **Arguments:** `head`: of `hl.networks`, with an output of its own for every mode:
    `ProductHead` makes a gated linear unit of it, `OwnHead` a layer of tanh; `inputs`:
    how many u it hears; `learn`: `("head",)`, or nothing.

    **Raises:** `ValueError` naming the argument that does not fit.
    """

    head: AbstractOwnHead
    hears: int = eqx.field(static=True)
    learn: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self, head: AbstractHead, *, inputs: int, learn: Sequence[str] = ("head",)
    ):
        _checks.instance("head", head, AbstractHead)
        if not isinstance(head, AbstractOwnHead):
            wanted = "one with an output of its own for every mode"
            _checks.reject("head", wanted, f"a {type(head).__name__}")
        _checks.at_least("inputs", inputs, 1)
        fits_head(head, inputs, jnp.result_type(*jax.tree.leaves(head)))
        self.head, self.hears = head, inputs
        self.learn = checked_fields(learn, type(self))

    def __call__(
        self, x: Float[Array, "0 modes"], u: Float[Array, "inputs"]
    ) -> Float[Array, "0 modes"]:
        return x

    def readout(
        self, x: Float[Array, "0 modes"], u: Float[Array, "inputs"]
    ) -> Float[Array, "outputs"]:
        return self.head(jnp.zeros((2, self.head.modes), x.dtype), u)

    def initial_state(self) -> Float[Array, "0 modes"]:
        dtype = jnp.result_type(*jax.tree.leaves(self.head))
        return jnp.zeros((0, self.head.modes), dtype)

    def trainable(self) -> PyTree[bool]:
        return fields_trainable(self, self.learn)

    def transition(
        self, x: Float[Array, "0 modes"], u: Float[Array, "inputs"], dt: Number
    ) -> Float[Array, "0 modes"]:
        return x

    def settled(
        self, x: Float[Array, "0 modes"], u: Float[Array, "inputs"]
    ) -> Float[Array, "0 modes"]:
        return x

    @property
    def inputs(self) -> int:
        return self.hears

    @property
    def name(self) -> str:
        return "Memoryless"

    def depth(self) -> int:
        return 0

    def moves_state(self, name: str) -> bool:
        return False

    @property
    def holomorphic(self) -> tuple[str, ...]:
        return ()

    @property
    def spirals(self) -> bool:
        return False

    def apart(self, w: Params) -> Params:
        return w

    def own_head(self) -> AbstractOwnHead:
        return self.head

    def filters(self) -> None:
        return None


class Stack(AbstractNetwork):
    """Layers of networks: each hears the output of the one below, at once.

        y_0 = u,   y_l = h_l(x_l, y_{l-1}),   dx_l/dt = f_l(x_l, y_{l-1})

    The state is the tuple of the layers' states, the output is that of the last.
    Weights are named by their layer, `layers.0.input_weight`.

    Credit through the memories of two layers is exact and causal at K times the cost
    of the lower layer where the upper one has K poles in common and each output of the
    lower one weights of its own: see `hl.sensitivities.UnitTraces`.

    **Arguments:** `layers`: from the input to the output; any networks, the first of
    which says how many inputs the stack has.

    **Example:**

        >>> import hamlearn as hl, jax
        >>> a, b = jax.random.split(jax.random.key(0))
        >>> gate = hl.networks.ProductHead(8, inputs=3, key=a)
        >>> below = hl.networks.Memoryless(gate, inputs=3)
        >>> above = hl.DiagonalNetwork(16, inputs=8, classes=4, key=b)
        >>> net = hl.Stack([below, above])

    **Raises:** `ValueError` for layers that do not fit each other.
    """

    layers: tuple[AbstractNetwork, ...]

    def __init__(self, layers: Sequence[Network]):
        _checks.instance("layers", layers, (list, tuple))
        layers = tuple(layers)
        _checks.at_least("len(layers)", len(layers), 1)
        for layer in layers:
            _checks.instance("layers", layer, AbstractNetwork)
        self.layers = layers
        if layers[0].inputs is not None:
            dtype = jnp.result_type(*jax.tree.leaves(self.initial_state()))
            u = jax.ShapeDtypeStruct((layers[0].inputs,), dtype)
            self._fit(u)

    def __call__(self, x: tuple[PyTree, ...], u: Float[Array, "inputs"]) -> PyTree:
        each = zip(self.layers, x, self.heard(x, u), strict=True)
        return tuple(layer(x, y) for layer, x, y in each)

    def heard(
        self, x: tuple[PyTree, ...], u: Float[Array, "inputs"]
    ) -> tuple[Float[Array, "..."], ...]:
        """What every layer hears."""
        heard = [u]
        for layer, state in zip(self.layers[:-1], x[:-1], strict=True):
            heard.append(layer.readout(state, heard[-1]))
        return tuple(heard)

    def readout(
        self, x: tuple[PyTree, ...], u: Float[Array, "inputs"]
    ) -> Float[Array, "outputs"]:
        return self.layers[-1].readout(x[-1], self.heard(x, u)[-1])

    def initial_state(self) -> tuple[PyTree, ...]:
        return tuple(layer.initial_state() for layer in self.layers)

    def trainable(self) -> PyTree[bool]:
        everything = jax.tree.map(lambda _: False, self)
        each = tuple(layer.trainable() for layer in self.layers)
        return eqx.tree_at(lambda s: s.layers, everything, each)

    def transition(
        self, x: tuple[PyTree, ...], u: Float[Array, "inputs"], dt: Number
    ) -> PyTree:
        each = zip(self.layers, x, self.heard(x, u), strict=True)
        return tuple(layer.transition(x, y, dt) for layer, x, y in each)

    def settled(self, x: tuple[PyTree, ...], u: Float[Array, "inputs"]) -> PyTree:
        each = zip(self.layers, x, self.heard(x, u), strict=True)
        return tuple(layer.settled(x, y) for layer, x, y in each)

    @property
    def inputs(self) -> int | None:
        return self.layers[0].inputs

    @property
    def name(self) -> str:
        return f"Stack of {', '.join(layer.name for layer in self.layers)}"

    def depth(self) -> None:
        return None

    def moves_state(self, name: str) -> bool:
        last = f"layers.{len(self.layers) - 1}."
        inside = name.removeprefix(last)
        return not name.startswith(last) or self.layers[-1].moves_state(inside)

    def neurons(self) -> None:
        return None

    def units(self) -> dict[str, AbstractUnits] | None:
        found = {}
        for k, layer in enumerate(self.layers):
            inside = layer.units()
            if inside is None:
                return None
            found |= {f"layers.{k}.{name}": one for name, one in inside.items()}
        return found

    def _fit(self, u: Any) -> None:
        """Say which layer does not hear as many as the one below it sends."""
        for k, layer in enumerate(self.layers):
            if layer.inputs is not None and (layer.inputs,) != u.shape:
                wanted = f"of {u.shape[0]} inputs, the outputs of the layer below"
                _checks.reject(f"layers[{k}]", wanted, f"of {layer.inputs}")
            x = layer.initial_state()
            u = eqx.filter_eval_shape(layer.readout, x, u)
