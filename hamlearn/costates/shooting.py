"""An exact gradient in passes that only run forward, while the network remembers."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from .._types import Array, PyTree
from ..action.action import Point, credit
from ..action.cost import running_cost
from ..action.residual import Dynamical
from ..action.trees import added, scaled
from ..networks.batch import over_mean, over_streams, per_stream, single
from .gradient import AbstractMemory, Gradient, Run, mean_over_streams
from .midpoint import no_episodes


class Shooting(AbstractMemory):
    """Not a single state: the costate itself runs forward, from the right start.

        p_0 = sum_k (dx_k/dx_0)^T m_k ell_x(x_k)
        p_{k+1} = J_k^{-T} (p_k - m_k ell_x(x_k)),   J_k = dx_{k+1}/dx_k

    A first pass carries dx_k/dx_0, n^2 numbers, and finds p_0, with which p comes out
    at 0 behind the last sample; a second one carries p along and takes the credit.
    Nothing runs back, but the start is known only once the run is over, and J is
    solved for at every sample.

    It is exact for as long as the network remembers. With sigma the least singular
    value of dx_N/dx_0, what is left of its start after N samples, an error of p_0
    grows by 1/sigma on its way; rounding is one. So the error is about u/sigma, with
    u the unit roundoff, and below sigma = u the result is noise: the true costate
    cannot be run forward through a network that forgets.

    Zucchet (2026), "Forward propagation of errors through time", where p_0 is found by
    a pass from p = 0, in exact arithmetic the same.
    """

    def check(self, run):
        no_episodes(run, "Shooting")

    def gradient(self, run):
        network, whole = run.network, run.part(0, run.length)
        p = jnp.zeros_like(over_streams(network, _row)(run.x0))
        S = jnp.broadcast_to(
            jnp.eye(p.shape[-1], dtype=p.dtype), (*p.shape, p.shape[-1])
        )

        def ahead(carry, now):
            x, S, p, total = carry
            x, J, push, value = _slopes(run, x, now)
            p = p + jnp.einsum("...ij,...i->...j", S, push)
            mean = over_mean(network, value).astype(total.dtype)
            return (x, J @ S, p, total + mean), None

        def credited(carry, now):
            x, p, g = carry
            after, J, push, _ = _slopes(run, x, now)
            p = jnp.linalg.solve(jnp.swapaxes(J, -1, -2), (p - push)[..., None])[..., 0]
            return (after, p, added(g, _credit(run, x, p, now))), None

        start = (run.x0, S, p, run.nothing)
        (_, _, p, value), _ = jax.lax.scan(ahead, start, whole)
        none = jax.tree.map(jnp.zeros_like, run.w)
        (_, _, g), _ = jax.lax.scan(credited, (run.x0, p, none), whole)
        x0 = over_streams(network, _like)(run.x0, p)
        return Gradient(g, mean_over_streams(network, x0), value, run.x0)


def _row(x: PyTree) -> Array:
    """All numbers of a state."""
    return ravel_pytree(x)[0]


def _like(x: PyTree, row: Array) -> PyTree:
    """`row` in the structure of a state."""
    return ravel_pytree(x)[1](row)


def _slopes(run: Run, x: PyTree, now: Any) -> tuple[PyTree, Array, Array, Array]:
    """(x', J, m ell_x in a row, m ell) of every stream."""
    sample, counted = now
    inside = single(run.network)

    def one(x, sample):
        step = lambda row: inside.transition(_like(x, row), sample.input, run.dt)
        ell = lambda row: running_cost(run.cost, inside, _like(x, row), sample)
        row = _row(x)
        J = jax.jacfwd(lambda row: _row(step(row)))(row)
        value, push = jax.value_and_grad(ell)(row)
        much = jnp.ones((), row.dtype) if counted is None else counted
        return step(row), J, much * push, much * value

    return over_streams(run.network, one)(x, sample)


def _credit(run: Run, x: PyTree, p: Array, now: Any):
    """dM/dw at a sample, with p after it."""
    sample, counted = now
    network = run.network
    lam = scaled(-run.dt, over_streams(network, _like)(x, p))
    if counted is not None:
        counted = per_stream(network, counted)
    rest = jax.tree.map(jnp.zeros_like, x)
    point = Point(x, rest, None, lam, sample, counted)
    return credit(run.cost, Dynamical().over(run.dt), run.w, run.frozen, point)
