"""Holonomic constraints G(t, q) = 0 on a Lagrangian system.

d'Alembert's principle adds the force G_q^T delta to the Euler-Lagrange equations; the
multipliers delta follow from d^2 G/dt^2 = 0, a Gram system that is solved without ever
forming the Jacobian G_q.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from .. import _checks
from .._types import Count, Number, PyTree
from .equations import floating, generalised_force, mass_operator
from .gram import AbstractGram, GramSolve, Tangent
from .stabilisation import AbstractStabilisation, Baumgarte, Constraint, Lagrangian


def motion(
    constraint: Constraint, t: Number, q: PyTree, v: PyTree, args: PyTree
) -> tuple[PyTree, PyTree, PyTree]:
    """(G, dG/dt, Gamma): residual, its rate, and d^2 G/dt^2 at zero acceleration.

    Gamma is the second derivative of s -> G(t + s, q + s v): two nested jvps, O(cost
    of G).
    """
    t = floating(t)
    ones = jnp.ones_like(t)

    def rate(t, q):
        return jax.jvp(lambda t, q: constraint(t, q, args), (t, q), (ones, v))

    (G, G_dot), (_, gamma) = jax.jvp(rate, (t, q), (ones, v))
    return G, G_dot, gamma


class Reaction(eqx.Module):
    """What the constraints do at one point of a motion.

    `force` is what acts without them, `reaction` is G_q^T delta; `G` and `G_dot` say
    how well they hold; `iterations` is what the multipliers took.
    """

    acceleration: PyTree
    force: PyTree
    reaction: PyTree
    multipliers: PyTree
    iterations: Count
    G: PyTree
    G_dot: PyTree


class ConstrainedMotion(eqx.Module):
    """Euler-Lagrange equations under constraints, as made by
    `constrained_euler_lagrange`: called with (t, y, args) it is the vector field."""

    lagrangian: Lagrangian
    constraint: Constraint
    dissipation: Number
    stabilisation: AbstractStabilisation
    linear_solver: lx.AbstractLinearSolver
    gram: AbstractGram

    def __call__(self, t: Number, y: tuple[PyTree, PyTree], args: PyTree = None):
        """dy/dt = (v, a) at y = (q, v)."""
        return y[1], self.react(t, y, args).acceleration

    def react(
        self, t: Number, y: tuple[PyTree, PyTree], args: PyTree = None
    ) -> Reaction:
        """Acceleration, multipliers and forces at y = (q, v)."""
        tangent = self.tangent(t, *y, args)
        return self._react(t, y, args, tangent, self.gram.at(tangent))

    def project(
        self,
        t: Number,
        y: tuple[PyTree, PyTree],
        args: PyTree = None,
        *,
        newton: int = 1,
    ) -> tuple[PyTree, PyTree]:
        """(q, v) brought to G = 0 and dG/dt = 0, along the mass-weighted normal.

        **Arguments:** `newton`: Gauss-Newton steps for G; dG/dt is linear in v.
        """
        return self._projected(t, y, args, newton)[0]

    def settle(
        self,
        t: Number,
        y: tuple[PyTree, PyTree],
        args: PyTree = None,
        *,
        newton: int = 1,
    ) -> tuple[tuple[PyTree, PyTree], Reaction]:
        """`project`, and `react` there, by one factorisation less than both alone."""
        if newton == 0:
            return y, self.react(t, y, args)
        y, tangent, solve = self._projected(t, y, args, newton)
        return y, self._react(t, y, args, tangent, solve)

    def _react(self, t, y, args, tangent, solve) -> Reaction:
        t, (q, v) = floating(t), y
        L = self.stabilisation.lagrangian(self.lagrangian, self.constraint)
        force = generalised_force(L, t, q, v, args, self.dissipation)
        G, G_dot, gamma = motion(self.constraint, t, q, v, args)
        free = tangent.along(tangent.accelerate(force))
        wanted = jax.tree.map(
            lambda w, g, f: w - g - f, self.stabilisation(G, G_dot), gamma, free
        )
        delta, iterations = solve(wanted)
        reaction = tangent.across(self.stabilisation.multiplier(delta, G))
        acceleration = tangent.accelerate(jax.tree.map(jnp.add, force, reaction))
        return Reaction(acceleration, force, reaction, delta, iterations, G, G_dot)

    def _projected(self, t, y, args, newton):
        """((q, v), the tangent there, what solves its Gram system)."""
        t, (q, v) = floating(t), y
        for _ in range(newton):
            tangent = self.tangent(t, q, v, args)
            q = self._remove(tangent, self.gram.at(tangent), tangent.G, q)
        tangent = self.tangent(t, q, v, args)
        solve = self.gram.at(tangent)
        _, G_dot, _ = motion(self.constraint, t, q, v, args)
        return (q, self._remove(tangent, solve, G_dot, v)), tangent, solve

    def tangent(self, t: Number, q: PyTree, v: PyTree, args: PyTree = None) -> Tangent:
        """The constraints linearised at a point, with the masses there."""
        t = floating(t)
        mass = mass_operator(self.lagrangian, t, q, v, args)
        # A run that diverges shall end with its own report, so no error is thrown.
        accelerate = lambda f: (
            lx.linear_solve(mass, f, self.linear_solver, throw=False).value
        )
        return Tangent(lambda q: self.constraint(t, q, args), q, accelerate)

    def _remove(self, tangent, solve, error, where):
        delta, _ = solve(error)
        normal = tangent.accelerate(tangent.across(delta))
        return jax.tree.map(lambda a, b: a - b, where, normal)


def constrained_euler_lagrange(
    lagrangian: Lagrangian,
    constraint: Constraint,
    *,
    dissipation: Number = 0.0,
    stabilisation: AbstractStabilisation = Baumgarte(),  # noqa: B008
    linear_solver: lx.AbstractLinearSolver = lx.AutoLinearSolver(well_posed=True),  # noqa: B008
    gram: AbstractGram | None = None,
) -> ConstrainedMotion:
    """Euler-Lagrange equations with G(t, q) = 0 imposed by multipliers delta.

        L_vv a = F + G_q^T delta,      F = L_q - (L_vt + L_vq v) - theta L_v
        (G_q L_vv^-1 G_q^T) delta = G''_wanted - Gamma - G_q L_vv^-1 F

    **Arguments:** `lagrangian`: L(t, q, v, args); `constraint`: G(t, q, args), any
    pytree; `stabilisation`: what keeps G from drifting; `linear_solver`: for the mass
    matrix, `DiagonalMass()` where it is diagonal; `gram`: for the multipliers, by
    default `linear_solver` too. Both get matrix-free positive definite operators.

    **Returns:** the vector field of y = (q, v), with `react` and `project` beside.
    """
    _checks.instance("stabilisation", stabilisation, AbstractStabilisation)
    gram = GramSolve(linear_solver) if gram is None else gram
    _checks.instance("gram", gram, AbstractGram)
    return ConstrainedMotion(
        lagrangian, constraint, dissipation, stabilisation, linear_solver, gram
    )
