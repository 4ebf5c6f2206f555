"""Ways to run a costate forward in time: what replaces the end condition p(T) = 0."""

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Number, Scalar
from ..mechanics.causal import AbstractPolicy
from .sign import SignFlip


class CostateBox(AbstractPolicy):
    """Keeps every costate within a box: outside it, each entry is driven back.

    Inside |p_k| <= bound the inner policy moves it; outside s is the sign of
    p_k H_q,k, under which |p_k| cannot grow.

    **Arguments:** `bound` > 0; `policy`: the inner one.
    """

    bound: Scalar
    policy: AbstractPolicy

    def __init__(self, bound: Number, policy: AbstractPolicy | None = None):
        _checks.positive("bound", bound)
        self.bound = jnp.asarray(bound)
        self.policy = SignFlip() if policy is None else policy
        _checks.instance("policy", self.policy, AbstractPolicy)

    @property
    def joint(self):
        return True

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

    def __init__(self, bound: Number, policy: AbstractPolicy | None = None):
        _checks.positive("bound", bound)
        self.bound = jnp.asarray(bound)
        self.policy = SignFlip() if policy is None else policy
        _checks.instance("policy", self.policy, AbstractPolicy)

    @property
    def joint(self):
        return True

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
