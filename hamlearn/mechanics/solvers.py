"""Explicit one-step solvers for small systems, and one that moves costates first.

diffrax's own solvers run their stages in an inner loop, which costs several times the
arithmetic of a small network; these spell the stages out. They are ordinary
`diffrax.AbstractSolver`s, for fixed steps.
"""

import os
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
from diffrax import RESULTS, AbstractSolver, AbstractTerm

from .._types import PyTree


class AbstractExplicit(AbstractSolver):
    """One term, no memory between steps; a step and its derivatives at both ends."""

    term_structure: ClassVar = AbstractTerm
    interpolation_cls: ClassVar[Callable[..., Any]] = (
        dfx.ThirdOrderHermitePolynomialInterpolation
    )

    @abstractmethod
    def advance(
        self, field: Callable[[Any, PyTree], PyTree], t: Any, y: PyTree, h: Any
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
        return move_in_turn(y, h, f), f, f


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


class SemiImplicitEuler(AbstractExplicit):
    """Euler that moves the costates first and everything else with the new ones.

    On a Hamiltonian flow this is gradient before update, the ordering under which
    Hamiltonian learning equals gradient descent with momentum to rounding error.

    **Arguments:** `costates`: picks the costates out of y, as in `eqx.tree_at`.
    """

    costates: Callable[[PyTree], Any] = eqx.field(
        static=True, default=lambda y: (y.p_x, y.p_w)
    )

    def order(self, terms):
        return 1

    def advance(self, field, t, y, h):
        f0 = field(t, y)
        moved = self.costates(move(y, h, f0))
        f1 = field(t, eqx.tree_at(self.costates, y, moved))
        return eqx.tree_at(self.costates, move(y, h, f1), moved), f0, f1


def move(y: PyTree, h: Any, *rates: PyTree) -> PyTree:
    """y + h (sum of `rates`), leaf by leaf, in the dtype of y."""

    def leaf(y, *fs):
        total = fs[0]
        for f in fs[1:]:
            total = total + f
        return y + jnp.asarray(h, y.dtype) * total

    return jax.tree.map(leaf, y, *rates)


#: Numbers from which on a copy of a leaf costs more than a few operations.
_LARGE = 2**12

#: An option in XLA_FLAGS with which XLA changes several arrays in one loop of a CPU.
_JOINS = "xla_cpu_use_multi_output_fusion"


def move_in_turn(y: PyTree, h: Any, rates: PyTree) -> PyTree:
    """y + h rates like `move`: small leaves first, then the large ones `in_turn`."""
    old, tree = jax.tree.flatten(y)
    new = tree.flatten_up_to(move(y, h, rates))
    # However long, states are small beside the weights between them.
    least = max([_LARGE, *(leaf.size // 16 for leaf in new)])
    first = [leaf for leaf in new if leaf.size < least]
    large = [k for k, leaf in enumerate(new) if leaf.size >= least]
    large.sort(key=lambda k: new[k].size)
    for k, leaf in zip(
        large, in_turn(first, *((new[k], old[k]) for k in large)), strict=True
    ):
        new[k] = leaf
    return jax.tree.unflatten(tree, new)


def in_turn(first: PyTree, *changes: tuple[PyTree, PyTree]) -> list[PyTree]:
    """What is new of each (new, old), its large leaves written after what comes before.

    On a CPU XLA copies an array that it changes in place while something else may
    still have to read it. An order that it can see saves the copies of weights,
    costates and traces: `first`, then one change after the other, or all of them
    together where XLA is told to join them. It sees data alone: where an entry of what
    comes before is not finite, what is old stays. On a GPU XLA joins them by itself
    and needs no order.
    """
    written = []
    joins = _JOINS in os.environ.get("XLA_FLAGS", "")
    for new, old in changes:
        written.append(_after(first, new, old))
        first = first if joins else written[-1]
    return written


def _after(first: PyTree, new: PyTree, old: PyTree) -> PyTree:
    seen = [
        jnp.isfinite(leaf.reshape(-1)[0])
        for leaf in jax.tree.leaves(first)
        if eqx.is_inexact_array(leaf) and leaf.size
    ]
    if not seen:
        return new
    fine = jnp.all(jnp.stack(seen))
    both = lambda new, old: jax.lax.platform_dependent(
        fine, new, old, cpu=jnp.where, default=lambda fine, new, old: new
    )
    hold = lambda new, old: both(new, old) if new.size >= _LARGE else new
    return jax.tree.map(hold, new, old)
