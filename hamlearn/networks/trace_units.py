"""Units of two real numbers that turn and shrink: recurrent trace units."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from .. import _checks
from .._types import Array, Float, Params
from .filters import Filters, pole, times
from .heads import AbstractHead, MixedHead, fits_head
from .neurons import forward
from .parts import checked_fields, drawn_poles
from .units import AbstractMemory


class TraceUnits(AbstractMemory):
    """Recurrent trace units: a diagonal recurrence in real numbers, linear or not.

        c1' = f(r cos(phi) c1 - r sin(phi) c2 + s (W1 u))
        c2' = f(r cos(phi) c2 + r sin(phi) c1 + s (W2 u))
        r = exp(-e^nu dt),   phi = e^theta dt,   s = sqrt(1 - r^2)

    and y = V tanh(Re(C c) + D u + b) + c, with c1, c2 as real and imaginary part. r < 1
    whatever is learned; with dt = 1 they are as published. `nonlinearity` is f, within
    the recurrence; without it the state is a complex number that W1 + i W2 writes to,
    as in a `DiagonalNetwork`, with another gain. No unit hears another: exact credit by
    `hl.sensitivities.UnitTraces`, four numbers per pair of input weights.

    **Arguments:** `nonlinearity`: f of every number by itself, such as `jnp.tanh`, None
    for the linear unit; the others as for `hl.DiagonalNetwork`.

    **Raises:** `ValueError` naming the argument that does not fit.

    Elelimy, White, Bowling, White (2024), "Real-time recurrent learning using trace
    units in reinforcement learning".
    """

    log_decay: Float[Array, "units"]
    log_frequency: Float[Array, "units"]
    first_weight: Float[Array, "units inputs"]
    second_weight: Float[Array, "units inputs"]
    head: AbstractHead
    nonlinearity: Callable[[Array], Array] | None = eqx.field(static=True)
    learn: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        modes: int,
        *,
        inputs: int,
        outputs: int = 1,
        hidden: int | None = None,
        time_constant: tuple[float, float] = (1.0, 100.0),
        phase: float = 1.0,
        nonlinearity: Callable[[Array], Array] | None = None,
        head: AbstractHead | None = None,
        learn: Sequence[str] = (
            "log_decay", "log_frequency", "first_weight", "second_weight", "head",
        ),
        dtype: DTypeLike | None = None,
        key: Array,
    ):  # fmt: skip
        _checks.at_least("modes", modes, 1)
        _checks.at_least("inputs", inputs, 1)
        if nonlinearity is not None:
            _checks.function("nonlinearity", nonlinearity, "the units' states", 1)
        _checks.key("key", key)
        poles, first, second, read = jax.random.split(key, 4)
        dtype = _checks.floating("dtype", dtype)
        tau, turn = drawn_poles(poles, modes, time_constant, phase, None)
        self.log_decay = -jnp.log(tau).astype(dtype)
        self.log_frequency = jnp.log(turn / tau).astype(dtype)
        scale = jnp.asarray(inputs**-0.5, dtype)
        draw = lambda key: scale * jax.random.normal(key, (modes, inputs), dtype)
        self.first_weight, self.second_weight = draw(first), draw(second)
        if head is None:
            head = MixedHead(
                modes, inputs=inputs, outputs=outputs, dtype=dtype, key=read,
                hidden=modes if hidden is None else hidden,
            )  # fmt: skip
        _checks.instance("head", head, AbstractHead)
        if head.modes != modes:
            _checks.reject("head", f"of {modes} modes", f"of {head.modes}")
        fits_head(head, inputs, dtype)
        self.head, self.nonlinearity = head, nonlinearity
        self.learn = checked_fields(learn, type(self))

    def transition(
        self, x: Float[Array, "2 units"], u: Float[Array, "inputs"], dt: Any
    ) -> Float[Array, "2 units"]:
        decay, angle = pole(self.log_decay, self.log_frequency) * jnp.asarray(
            dt, x.dtype
        )
        r = jnp.exp(decay)
        gain = jnp.sqrt(-jnp.expm1(2 * decay))
        turned = times(jnp.stack([r * jnp.cos(angle), r * jnp.sin(angle)]), x)
        heard = jnp.stack([self.first_weight @ u, self.second_weight @ u])
        after = turned + gain * heard
        f = self.nonlinearity
        return after if f is None else forward(f)(after)

    def __call__(
        self, x: Float[Array, "2 units"], u: Float[Array, "inputs"]
    ) -> Float[Array, "2 units"]:
        """What a step of one unit of time changes; units are maps from step to step."""
        return self.transition(x, u, 1.0) - x

    def initial_state(self) -> Float[Array, "2 units"]:
        return jnp.zeros((2, self.log_decay.size), self.log_decay.dtype)

    def settled(
        self, x: Float[Array, "2 units"], u: Float[Array, "inputs"]
    ) -> Float[Array, "2 units"]:
        return self.transition(x, u, 1.0)

    @property
    def inputs(self) -> int:
        return self.first_weight.shape[1]

    @property
    def name(self) -> str:
        return "TraceUnits"

    @property
    def holomorphic(self) -> tuple[str, ...]:
        return ()

    @property
    def spirals(self) -> bool:
        return self.nonlinearity is None

    def apart(self, w: Params) -> Params:
        return w

    def filters(self) -> Filters | None:
        return None
