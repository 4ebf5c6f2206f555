"""Layers of complex modes that do not hear each other: diagonal recurrence.

**Complex numbers, and their derivatives.** A state h = h_r + i h_i is held as the real
pair (h_r, h_i), first axis of length two, and so is every complex weight: laws,
optimizers and files meet real numbers only, and "gradient" means one thing. The complex
view is `modes` and `poles`. With ell a real function and

    q = d ell/dh_r - i d ell/dh_i      (Wirtinger: q = 2 d ell/dh)

a change dh of the state changes ell by Re(q dh). For h holomorphic in a complex weight
b, d ell/db_r = Re(q dh/db) and d ell/db_i = -Im(q dh/db): one complex trace dh/db
serves both. The pair (d ell/db_r, d ell/db_i) is what an optimizer goes down on: as a
complex number it is the conjugate of q dh/db, the direction of steepest ascent. JAX's
`jax.grad` of a complex argument returns q dh/db itself.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Complex, DTypeLike

from .. import _checks
from .._types import Array, Float, Number, Params
from .filters import Filters, complex_of, held, over, pole, times
from .heads import AbstractHead, MixedHead, fits_head
from .parts import checked_fields, drawn_poles
from .units import AbstractMemory

_UNIT = float(np.log(np.e - 1))  # softplus of it is 1
_WEIGHTS = ("input_weight", "log_gain", "log_decay", "log_frequency")


class DiagonalNetwork(AbstractMemory):
    """Complex modes with poles of their own, and an output made of all of them.

        dh_i/dt = lam_i h_i + g_i (B u)_i,   lam = -e^nu + i e^theta,   g = e^gamma
        y = V tanh(Re(C h) + D u + b) + c

    Re lam < 0 whatever is learned. A step is exact for an input held over it:
    h' = a h + (a - 1)/lam g B u with a = e^{lam dt}. Modes are drawn by the length of
    their memory, 1/e^nu. With `gated` they choose by their input what to keep and what
    to write (selective recurrence),

        dh_i/dt = D_i lam_i h_i + s_i g_i (B u)_i
        D = softplus(F u + log(e - 1)),   s = sigmoid(S u)

    No mode hears another, so every weight has one complex trace and exact credit
    costs what the network costs: see `hl.sensitivities.UnitTraces`. For h as pairs of
    real numbers and the convention of derivatives see `hamlearn.networks.diagonal`.

    **Arguments:**

    - `modes`: n; `inputs`: how many u it hears; `outputs`; `hidden`: how many tanh, by
      default n.
    - `time_constant`: (shortest, longest) 1/e^nu, in units of time, log-uniform.
    - `phase`: e^theta is uniform up to pi phase e^nu: radians per time constant over
      pi.
    - `classes`: K poles that n/K modes each share, spaced evenly over log time
      constants and with the phase in the middle; by default each mode has its own.
    - `gated`: input-selective recurrence.
    - `head`: another output, of `hl.networks`, in place of `hidden` and `outputs`.
    - `learn`: names of the fields that laws change; `dtype`.
    - `key`: for poles, B ~ N(0, 1/(2 inputs)) in both parts, and the rest.

    **Example:**

        >>> import hamlearn as hl, jax
        >>> net = hl.DiagonalNetwork(4, inputs=2, key=jax.random.key(0))
        >>> bool((net.poles.real < 0).all()), net.modes(net.initial_state()).shape
        (True, (4,))

    **Raises:** `ValueError` naming the argument that does not fit.

    Orvieto et al. (2023), "Resurrecting recurrent neural networks for long sequences"
    (the cell); Zucchet, Meier, Schug, Mujika, Sacramento (2023), "Online learning of
    long-range dependencies" (its traces).
    """

    log_decay: Float[Array, "poles"]
    log_frequency: Float[Array, "poles"]
    log_gain: Float[Array, "modes"]
    input_weight: Float[Array, "2 modes inputs"]
    keep_weight: Float[Array, "modes inputs"] | None
    write_weight: Float[Array, "modes inputs"] | None
    head: AbstractHead
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
        classes: int | None = None,
        gated: bool = False,
        head: AbstractHead | None = None,
        learn: Sequence[str] = (*_WEIGHTS, "keep_weight", "write_weight", "head"),
        dtype: DTypeLike | None = None,
        key: Array,
    ):
        _checks.at_least("modes", modes, 1)
        _checks.at_least("inputs", inputs, 1)
        if classes is not None:
            _checks.at_least("classes", classes, 1)
            if modes % classes:
                wanted = f"a divisor of the number of modes {modes}"
                _checks.reject("classes", wanted, classes)
        _checks.key("key", key)
        keys = jax.random.split(key, 6)
        dtype = _checks.floating("dtype", dtype)
        tau, turn = drawn_poles(keys[0], modes, time_constant, phase, classes)
        each = tau if classes is None else jnp.repeat(tau, modes // classes)
        self.log_decay = -jnp.log(tau).astype(dtype)
        self.log_frequency = jnp.log(turn / tau).astype(dtype)
        # White noise of variance 1 per unit of time then moves every mode alike.
        self.log_gain = (0.5 * jnp.log(2 / each)).astype(dtype)
        draw = lambda key, *shape: jax.random.normal(key, shape, dtype)
        scale = jnp.asarray(inputs**-0.5, dtype)
        half = scale * jnp.asarray(0.5**0.5, dtype)
        self.input_weight = half * draw(keys[1], 2, modes, inputs)
        self.keep_weight = scale * draw(keys[2], modes, inputs) if gated else None
        self.write_weight = scale * draw(keys[3], modes, inputs) if gated else None
        if head is None:
            hidden = modes if hidden is None else hidden
            head = MixedHead(
                modes, inputs=inputs, outputs=outputs, hidden=hidden, dtype=dtype,
                key=keys[4],
            )  # fmt: skip
        _checks.instance("head", head, AbstractHead)
        if head.modes != modes:
            _checks.reject("head", f"of {modes} modes", f"of {head.modes}")
        fits_head(head, inputs, dtype)
        self.head = head
        self.learn = checked_fields(learn, type(self))

    @property
    def poles(self) -> Complex[Array, "modes"]:
        """lam of every mode."""
        return complex_of(self._poles())

    def modes(
        self, x: Float[Array, "*batch 2 modes"]
    ) -> Complex[Array, "*batch modes"]:
        """The complex view of states."""
        return complex_of(jnp.moveaxis(x, -2, 0))

    def __call__(
        self, x: Float[Array, "2 modes"], u: Float[Array, "inputs"]
    ) -> Float[Array, "2 modes"]:
        keep, write = self._gates(u)
        return keep * times(self._poles(), x) + write * (self.input_weight @ u)

    def initial_state(self) -> Float[Array, "2 modes"]:
        return jnp.zeros((2, self.log_gain.size), self.log_gain.dtype)

    def transition(
        self, x: Float[Array, "2 modes"], u: Float[Array, "inputs"], dt: Number
    ) -> Float[Array, "2 modes"]:
        keep, write = self._gates(u)
        a, lasting = held(self._poles(), keep * jnp.asarray(dt, x.dtype))
        into = write / keep * (self.input_weight @ u)
        return times(a, x) + times(lasting, into)

    def settled(
        self, x: Float[Array, "2 modes"], u: Float[Array, "inputs"]
    ) -> Float[Array, "2 modes"]:
        keep, write = self._gates(u)
        return -over(write / keep * (self.input_weight @ u), self._poles())

    @property
    def inputs(self) -> int:
        return self.input_weight.shape[2]

    @property
    def name(self) -> str:
        return "DiagonalNetwork"

    @property
    def holomorphic(self) -> tuple[str, ...]:
        return ("input_weight",)

    @property
    def spirals(self) -> bool:
        return True

    def apart(self, w: Params) -> Params:
        shared = ("log_decay", "log_frequency")
        return {k: self._each(v) if k in shared else v for k, v in w.items()}

    def filters(self) -> Filters | None:
        if self.keep_weight is not None:
            return None
        poles = pole(self.log_decay, self.log_frequency)
        return Filters(poles, jnp.exp(self.log_gain)[:, None] * self.input_weight)

    def _each(self, shared: Float[Array, "poles"]) -> Float[Array, "modes"]:
        return jnp.repeat(shared, self.log_gain.size // shared.size)

    def _poles(self) -> Float[Array, "2 modes"]:
        return pole(self._each(self.log_decay), self._each(self.log_frequency))

    def _gates(self, u: Float[Array, "inputs"]) -> tuple[Any, Float[Array, "modes"]]:
        """(how fast every mode goes, how much it takes in)."""
        gain = jnp.exp(self.log_gain)
        if self.keep_weight is None or self.write_weight is None:
            return jnp.ones((), gain.dtype), gain
        keep = jax.nn.softplus(self.keep_weight @ u + jnp.asarray(_UNIT, gain.dtype))
        return keep, jax.nn.sigmoid(self.write_weight @ u) * gain
