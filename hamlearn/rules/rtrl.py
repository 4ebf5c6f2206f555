"""Real-time recurrent learning: exact sensitivities dx/dw, carried forward in time."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from .._action import Cost
from .._aggregation import Dense
from .._network import split
from .._types import Array, Float, Int, Params, PyTree
from ._online import AbstractOnlineRule, Moment, checked_cost, checked_optimizer
from ._rows import acts_by_rows, immediate, moving, receivers, slopes


class RTRL(AbstractOnlineRule):
    """Exact gradients online, by the sensitivity matrix P = dx/dw.

        P_{k+1} = (1 + dt f_x) P_k + dt f_w,   g_k = ell_w + ell_x P_k

    With the weights held, sum_k g_k is the gradient of BPTT. P is n times the number
    of weights that move the state, and that memory is constant in time.

    In a `RateNetwork`, or a `VoltageNetwork` with tau_r = 0, dt f_w has one entry a
    weight, and f_x P is taken edge by edge: O(edges) operations a weight and no
    product of Jacobians. Any other module, with any pytrees as state and parameters,
    goes through forward derivatives (f_x P) and transposed ones (f_w).

    **Arguments:** `cost`: what is minimised; `optimizer`: any of optax's, by default
    SGD at a rate of 0.01.

    Williams & Zipser (1989), "A learning algorithm for continually running fully
    recurrent neural networks".
    """

    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )

    def start(self, network: Any, x: PyTree, key: Array | None):
        w = moving(network, split(network)[0])
        flat_x, flat_w = ravel_pytree(x)[0], ravel_pytree(w)[0]
        P = jnp.zeros((flat_x.size, flat_w.size), flat_x.dtype)
        if not acts_by_rows(network):
            return None, P
        rows = receivers(network, w)
        return ravel_pytree(jax.tree.map(jnp.asarray, rows))[0], P

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        w = moving(moment.network, moment.w)
        c_x = ravel_pytree(moment.c_x)[0]
        _, unravel = ravel_pytree(w)
        g = moment.c_w | jax.tree.map(
            jnp.add, {name: moment.c_w[name] for name in w}, unravel(c_x @ trace)
        )
        if fixed is None:
            return g, _advance_any(moment, w, trace)
        return g, _advance_rows(moment, w, fixed, trace)


def _advance_rows(
    moment: Moment, w: Params, rows: Int[Array, "weights"], P: Float[Array, "n weights"]
) -> Float[Array, "n weights"]:
    """(diag(leak) + diag(slope) W diag(rise)) P, and dx'/dw: a number a weight."""
    network, n = moment.network, P.shape[0]
    now = slopes(network, moment.x, moment.sample, moment.dt)
    held = lambda x, w: moment.transition(x, moment.w | w)
    fresh = ravel_pytree(immediate(network, held, moment.x, w))[0]
    if isinstance(network.graph.aggregation, Dense):
        W = now.felt(network.weight.T).T
        carried = (now.slope[:, None] * W + jnp.diag(now.leak)) @ P
        return carried.at[rows, jnp.arange(P.shape[1])].add(fresh)
    heard = jax.vmap(network.graph.aggregate, (None, 1), 1)(network.weight, now.felt(P))
    carried = now.leak[:, None] * P + now.slope[:, None] * heard
    return carried + jnp.where(
        rows == jnp.arange(n, dtype=rows.dtype)[:, None], fresh, 0
    )


def _advance_any(
    moment: Moment, w: Params, P: Float[Array, "n weights"]
) -> Float[Array, "n weights"]:
    """The same by n transposed products for f_w and one forward one a weight."""
    flat_x, unravel_x = ravel_pytree(moment.x)
    flat_w, unravel_w = ravel_pytree(w)

    def step(x, w):
        x = moment.transition(unravel_x(x), moment.w | unravel_w(w))
        return ravel_pytree(x)[0]

    _, along = jax.linearize(lambda x: step(x, flat_w), flat_x)
    fresh = jax.jacrev(step, argnums=1)(flat_x, flat_w)
    return jax.vmap(along, 1, 1)(P) + fresh
