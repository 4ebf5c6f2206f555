"""What is made of complex states: outputs of diagonal layers."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from .. import _checks
from .._types import Array, Float
from .parts import checked_map


class AbstractHead(eqx.Module):
    """Outputs y of states h, real and imaginary part, and of the layer's input u."""

    @abstractmethod
    def __call__(
        self, h: Float[Array, "2 modes"], u: Float[Array, "inputs"]
    ) -> Float[Array, "outputs"]:
        """y."""

    @property
    @abstractmethod
    def modes(self) -> int:
        """How many states it reads."""


class AbstractOwnHead(AbstractHead):
    """One output for every mode, made of h_j and weights of its own alone.

        y_j = act(h_j + shift_j(u))

    with an elementwise `act` and a linear `shift`. Elementwise first and a matrix
    after, in the next layer, is what lets credit pass through a stack exactly; a matrix
    before the nonlinearity does not.
    """

    def __call__(self, h, u):
        return self.act(h + self.shift(u))

    @abstractmethod
    def act(self, h: Float[Array, "2 modes"]) -> Float[Array, "modes"]:
        """y of what the input has shifted."""

    @abstractmethod
    def shift(self, u: Float[Array, "inputs"]) -> Float[Array, "2 modes"]:
        """What u adds to h, up to a constant linear in u."""


class MixedHead(AbstractHead):
    """A hidden layer of all states, and a linear readout.

        y = V z + c,   z = tanh(Re(C h) + D u + b) [* tanh(Q u)]

    **Arguments:** `modes`, `inputs`, `outputs`; `hidden`: how many z; `product`: with
    the second factor, for answers that are a product of memory and input; `dtype`;
    `key`: C, D, Q, V ~ N(0, 1/fan-in), b and c start at zero.
    """

    mix: Float[Array, "2 hidden modes"]
    skip: Float[Array, "hidden inputs"]
    bias: Float[Array, "hidden"]
    factor: Float[Array, "hidden inputs"] | None
    readout_weight: Float[Array, "outputs hidden"]
    readout_bias: Float[Array, "outputs"]

    def __init__(
        self,
        modes: int,
        *,
        inputs: int,
        outputs: int = 1,
        hidden: int,
        product: bool = False,
        dtype: DTypeLike | None = None,
        key: Array,
    ):
        for name, size in (("modes", modes), ("outputs", outputs), ("hidden", hidden)):
            _checks.at_least(name, size, 1)
        _checks.at_least("inputs", inputs, 0)
        _checks.key("key", key)
        keys = jax.random.split(key, 4)
        dtype = _checks.floating("dtype", dtype)
        self.mix = _normal(keys[0], (2, hidden, modes), modes, dtype)
        self.skip = _normal(keys[1], (hidden, inputs), inputs, dtype)
        self.bias = jnp.zeros(hidden, dtype)
        self.factor = None
        if product:
            self.factor = _normal(keys[2], (hidden, inputs), inputs, dtype)
        self.readout_weight = _normal(keys[3], (outputs, hidden), hidden, dtype)
        self.readout_bias = jnp.zeros(outputs, dtype)

    def __call__(self, h, u):
        # Both products at once: of slices XLA would take the transposed ones, which
        # credit asks for, element by element against the order of memory.
        z = jax.vmap(jnp.matmul)(self.mix, jnp.stack([h[0], -h[1]])).sum(0)
        z = jnp.tanh(z + self.skip @ u + self.bias)
        if self.factor is not None:
            z = z * jnp.tanh(self.factor @ u)
        return self.readout_weight @ z + self.readout_bias

    @property
    def modes(self):
        return self.mix.shape[2]


class OwnHead(AbstractOwnHead):
    """y_j = tanh(Re h_j + D_j u + b_j): one output for every mode.

    **Arguments:** `modes`, `inputs`, `dtype`; `key`: D ~ N(0, 1/inputs), b starts at
    zero.
    """

    skip: Float[Array, "modes inputs"]
    bias: Float[Array, "modes"]

    def __init__(
        self, modes: int, *, inputs: int, dtype: DTypeLike | None = None, key: Array
    ):
        _checks.at_least("modes", modes, 1)
        _checks.at_least("inputs", inputs, 0)
        _checks.key("key", key)
        dtype = _checks.floating("dtype", dtype)
        self.skip = _normal(key, (modes, inputs), inputs, dtype)
        self.bias = jnp.zeros(modes, dtype)

    def act(self, h):
        return jnp.tanh(h[0])

    def shift(self, u):
        real = self.skip @ u + self.bias
        return jnp.stack([real, jnp.zeros_like(real)])

    @property
    def modes(self):
        return self.bias.shape[0]


class ProductHead(AbstractOwnHead):
    """y_j = sigmoid(Re h_j + D_j u + b_j) tanh(Im h_j + E_j u + c_j): a gate and what
    it lets pass, one output for every mode.

    **Arguments:** `modes`, `inputs`, `dtype`; `key`: D, E ~ N(0, 1/inputs), b and c
    start at zero.
    """

    gate_weight: Float[Array, "modes inputs"]
    gate_bias: Float[Array, "modes"]
    value_weight: Float[Array, "modes inputs"]
    value_bias: Float[Array, "modes"]

    def __init__(
        self, modes: int, *, inputs: int, dtype: DTypeLike | None = None, key: Array
    ):
        _checks.at_least("modes", modes, 1)
        _checks.at_least("inputs", inputs, 0)
        _checks.key("key", key)
        a, b = jax.random.split(key)
        dtype = _checks.floating("dtype", dtype)
        self.gate_weight = _normal(a, (modes, inputs), inputs, dtype)
        self.value_weight = _normal(b, (modes, inputs), inputs, dtype)
        self.gate_bias = self.value_bias = jnp.zeros(modes, dtype)

    def act(self, h):
        return jax.nn.sigmoid(h[0]) * jnp.tanh(h[1])

    def shift(self, u):
        gate = self.gate_weight @ u + self.gate_bias
        return jnp.stack([gate, self.value_weight @ u + self.value_bias])

    @property
    def modes(self):
        return self.gate_bias.shape[0]


def fits_head(head: AbstractHead, inputs: int, dtype: Any) -> None:
    """**Raises:** `ValueError` for a head that hears another number of inputs."""
    h = jax.ShapeDtypeStruct((2, head.modes), dtype)
    u = jax.ShapeDtypeStruct((inputs,), dtype)
    checked_map("head", lambda u, h: head(h, u), u, h, of="as many as the layer hears")


def _normal(key: Array, shape: tuple[int, ...], fan_in: int, dtype: Any) -> Array:
    scale = jnp.asarray(max(fan_in, 1) ** -0.5, dtype)
    return scale * jax.random.normal(key, shape, dtype)
