"""Ways to run a costate forward in time: what replaces the end condition p(T) = 0."""

import warnings

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Number, Scalar
from ..mechanics.causal import AbstractPolicy, signed_rates


class SignFlip(AbstractPolicy):
    """s = -1 at all times: the costate of the true equations run backwards, forward.

    With dissipation theta a stable filter; the default. Its costate has the right
    gain and twice the phase error of instantaneous backpropagation.
    """

    @property
    def joint(self):
        return False

    @property
    def jumps(self):
        return False

    def init(self, q):
        return None

    def rates(self, motion, memory):
        return signed_rates(-1.0, motion), None

    def settle(self, p, value, memory):
        return p, memory


class NoFlip(AbstractPolicy):
    """s = 1: the true equations, started at p(0) = 0. Diverges; for study only.

    The error of a costate pushed forward grows like e^{ct} at propagation speed c.
    Warns when made.
    """

    def __check_init__(self):
        warnings.warn(
            "`NoFlip` integrates the true costate forward in time, which diverges "
            "exponentially. Use `SignFlip` or `TimeReversal` to learn.",
            stacklevel=3,
        )

    @property
    def joint(self):
        return False

    @property
    def jumps(self):
        return False

    def init(self, q):
        return None

    def rates(self, motion, memory):
        return signed_rates(1.0, motion), None

    def settle(self, p, value, memory):
        return p, memory


class HamiltonianSign(AbstractPolicy):
    """s = -1 where H > 0, else 1.

    An optimal trajectory of an autonomous problem without end has H = 0: H > 0 says
    that too little is spent on change, H < 0 too much. A conjecture about the rule of
    Betti & Gori (2024), which names a flip but not when it happens. Chatters: use a
    solver of fixed step.
    """

    @property
    def joint(self):
        return True

    @property
    def jumps(self):
        return False

    def init(self, q):
        return None

    def rates(self, motion, memory):
        return signed_rates(jnp.where(motion.value > 0, -1.0, 1.0), motion), None

    def settle(self, p, value, memory):
        return p, memory


class SmoothSign(AbstractPolicy):
    """s = -tanh(H / scale): `HamiltonianSign` without the jump, for adaptive solvers.

    **Arguments:** `scale` > 0, in units of H.
    """

    scale: Scalar

    def __init__(self, scale: Number = 1.0):
        _checks.positive("scale", scale)
        self.scale = jnp.asarray(scale)

    @property
    def joint(self):
        return True

    @property
    def jumps(self):
        return False

    def init(self, q):
        return None

    def rates(self, motion, memory):
        return signed_rates(-jnp.tanh(motion.value / self.scale), motion), None

    def settle(self, p, value, memory):
        return p, memory


class HysteresisSign(AbstractPolicy):
    """`HamiltonianSign` that switches only once |H| has left a band around zero.

    **Arguments:** `band` > 0, in units of H. Switches between steps, so it is for
    `stream`; within one adaptive solve the sign would never change.
    """

    band: Scalar

    def __init__(self, band: Number = 1.0):
        _checks.positive("band", band)
        self.band = jnp.asarray(band)

    @property
    def joint(self):
        return True

    @property
    def jumps(self):
        return True

    def init(self, q):
        return -jnp.ones((), jax.tree.leaves(q)[0].dtype)

    def rates(self, motion, memory):
        return signed_rates(memory, motion), jnp.zeros_like(memory)

    def settle(self, p, value, memory):
        wanted = jnp.where(value > 0, -1, 1).astype(memory.dtype)
        return p, jnp.where(jnp.abs(value) > self.band, wanted, memory)
