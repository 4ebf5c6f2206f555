"""Explicit one-step solvers for small systems.

diffrax's own solvers run their stages in an inner loop, which costs several times the
arithmetic of a small network; these spell the stages out. They are ordinary
`diffrax.AbstractSolver`s, for fixed steps.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import jax
import jax.numpy as jnp
from diffrax import RESULTS, AbstractSolver, AbstractTerm

from .._types import Number, PyTree


class AbstractExplicit(AbstractSolver):
    """One term, no memory between steps; a step and its derivatives at both ends."""

    term_structure: ClassVar = AbstractTerm
    interpolation_cls: ClassVar[Callable[..., Any]] = (
        dfx.ThirdOrderHermitePolynomialInterpolation
    )

    @abstractmethod
    def advance(
        self, field: Callable[[Number, PyTree], PyTree], t: Number, y: PyTree, h: Number
    ) -> tuple[PyTree, PyTree, PyTree]:
        """(y at t + h, dy/dt at the start, dy/dt towards the end)."""

    def init(self, terms, t0, t1, y0, args):
        return None

    def step(self, terms, t0, t1, y0, args, solver_state, made_jump):
        h = terms.contr(t0, t1)
        y1, f0, f1 = self.advance(lambda t, y: terms.vf(t, y, args), t0, y0, h)
        k0, k1 = (jax.tree.map(lambda f: (h * f).astype(f.dtype), f) for f in (f0, f1))
        return (
            y1,
            None,
            {"y0": y0, "y1": y1, "k0": k0, "k1": k1},
            None,
            RESULTS.successful,
        )

    def func(self, terms, t0, y0, args):
        return terms.vf(t0, y0, args)


class Euler(AbstractExplicit):
    """y + h f(y), of order 1."""

    def order(self, terms):
        return 1

    def advance(self, field, t, y, h):
        f = field(t, y)
        return move(y, h, f), f, f


class Heun(AbstractExplicit):
    """y + h/2 (f(y) + f(y + h f(y))), of order 2."""

    def order(self, terms):
        return 2

    def advance(self, field, t, y, h):
        f0 = field(t, y)
        f1 = field(t + h, move(y, h, f0))
        return move(y, h / 2, f0, f1), f0, f1


class RungeKutta4(AbstractExplicit):
    """The classical method of order 4."""

    def order(self, terms):
        return 4

    def advance(self, field, t, y, h):
        f0 = field(t, y)
        f1 = field(t + h / 2, move(y, h / 2, f0))
        f2 = field(t + h / 2, move(y, h / 2, f1))
        f3 = field(t + h, move(y, h, f2))
        return move(y, h / 6, f0, f1, f1, f2, f2, f3), f0, f3


def move(y: PyTree, h: Number, *rates: PyTree) -> PyTree:
    """y + h (sum of `rates`), leaf by leaf, in the dtype of y."""

    def leaf(y, *fs):
        total = fs[0]
        for f in fs[1:]:
            total = total + f
        return y + jnp.asarray(h, y.dtype) * total

    return jax.tree.map(leaf, y, *rates)
