"""The costate of optimal control as a differential equation, run forward in time."""

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Number, Scalar
from ..action.action import augmented_cost
from ..action.cost import as_number
from ..action.residual import Dynamical
from ..action.trees import moved, negative
from ..mechanics.causal import AbstractPolicy, Motion
from .base import AbstractCostateFlow
from .sign import SignFlip


class CostateFlow(AbstractCostateFlow):
    """p_x of Hamiltonian learning, by a policy that acts on every number by itself.

        dp/dt = -s H_x - theta p,   H_x = ell_x + f_x^T p,   p(0) = 0,   lam = -p

    with s = -1 for `SignFlip`. A step moves p first; the credit is that of the new
    one.

    **Arguments:** `policy`: `SignFlip`, `NoFlip`, or one of yours that is not `joint`;
    the others look at H or at the weights' costates too and go with
    `HamiltonianLearning` alone. `dissipation`: theta >= 0.

    Betti & Gori (2024), theorem 1, in the normalised costates.
    """

    policy: AbstractPolicy
    dissipation: Scalar

    def __init__(self, policy: AbstractPolicy | None = None, dissipation: Number = 0.0):
        self.policy = SignFlip() if policy is None else policy
        _checks.instance("policy", self.policy, AbstractPolicy)
        if self.policy.joint:
            wanted = "one that acts on every costate by itself (`SignFlip`, `NoFlip`)"
            _checks.reject("policy", wanted, self.policy)
        _checks.non_negative("dissipation", dissipation)
        self.dissipation = as_number(dissipation)

    def prepare(self, network, x, key):
        return None

    def start(self, network, x, fixed):
        return jax.tree.map(jnp.zeros_like, x)

    def step(self, instant, fixed, memory):
        p = moved(memory, instant.dt, self._rate(instant, memory))
        return negative(p), p

    def rates(self, instant, fixed, memory):
        return negative(memory), self._rate(instant, memory)

    def scalars(self, instant, memory, kinetic):
        H = self._value(instant, instant.x, memory)
        ell = self._value(instant, instant.x, jax.tree.map(jnp.zeros_like, memory))
        return {"lagrangian": kinetic + ell, "hamiltonian": H - kinetic}

    def _rate(self, instant, p):
        H_x = jax.grad(lambda x: self._value(instant, x, p))(instant.x)
        theta = self.dissipation.astype(instant.loss.dtype)
        motion = Motion(instant.x, p, instant.loss, H_x, None, theta, None)
        return self.policy.rates(motion, None)[0]

    def _value(self, instant, x, p) -> Scalar:
        """ell + p.f, which is M at lam = -p and v = 0."""
        rest = jax.tree.map(jnp.zeros_like, x)
        return augmented_cost(
            instant.cost, Dynamical(), instant.network, x, rest, negative(p),
            instant.sample,
        )  # fmt: skip
