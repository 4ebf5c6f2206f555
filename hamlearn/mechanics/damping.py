"""A fixed-step solver whose step does not shrink with the dissipation."""

from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
from diffrax import RESULTS, AbstractSolver, AbstractTerm

from .. import _checks
from .._types import Number, PyTree, Scalar


class ExponentialDamping(AbstractSolver):
    """Second-order motion with large linear damping, of order 1, one evaluation a step.

        v+ = e^{-theta h} v + (1 - e^{-theta h})/theta (a + theta v),   q+ = q + h v+

    for y = (q, v) with dv/dt = a, which contains -theta v. The damping is integrated
    exactly: for theta h -> inf the step is gradient descent with rate h/(m theta).

    **Arguments:** `dissipation`: theta >= 0, that of the field, in 1/time; `pair`:
    gives (q, v) of any y, and (v, a) of its rate, such as `hl.laws.phase` for `STLP`.
    """

    dissipation: Number
    pair: Callable[[PyTree], tuple[PyTree, PyTree]] = eqx.field(static=True)
    term_structure: ClassVar = AbstractTerm
    interpolation_cls: ClassVar[Callable[..., Any]] = dfx.LocalLinearInterpolation

    def __init__(
        self,
        dissipation: Number,
        *,
        pair: Callable[[PyTree], tuple[PyTree, PyTree]] = tuple,
    ):
        _checks.non_negative("dissipation", dissipation)
        self.dissipation, self.pair = jnp.asarray(dissipation), pair

    def order(self, terms):
        return 1

    def init(self, terms, t0, t1, y0, args):
        return None

    def advance(self, y: PyTree, a: PyTree, h: Number) -> tuple[PyTree, PyTree]:
        """(q, v) after a step of h from y = (q, v), where the acceleration is a."""
        q, v = y
        theta = jnp.asarray(self.dissipation, jnp.result_type(h))
        keep, gain = jnp.exp(-theta * h), _gain(theta, h)

        def faster(v, a):
            return (keep * v + gain * (a + theta * v)).astype(v.dtype)

        v = jax.tree.map(faster, v, a)
        q = jax.tree.map(lambda q, v: (q + h * v).astype(q.dtype), q, v)
        return q, v

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        h = terms.contr(t0, t1)
        _, a = self.pair(terms.vf(t0, y0, args))
        moved = self.advance(self.pair(y0), a, h)
        where = lambda y: jax.tree.leaves(self.pair(y))
        y1 = eqx.tree_at(where, y0, jax.tree.leaves(moved))
        return y1, None, {"y0": y0, "y1": y1}, None, RESULTS.successful

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


class Projected(AbstractSolver):
    """Any solver, with y projected after each of its steps.

    **Arguments:** `solver`: of diffrax; `project`: called as `project(t, y, args)`,
    such as that of a `constrained_euler_lagrange` field or of `STLP`.
    """

    solver: AbstractSolver
    project: Callable[[Scalar, PyTree, PyTree], PyTree]

    def __check_init__(self):
        _checks.instance("solver", self.solver, AbstractSolver)

    @property
    def term_structure(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.solver.term_structure

    @property
    def interpolation_cls(self):  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.solver.interpolation_cls

    @property
    def term_compatible_contr_kwargs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.solver.term_compatible_contr_kwargs

    def order(self, terms):
        return self.solver.order(terms)

    def error_order(self, terms):
        return self.solver.error_order(terms)

    def init(self, terms, t0, t1, y0, args):
        return self.solver.init(terms, t0, t1, y0, args)

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        # A solver that remembers its last derivative took it before the projection.
        y1, error, dense, memory, result = self.solver.step(
            terms, t0, t1, y0, args, solver_state, jnp.ones_like(made_jump)
        )
        y1 = self.project(t1, y1, args)  # pyright: ignore[reportArgumentType]
        return y1, error, dense | {"y1": y1} if "y1" in dense else dense, memory, result

    def func(self, terms, t0, y0, args):
        return self.solver.func(terms, t0, y0, args)


def _gain(theta: Any, h: Any) -> Any:
    """(1 - e^{-theta h})/theta, which is h without damping."""
    positive = theta > 0
    return jnp.where(
        positive, -jnp.expm1(-theta * h) / jnp.where(positive, theta, 1), h
    )
