"""Solving for multipliers: (G_q M^-1 G_q^T) delta = b, the Gram system, as objects."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from .. import _checks
from .._types import Count, PyTree
from ..networks.base import AbstractNetwork


class Tangent(eqx.Module):
    """A constraint linearised at a point: G, and its Jacobian as two linear maps.

    `along(dq)` is G_q dq, `across(delta)` is G_q^T delta, `accelerate(f)` is M^-1 f.
    Where q is a tuple, its first entry is what the constraints can be solved for.
    """

    residual: Callable[[PyTree], PyTree]
    q: PyTree
    G: PyTree
    along: Callable[[PyTree], PyTree]
    across: Callable[[PyTree], PyTree]
    accelerate: Callable[[PyTree], PyTree]

    def __init__(self, residual: Any, q: PyTree, accelerate: Any):
        self.residual, self.q, self.accelerate = residual, q, accelerate
        self.G, self.along = jax.linearize(residual, q)
        transpose = jax.linear_transpose(self.along, q)
        self.across = lambda delta: transpose(delta)[0]

    def gram(self, delta: PyTree) -> PyTree:
        """G_q M^-1 G_q^T delta, matrix-free: O(cost of G)."""
        return self.along(self.accelerate(self.across(delta)))

    def first(self) -> tuple[Callable[[PyTree], PyTree], Callable[[PyTree], PyTree]]:
        """G_x and G_x^T as maps, for the first entry x of q."""
        x = self.q[0]
        inside = lambda x: self.residual(eqx.tree_at(lambda q: q[0], self.q, x))
        _, along = jax.linearize(inside, x)
        transpose = jax.linear_transpose(along, x)
        return along, lambda delta: transpose(delta)[0]

    def inverse_mass(self) -> PyTree:
        """M^-1 of the first entry of q, where it is diagonal."""
        return self.accelerate(jax.tree.map(jnp.ones_like, self.q))[0]

    def diagonal(self) -> PyTree:
        """What all but the first entry of q add to G_q M^-1 G_q^T, a diagonal where
        each of their numbers acts on one constraint only."""
        push = self.accelerate(self.across(jax.tree.map(jnp.ones_like, self.G)))
        still = jax.tree.map(jnp.zeros_like, push[0])
        return self.along(eqx.tree_at(lambda q: q[0], push, still))

    def local_gram(self) -> Callable[[PyTree], PyTree]:
        """`gram` where `diagonal` is one: no weight is looked at again."""
        along, across = self.first()
        inverse_mass, D = self.inverse_mass(), self.diagonal()
        times = lambda a, b: jax.tree.map(jnp.multiply, a, b)
        product = lambda delta: along(times(inverse_mass, across(delta)))
        return lambda delta: jax.tree.map(jnp.add, product(delta), times(D, delta))


class AbstractGram(eqx.Module):
    """A way to solve the Gram system; reports the iterations it took (0: direct)."""

    @abstractmethod
    def at(self, tangent: Tangent) -> Callable[[PyTree], tuple[PyTree, Count]]:
        """b -> (delta, iterations) at this point, for several b at the cost of one
        factorisation where there is one."""

    @abstractmethod
    def bind(
        self, network: AbstractNetwork, ratio: float, *, own: bool = False
    ) -> "AbstractGram":
        """The solver for a network with m_x/m_W = `ratio`, all choices made.

        **Arguments:** `own`: whether the constraint is another than the network's,
        so that nothing is known of what a weight acts on.
        """


class GramSolve(AbstractGram):
    """Any constraints: lineax with the matrix-free positive semidefinite operator.

    **Arguments:** `linear_solver`: any of lineax; the default is Cholesky's with the
    matrix formed column by column, for few constraints.
    """

    linear_solver: lx.AbstractLinearSolver = eqx.field(
        static=True, default=lx.AutoLinearSolver(well_posed=True)
    )

    def at(self, tangent):
        def solve(b):
            operator = semidefinite(tangent.gram, b)
            solution = lx.linear_solve(operator, b, self.linear_solver, throw=False)
            return solution.value, jnp.zeros((), jnp.int32)

        return solve

    def bind(self, network, ratio, *, own=False):
        return self


class LocalCholesky(AbstractGram):
    """Dense Cholesky, formed from what is known of a network.

        A = G_x M_x^-1 G_x^T + D

    D, the part of the weights and of the slack, is diagonal because every weight
    belongs to one neuron: one product gives it. Only the n columns of G_x are
    formed. O(n^3), for small networks.
    """

    def at(self, tangent):
        along, _ = tangent.first()
        G = tangent.G
        jacobian = jax.vmap(along, out_axes=1)(jnp.eye(G.size, dtype=G.dtype))
        moved = (jacobian * tangent.inverse_mass()) @ jacobian.T
        matrix = moved + jnp.diag(tangent.diagonal())
        factor = jax.scipy.linalg.cho_factor(matrix)
        none = jnp.zeros((), jnp.int32)
        return lambda b: (jax.scipy.linalg.cho_solve(factor, b), none)

    def bind(self, network, ratio, *, own=False):
        if own or network.neurons() is None:
            wanted = "one for networks whose weights belong to single neurons only"
            _checks.reject("gram", f"not {wanted} with a {network.name}", self)
        return self


def semidefinite(
    product: Callable[[PyTree], PyTree], b: PyTree
) -> lx.AbstractLinearOperator:
    """A positive semidefinite linear map of trees like `b`."""
    structure = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), b
    )
    return lx.FunctionLinearOperator(product, structure, lx.positive_semidefinite_tag)
