"""Ways to run a costate forward in time: what replaces the end condition p(T) = 0.

The true costate obeys dp/dt = -H_q - theta p with its condition at the end of time.
Integrated forward from p(0) = 0 it explodes. A policy decides what equation the
costate follows instead; the state and the weights always follow Hamilton's.

    dp/dt = -s H_q - theta p,    s in [-1, 1]
"""

import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from . import _checks
from ._types import Array, Float, PyTree, Scalar


class Motion(eqx.Module):
    """Where a Hamiltonian system is and where Hamilton's equations would move it."""

    q: PyTree
    p: PyTree
    value: Scalar
    H_q: PyTree
    H_p: PyTree
    dissipation: Scalar
    hamiltonian: Callable[[PyTree, PyTree], Scalar]


class AbstractPolicy(eqx.Module):
    """How a costate moves forward in time, and what that must remember.

    `jumps` says whether `settle` changes what the equation alone would give; such a
    policy is for `stream`, not for `solve`.
    """

    @property
    @abstractmethod
    def jumps(self) -> bool:
        """Whether `settle` makes the costate or the memory jump between steps."""

    @abstractmethod
    def init(self, q: PyTree) -> PyTree[Float[Array, "..."]]:
        """The memory at the start; part of the flow, so floating point."""

    @abstractmethod
    def rates(self, motion: Motion, memory: PyTree) -> tuple[PyTree, PyTree]:
        """(dp/dt, d memory/dt)."""

    @abstractmethod
    def settle(self, p: PyTree, value: Scalar, memory: PyTree) -> tuple[PyTree, PyTree]:
        """(p, memory) after a step, given H before it: for what jumps."""


def causal_hamilton(
    hamiltonian: Callable[..., Scalar],
    policy: AbstractPolicy,
    *,
    dissipation: Any = 0.0,
) -> Callable[..., tuple[PyTree, PyTree, PyTree]]:
    """Hamilton's equations with the costate of a policy.

        dq/dt = H_p,    dp/dt and d memory/dt as the policy says

    **Arguments:** `hamiltonian`: H(t, q, p, args) on any pytrees; `dissipation`:
    theta, of an action with weight e^{theta t}.

    **Returns:** the vector field of y = (q, p, memory), by one gradient of H. Start
    the memory with `policy.init(q)`.
    """

    def field(t, y, args=None):
        q, p, memory = y
        H = lambda q, p: hamiltonian(t, q, p, args)
        value, (H_q, H_p) = jax.value_and_grad(H, argnums=(0, 1))(q, p)
        motion = Motion(q, p, value, H_q, H_p, jnp.asarray(dissipation), H)
        return H_p, *policy.rates(motion, memory)

    return field


class SignFlip(AbstractPolicy):
    """s = -1 at all times: the costate of the true equations run backwards, forward.

    With dissipation theta a stable filter; the default. Its costate has the right
    gain and twice the phase error of instantaneous backpropagation.
    """

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

    def __init__(self, scale: Any = 1.0):
        _checks.positive("scale", scale)
        self.scale = jnp.asarray(scale)

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

    def __init__(self, band: Any = 1.0):
        _checks.positive("band", band)
        self.band = jnp.asarray(band)

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


class CostateBox(AbstractPolicy):
    """Keeps every costate within a box: outside it, each entry is driven back.

    Inside |p_k| <= bound the inner policy moves it; outside s is the sign of
    p_k H_q,k, under which |p_k| cannot grow.

    **Arguments:** `bound` > 0; `policy`: the inner one.
    """

    bound: Scalar
    policy: AbstractPolicy

    def __init__(self, bound: Any, policy: AbstractPolicy | None = None):
        _checks.positive("bound", bound)
        self.bound = jnp.asarray(bound)
        self.policy = SignFlip() if policy is None else policy

    @property
    def jumps(self):
        return self.policy.jumps

    def init(self, q):
        return self.policy.init(q)

    def rates(self, motion, memory):
        inner, memory_rate = self.policy.rates(motion, memory)

        def leaf(p, H_q, rate):
            back = -jnp.sign(p) * jnp.abs(H_q) - motion.dissipation * p
            return jnp.where(jnp.abs(p) > self.bound, back, rate)

        return jax.tree.map(leaf, motion.p, motion.H_q, inner), memory_rate

    def settle(self, p, value, memory):
        return self.policy.settle(p, value, memory)


class CostateReset(AbstractPolicy):
    """Sets all costates to zero whenever one of them has left a box.

    The practice of the authors' experiments before the sign flip (with a random
    restart there, at zero here). Resets between steps, so it is for `stream`.

    **Arguments:** `bound` > 0; `policy`: moves the costates in between.
    """

    bound: Scalar
    policy: AbstractPolicy

    def __init__(self, bound: Any, policy: AbstractPolicy | None = None):
        _checks.positive("bound", bound)
        self.bound = jnp.asarray(bound)
        self.policy = SignFlip() if policy is None else policy

    @property
    def jumps(self):
        return True

    def init(self, q):
        return self.policy.init(q)

    def rates(self, motion, memory):
        return self.policy.rates(motion, memory)

    def settle(self, p, value, memory):
        p, memory = self.policy.settle(p, value, memory)
        sizes = [jnp.max(jnp.abs(leaf), initial=0.0) for leaf in jax.tree.leaves(p)]
        left = jnp.max(jnp.stack(sizes)) > self.bound
        return jax.tree.map(lambda leaf: jnp.where(left, 0, leaf), p), memory


def signed_rates(s: Any, motion: Motion) -> PyTree:
    """dp/dt = -s H_q - theta p."""
    return jax.tree.map(
        lambda h, p: -s * h - motion.dissipation * p, motion.H_q, motion.p
    )
