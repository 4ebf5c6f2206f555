"""A costate in reversed time: the Riccati equation of the optimal control problem."""

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..mechanics.causal import AbstractPolicy, signed_rates


class TimeReversal(AbstractPolicy):
    """The Riccati equation of the optimal control problem, run in reversed time.

        dP/dt = Q + A^T P + P A - P S P - theta P,   P(0) = 0
        dp/dt = H_q + 2 P dq/dt - theta p

    with A = H_pq, S = -H_pp and Q = H_qq at p = 0, all at the current point. Exact
    (the costate of an infinite horizon once P has settled) where dynamics are linear
    and the cost quadratic; otherwise along the local linearisation. The sign flip is
    what remains without the term 2 P dq/dt, which is a damping.

    P is a square matrix over state and weights: O((n + E)^2) numbers and
    O((n + E) E) time per step, for small networks.
    """

    @property
    def joint(self):
        return True

    @property
    def jumps(self):
        return False

    def init(self, q):
        flat = jax.eval_shape(lambda q: ravel_pytree(q)[0], q)
        wanted = (
            "small enough for `TimeReversal` (`SignFlip` carries a number per weight)"
        )
        squares = 4 * flat.size**2 * flat.dtype.itemsize  # P, Q, A^T P and S P
        _checks.affordable("network", wanted, squares)
        return jnp.zeros((flat.size, flat.size), flat.dtype)

    def rates(self, motion, memory):
        q, unravel = ravel_pytree(motion.q)
        p, _ = ravel_pytree(motion.p)
        scalar = motion.hamiltonian
        assert scalar is not None
        H = lambda q, p: scalar(unravel(q), unravel(p))
        P = memory

        def columns(derivative, point):  # derivative of a vector field along each P e_k
            return jax.vmap(lambda d: jax.jvp(derivative, (point,), (d,))[1])(P).T

        ATP = columns(lambda p: jax.grad(H, 0)(q, p), p)
        SP = -columns(lambda p: jax.grad(H, 1)(q, p), p)
        Q = jax.hessian(lambda q: H(q, jnp.zeros_like(p)))(q)
        P_rate = Q + ATP + ATP.T - P @ SP - motion.dissipation * P
        q_rate, _ = ravel_pytree(motion.H_p)
        damping = unravel(2 * P @ q_rate)
        flip = signed_rates(-1.0, motion)
        return jax.tree.map(jnp.add, flip, damping), P_rate

    def settle(self, p, value, memory):
        return p, (memory + memory.T) / 2
