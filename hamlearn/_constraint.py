"""Holonomic constraints G(t, q) = 0 on a Lagrangian system.

d'Alembert's principle adds the force G_q^T delta to the Euler-Lagrange equations; the
multipliers delta follow from d^2 G/dt^2 = 0, a Gram system that is solved without ever
forming the Jacobian G_q.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from . import _checks
from ._mechanics import Field, generalised_force, mass_operator
from ._types import PyTree, Scalar

Constraint = Callable[..., PyTree]


def motion(
    constraint: Constraint, t: Any, q: PyTree, v: PyTree, args: Any
) -> tuple[PyTree, PyTree, PyTree]:
    """(G, dG/dt, Gamma): residual, its rate, and d^2 G/dt^2 at zero acceleration.

    Gamma is the second derivative of s -> G(t + s, q + s v): two nested jvps, O(cost
    of G).
    """
    t = jnp.asarray(t, jnp.result_type(float))
    ones = jnp.ones_like(t)

    def rate(t, q):
        return jax.jvp(lambda t, q: constraint(t, q, args), (t, q), (ones, v))

    (G, G_dot), (_, gamma) = jax.jvp(rate, (t, q), (ones, v))
    return G, G_dot, gamma


class Baumgarte(eqx.Module):
    """Drift control G'' = -2 alpha G' - beta^2 G, from `alpha`, `beta` in 1/time.

    Both zero leave d^2 G/dt^2 = 0, under which errors of G grow linearly in time.
    """

    alpha: Any = 0.0
    beta: Any = 0.0

    def __check_init__(self):
        _checks.non_negative("alpha", self.alpha)
        _checks.non_negative("beta", self.beta)

    def __call__(self, G: PyTree, G_dot: PyTree) -> PyTree:
        return jax.tree.map(
            lambda g, rate: -2 * self.alpha * rate - self.beta**2 * g, G, G_dot
        )


def constrained_euler_lagrange(
    lagrangian: Callable[..., Scalar],
    constraint: Constraint,
    *,
    dissipation: Any = 0.0,
    stabilisation: Baumgarte = Baumgarte(),  # noqa: B008
    linear_solver: lx.AbstractLinearSolver = lx.AutoLinearSolver(well_posed=True),  # noqa: B008
) -> Field:
    """Euler-Lagrange equations with G(t, q) = 0 imposed by multipliers delta.

        L_vv a = F + G_q^T delta,      F = L_q - (L_vt + L_vq v) - theta L_v
        (G_q L_vv^-1 G_q^T) delta = G''_wanted - Gamma - G_q L_vv^-1 F

    **Arguments:** `lagrangian`: L(t, q, v, args); `constraint`: G(t, q, args), any
    pytree; `stabilisation`: what d^2 G/dt^2 shall be; `linear_solver`: for the mass
    matrix and for the Gram matrix, both positive definite operators.

    **Returns:** the vector field of y = (q, v).
    """

    def field(t, y, args=None):
        q, v = y
        force = generalised_force(lagrangian, t, q, v, args, dissipation)
        mass = mass_operator(lagrangian, t, q, v, args)
        accelerate = lambda f: lx.linear_solve(mass, f, linear_solver).value
        G, G_dot, gamma = motion(constraint, t, q, v, args)
        G_q = lambda dq: jax.jvp(lambda q: constraint(t, q, args), (q,), (dq,))[1]
        _, G_q_transpose = jax.vjp(lambda q: constraint(t, q, args), q)

        def gram(delta):
            return G_q(accelerate(G_q_transpose(delta)[0]))

        free = G_q(accelerate(force))
        wanted = jax.tree.map(
            lambda w, g, f: w - g - f, stabilisation(G, G_dot), gamma, free
        )
        structure = eqx.filter_eval_shape(lambda: wanted)
        operator = lx.FunctionLinearOperator(
            gram, structure, lx.positive_semidefinite_tag
        )
        delta = lx.linear_solve(operator, wanted, linear_solver).value
        total = jax.tree.map(jnp.add, force, G_q_transpose(delta)[0])
        return v, accelerate(total)

    return field
