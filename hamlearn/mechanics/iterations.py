"""Gram systems solved by exchanges between neighbours, and which solver to take."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from .. import _checks
from .._types import PyTree
from ..networks.base import AbstractNetwork
from .gram import AbstractGram, GramSolve, LocalCholesky, Tangent, semidefinite


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
        return self.at(tangent)(b)

    def at(self, tangent: Tangent) -> Callable[[PyTree], PyTree]:
        """The preconditioner at a point, linearised there once."""
        along, across = tangent.first()
        return lambda b: self.solve(across, self.solve(along, b))

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
    when they run out, so a small number truncates; `local`: whether every weight acts
    on one neuron, so that the weights' part of the matrix is a diagonal, found once:
    `bind` sees to it.
    """

    preconditioner: NeumannSweeps | None = None
    rtol: float | None = eqx.field(static=True, default=None)
    max_steps: int = eqx.field(static=True, default=1000)
    local: bool = eqx.field(static=True, default=False, repr=False)

    def __check_init__(self):
        _checks.at_least("max_steps", self.max_steps, 1)
        if self.rtol is not None:
            _checks.positive("rtol", self.rtol)

    def at(self, tangent):
        gram = tangent.local_gram() if self.local else tangent.gram
        sweeps = self.preconditioner
        sweep = None if sweeps is None else sweeps.at(tangent)
        return lambda b: self._solved(gram, sweep, b)

    def _solved(self, gram, sweep, b):
        # A right-hand side of size one, as masses may be tiny; an operator far above
        # one, or lineax takes it for singular (its test is not free of units).
        b_scale = _reciprocal(_size(b))
        b = _times(b_scale, b)
        a_scale = _reciprocal(_size(gram(b)))
        operator = semidefinite(lambda y: _times(_LIFT * a_scale, gram(y)), b)
        options = {}
        if sweep is not None:
            options["preconditioner"] = semidefinite(sweep, b)
        rtol = self._tolerance(b)
        atol = rtol * _LIFT
        solver = lx.CG(rtol=rtol, atol=atol, max_steps=self.max_steps)
        solution = lx.linear_solve(
            operator, _times(_LIFT, b), solver, options=options, throw=False
        )
        steps = jnp.asarray(solution.stats["num_steps"], jnp.int32)
        return _times(a_scale / b_scale, solution.value), steps

    def bind(self, network, ratio, *, own=False):
        sweeps = self.preconditioner
        sweeps = None if sweeps is None else sweeps.bind(network)
        local = not own and network.neurons() is not None
        return ConjugateGradients(sweeps, self.rtol, self.max_steps, local)

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

    def bind(self, network, ratio, *, own=False):
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

    def bind(self, network, ratio, *, own=False):
        size = sum(leaf.size for leaf in jax.tree.leaves(network.initial_state()))
        known = not own and network.neurons() is not None
        if size <= self.dense:
            return LocalCholesky() if known else GramSolve()
        layers = network.depth()
        swept = ratio <= 1e-2 and layers is not None and layers <= self.deep
        sweeps = NeumannSweeps(max(layers or 1, 1)) if swept else None
        return ConjugateGradients(sweeps, local=known)


_LIFT = 1e6  # exact in every precision


def _size(tree):
    sizes = [jnp.max(jnp.abs(leaf), initial=0.0) for leaf in jax.tree.leaves(tree)]
    return jnp.max(jnp.stack(sizes))


def _reciprocal(size):
    return jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 1)


def _times(scale, tree):
    return jax.tree.map(lambda leaf: scale * leaf, tree)
