"""An exact gradient that keeps no state: the midpoint rule runs backwards."""

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Params, PyTree, Scalar
from ..action.action import augmented_cost
from ..action.cost import running_cost
from ..action.residual import Dynamical
from ..action.trees import added, moved, negative, scaled
from ..networks.batch import over_streams, single
from ..networks.partition import join
from ..signals.signal import Sample
from .gradient import AbstractMemory, Gradient, Run, mean_over_streams


class Midpoint(AbstractMemory):
    """Not a single state: the midpoint rule runs backwards exactly.

        x_{k+1} = x_{k-1} + 2 dt f(x_k, w, u_k),    x_1 = x_0 + dt f(x_0, w, u_0)
        p_k     = p_{k+2} + m_k ell_x + 2 dt f_x^T p_{k+1}

    while x_{k-1} is recovered from x_{k+1} and x_k. Memory does not grow with N.

    A discretisation of its own of dx/dt = f, second order in dt. The rule is not
    stable for dissipative dynamics (its parasitic mode grows like e^{t/tau}), so this
    is for runs of a few time constants: compare `start`, as recovered, with the true
    one to see what rounding has done.
    """

    def check(self, run):
        _checks.at_least("len(samples)", run.length, 2)
        no_episodes(run, "Midpoint")

    def gradient(self, run):
        network, twice = run.network, 2 * run.dt
        first, rest = run.part(0, 1), run.part(1, run.length)
        first, one = jax.tree.map(lambda leaf: leaf[0], first)

        def forward(pair, sample):
            before, now = pair
            return (now, moved(before, twice, network(now, sample.input))), None

        def backward(carry, moment):
            ((now, after), (p_1, p_2)), sums = carry
            before = moved(after, -twice, network(now, moment[0].input))
            more, sums = _slopes(run, now, scaled(twice, p_1), moment, sums)
            return (((before, now), (added(p_2, more), p_1)), sums), None

        pair = run.x0, moved(run.x0, run.dt, network(run.x0, first.input))
        ends, _ = jax.lax.scan(forward, pair, rest[0])
        zero = jax.tree.map(jnp.zeros_like, run.x0)
        sums = jax.tree.map(jnp.zeros_like, run.w), run.nothing
        carry = (ends, (zero, zero)), sums
        carry, _ = jax.lax.scan(backward, carry, rest, reverse=True)
        ((start, _), (p_1, p_2)), sums = carry
        more, (g, value) = _slopes(run, start, scaled(run.dt, p_1), (first, one), sums)
        x0 = added(added(p_1, p_2), more)
        g, x0, value = mean_over_streams(network, (g, x0, value))
        return Gradient(g, x0, value, start)


def no_episodes(run: Run, name: str) -> None:
    """**Raises:** `ValueError` where an episode begins within the run."""
    if run.samples.start is not None:
        wanted = f"None for `{name}`: what an episode cuts off cannot be recovered"
        _checks.reject("samples.start", wanted, "given")


def _slopes(
    run: Run, x: PyTree, p: PyTree, moment: tuple[Sample, Scalar | None], sums: PyTree
) -> tuple[PyTree, PyTree]:
    """(M_x, the sums with M_w and ell added) at v = 0 and lam = -p."""
    sample, counted = moment

    def M(x: PyTree, w: Params) -> tuple[Scalar, Scalar]:
        network = join(w, run.frozen)
        inside = single(network)

        def one(x, p, sample):
            rest = jax.tree.map(jnp.zeros_like, x)
            ell = running_cost(run.cost, inside, x, sample)
            ell = ell if counted is None else counted * ell
            M = augmented_cost(
                run.cost, Dynamical(), inside, x, rest, negative(p), sample, None,
                counted,
            )  # fmt: skip
            return M, ell

        return jax.tree.map(jnp.sum, over_streams(network, one)(x, p, sample))

    (_, ell), (by_x, by_w) = jax.value_and_grad(M, (0, 1), has_aux=True)(x, run.w)
    g, value = sums
    return by_x, (added(g, by_w), value + ell.astype(value.dtype))
