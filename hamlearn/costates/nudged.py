"""Equilibrium propagation of networks whose weights are not symmetric."""

import equinox as eqx
import jax

from .. import _checks
from .._types import Number, Scalar
from ..action.cost import as_number
from ..action.trees import added, moved, scaled
from .base import AbstractCostate


class NudgedRest(AbstractCostate):
    """The costate at rest as a displacement, without a transposed solve.

        x <- x + h [f(x) - f(x*) - (J - J^T)(x - x*) - beta ell_x],   J = f_x(x*)
        lam = (x - x*)/beta

    from x* = the state, for a number of sweeps. Where the network is at rest, the
    nudged motion settles and beta vanishes, lam is that of `FixedPoint`, for weights
    that are not symmetric; the error is of order beta.

    **Arguments:** `beta` > 0: how strongly the loss nudges; `sweeps`: steps of the
    nudged motion; `rate`: h > 0, in units of time.

    After the abstract of arXiv 2602.03670 (2026), equilibrium propagation of systems
    that are not conservative; the formula was derived anew.
    """

    beta: Scalar
    sweeps: int = eqx.field(static=True)
    rate: Scalar

    def __init__(self, beta: Number = 1e-3, sweeps: int = 200, rate: Number = 0.1):
        _checks.positive("beta", beta)
        _checks.at_least("sweeps", sweeps, 1)
        _checks.positive("rate", rate)
        self.beta, self.sweeps = as_number(beta), sweeps
        self.rate = as_number(rate)

    def prepare(self, network, x, key):
        return None

    def start(self, network, x, fixed):
        return None

    def step(self, instant, fixed, memory):
        network, u, rest = instant.network, instant.u, instant.x
        f = lambda x: network(x, u)
        _, back = jax.vjp(f, rest)
        along = lambda d: jax.jvp(f, (rest,), (d,))[1]
        push = scaled(-self.beta, instant.ell_x)

        def sweep(_, x):
            d = moved(x, -1, rest)
            skew = moved(along(d), -1, back(d)[0])
            force = added(moved(moved(f(x), -1, f(rest)), -1, skew), push)
            return moved(x, self.rate, force)

        x = jax.lax.fori_loop(0, self.sweeps, sweep, rest)
        return scaled(1 / self.beta, moved(x, -1, rest)), None
