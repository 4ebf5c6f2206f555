"""Ways to run a costate forward in time: what replaces the end condition p(T) = 0."""

from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Field, Float, Number, PyTree, Scalar, ScalarFunction
from ..action.trees import scaled


class Motion(eqx.Module):
    """Where a Hamiltonian system is and where Hamilton's equations would move it."""

    q: PyTree
    p: PyTree
    value: Scalar
    H_q: PyTree
    H_p: PyTree
    dissipation: Scalar
    hamiltonian: Callable[[PyTree, PyTree], Scalar] | None


class AbstractPolicy(eqx.Module):
    """How a costate moves forward in time, and what that must remember.

    `jumps` says whether `settle` changes what the equation alone would give; such a
    policy is for `stream`, not for `solve`.
    """

    @property
    @abstractmethod
    def jumps(self) -> bool:
        """Whether `settle` makes the costate or the memory jump between steps."""

    @property
    @abstractmethod
    def joint(self) -> bool:
        """Whether it looks at more than each costate by itself: H, other costates."""

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
    hamiltonian: ScalarFunction,
    policy: AbstractPolicy,
    *,
    dissipation: Number = 0.0,
) -> Field:
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


def signed_rates(s: Number, motion: Motion) -> PyTree:
    """dp/dt = -s H_q - theta p."""
    lost = scaled(motion.dissipation, motion.p)
    return jax.tree.map(lambda h, lost: -s * h - lost, motion.H_q, lost)
