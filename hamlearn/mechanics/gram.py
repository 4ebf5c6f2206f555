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


class AbstractGram(eqx.Module):
    """A way to solve the Gram system; reports the iterations it took (0: direct)."""

    @abstractmethod
    def at(self, tangent: Tangent) -> Callable[[PyTree], tuple[PyTree, Count]]:
        """b -> (delta, iterations) at this point, for several b at the cost of one
        factorisation where there is one."""

    @abstractmethod
    def bind(self, network: AbstractNetwork, ratio: float) -> "AbstractGram":
        """The solver for a network with m_x/m_W = `ratio`, all choices made."""


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
            operator = _operator(tangent.gram, b)
            solution = lx.linear_solve(operator, b, self.linear_solver, throw=False)
            return solution.value, jnp.zeros((), jnp.int32)

        return solve

    def bind(self, network, ratio):
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
        unit = tangent.accelerate(jax.tree.map(jnp.ones_like, tangent.q))[0]
        push = tangent.accelerate(tangent.across(jnp.ones_like(G)))
        others = eqx.tree_at(lambda q: q[0], push, jnp.zeros_like(push[0]))
        matrix = (jacobian * unit) @ jacobian.T + jnp.diag(tangent.along(others))
        factor = jax.scipy.linalg.cho_factor(matrix)
        none = jnp.zeros((), jnp.int32)
        return lambda b: (jax.scipy.linalg.cho_solve(factor, b), none)

    def bind(self, network, ratio):
        if network.neurons() is None:
            wanted = "one for networks whose weights belong to single neurons only"
            _checks.reject("gram", f"not {wanted} with a {network.name}", self)
        return self


class NeumannSweeps(eqx.Module):
    """Preconditioner G_x^-T G_x^-1: one forward and one backward sweep of a network.

    A sweep is a number of exchanges between neighbours, all neurons at once; as many
    as the network is deep make it exact. The multipliers of vanishing m_x/m_W are
    this product itself, the errors of Backprop.

    **Arguments:** `exchanges`: a sweep; the depth of the network without it.
    """

    exchanges: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.exchanges is not None:
            _checks.at_least("exchanges", self.exchanges, 1)

    def __call__(self, tangent: Tangent, b: PyTree) -> PyTree:
        along, across = tangent.first()
        return self.solve(across, self.solve(along, b))

    def bind(self, network: AbstractNetwork) -> "NeumannSweeps":
        """The same with as many exchanges as `network` is deep."""
        if self.exchanges is not None:
            return self
        deep = network.depth()
        if deep is None:
            wanted = "for acyclic networks only, or with a number of exchanges"
            _checks.reject("gram", wanted, self)
        return NeumannSweeps(max(deep, 1))

    def solve(self, triangular: Callable[[PyTree], PyTree], b: PyTree) -> PyTree:
        """G_x^-1 b, for G_x or its transpose as `triangular`.

        Neumann's series y <- b + (1 - G_x) y, finite where G_x is triangular.
        """

        def exchange(_, y):
            return jax.tree.map(lambda b, y, r: b + y - r, b, y, triangular(y))

        return jax.lax.fori_loop(0, self.exchanges or 1, exchange, b)


class ConjugateGradients(AbstractGram):
    """Matrix-free conjugate gradients: every iteration one exchange with neighbours.

    **Arguments:** `preconditioner`: None or `NeumannSweeps`; `rtol`: of the residual,
    default 1e-10, in single precision 1e-6; `max_steps`: the best so far is taken
    when they run out, so a small number truncates.
    """

    preconditioner: NeumannSweeps | None = None
    rtol: float | None = eqx.field(static=True, default=None)
    max_steps: int = eqx.field(static=True, default=1000)

    def __check_init__(self):
        _checks.at_least("max_steps", self.max_steps, 1)
        if self.rtol is not None:
            _checks.positive("rtol", self.rtol)

    def at(self, tangent):
        return lambda b: self._solved(tangent, b)

    def _solved(self, tangent, b):
        # A right-hand side of size one, as masses may be tiny; an operator far above
        # one, or lineax takes it for singular (its test is not free of units).
        b_scale = _reciprocal(_size(b))
        b = _times(b_scale, b)
        a_scale = _reciprocal(_size(tangent.gram(b)))
        operator = _operator(lambda y: _times(_LIFT * a_scale, tangent.gram(y)), b)
        options = {}
        sweeps = self.preconditioner
        if sweeps is not None:
            sweep = lambda y: sweeps(tangent, y)
            options["preconditioner"] = _operator(sweep, b)
        rtol = self._tolerance(b)
        atol = rtol * _LIFT
        solver = lx.CG(rtol=rtol, atol=atol, max_steps=self.max_steps)
        solution = lx.linear_solve(
            operator, _times(_LIFT, b), solver, options=options, throw=False
        )
        steps = jnp.asarray(solution.stats["num_steps"], jnp.int32)
        return _times(a_scale / b_scale, solution.value), steps

    def bind(self, network, ratio):
        if self.preconditioner is None:
            return self
        bound = self.preconditioner.bind(network)
        return ConjugateGradients(bound, self.rtol, self.max_steps)

    def _tolerance(self, b):
        if self.rtol is not None:
            return self.rtol
        dtype = jnp.result_type(*jax.tree.leaves(b))
        return 1e-10 if jnp.finfo(dtype).eps < 1e-10 else 1e-6


class RepeatedSweeps(AbstractGram):
    """A fixed number of exchanges with neighbours, and no sum over the network.

        delta <- delta + S (b - A delta),   S = G_x^-T M_x G_x^-1

    S is one forward and one backward sweep, and the inverse of A for vanishing
    m_x/m_W. The step sizes of `ConjugateGradients` are sums over all neurons; here a
    multiplier depends on nothing beyond the reach of the exchanges.

    **Arguments:** `sweeps`: with a number of exchanges each, or the depth of the
    network; `rounds` >= 1. They converge for small m_x/m_W alone.
    """

    sweeps: NeumannSweeps = NeumannSweeps()
    rounds: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        _checks.instance("sweeps", self.sweeps, NeumannSweeps)
        _checks.at_least("rounds", self.rounds, 1)

    def at(self, tangent):
        return lambda b: self._solved(tangent, b)

    def _solved(self, tangent, b):
        along, across = tangent.first()
        inverse_mass = tangent.accelerate(jax.tree.map(jnp.ones_like, tangent.q))[0]

        def sweep(r):
            y = jax.tree.map(jnp.divide, self.sweeps.solve(along, r), inverse_mass)
            return self.sweeps.solve(across, y)

        def improve(_, delta):
            left = jax.tree.map(jnp.subtract, b, tangent.gram(delta))
            return jax.tree.map(jnp.add, delta, sweep(left))

        delta = jax.lax.fori_loop(1, self.rounds, improve, sweep(b))
        return delta, jnp.asarray(self.rounds, jnp.int32)

    def bind(self, network, ratio):
        return RepeatedSweeps(self.sweeps.bind(network), self.rounds)


class Automatic(AbstractGram):
    """The fastest of the others for a network and its masses.

    Cholesky up to `dense` neurons; beyond, conjugate gradients, preconditioned by
    sweeps where m_x/m_W <= 1e-2 and the network is at most `deep` layers deep.
    """

    dense: int = eqx.field(static=True, default=128)
    deep: int = eqx.field(static=True, default=8)

    def __check_init__(self):
        _checks.at_least("dense", self.dense, 0)
        _checks.at_least("deep", self.deep, 0)

    def at(self, tangent):
        return GramSolve().at(tangent)

    def bind(self, network, ratio):
        size = sum(leaf.size for leaf in jax.tree.leaves(network.initial_state()))
        if size <= self.dense:
            return GramSolve() if network.neurons() is None else LocalCholesky()
        layers = network.depth()
        if ratio <= 1e-2 and layers is not None and layers <= self.deep:
            return ConjugateGradients(NeumannSweeps(max(layers, 1)))
        return ConjugateGradients()


_LIFT = 1e6  # exact in every precision


def _operator(product, b):
    structure = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), b
    )
    return lx.FunctionLinearOperator(product, structure, lx.positive_semidefinite_tag)


def _size(tree):
    sizes = [jnp.max(jnp.abs(leaf), initial=0.0) for leaf in jax.tree.leaves(tree)]
    return jnp.max(jnp.stack(sizes))


def _reciprocal(size):
    return jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 1)


def _times(scale, tree):
    return jax.tree.map(lambda leaf: scale * leaf, tree)
