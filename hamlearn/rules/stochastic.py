"""Unbiased estimates of the RTRL gradient from products of two vectors or matrices."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._types import Array, Float, Neurons, Params, PyTree, Scalar
from ..action.cost import Cost
from ..action.trees import inner, squared_norm
from ..networks.partition import split
from ._online import (
    AbstractOnlineRule,
    Moment,
    checked_cost,
    checked_optimizer,
    number_of_inputs,
)
from ._rows import moving, products, require_rows, signals, slopes


class RankOne(eqx.Module):
    """P ~ s theta^T: a vector over states and one over weights."""

    s: PyTree
    theta: Params


class UORO(AbstractOnlineRule):
    """Unbiased online recurrent optimisation: dx/dw as a random matrix of rank one.

        s'     = rho_0 (1 + dt f_x) s + rho_1 nu
        theta' = theta / rho_0 + (dt f_w)^T nu / rho_1,   g = ell_w + (ell_x . s) theta

    with random signs nu at every sample, and rho balancing the norms. The mean of
    s theta^T over all draws is dx/dw. Memory: one number a state and one a weight.
    Takes any module as the dynamics, and a `key` at `init`.

    **Arguments:** as for `RTRL`.

    Tallec & Ollivier (2018), "Unbiased online recurrent optimization".
    """

    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )

    def start(self, network: Any, x: PyTree, key: Array | None):
        _require_key(key)
        w = moving(network, split(network)[0])
        return None, RankOne(*jax.tree.map(jnp.zeros_like, (x, w)))

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        g = uoro_gradient(moment, trace)
        nu = _signs(moment.key, moment.x)
        return g, uoro_advance(moment, trace, nu)


def uoro_gradient(moment: Moment, trace: RankOne) -> Params:
    """ell_w + (ell_x . s) theta."""
    size = inner(moment.c_x, trace.s)
    part = {k: moment.c_w[k] + size * leaf for k, leaf in trace.theta.items()}
    return moment.c_w | part


def uoro_advance(moment: Moment, trace: RankOne, nu: PyTree) -> RankOne:
    """The trace of the next sample for given signs."""
    w = {name: moment.w[name] for name in trace.theta}
    step = lambda x, w: moment.transition(x, moment.w | w)
    _, s = jax.jvp(lambda x: step(x, w), (moment.x,), (trace.s,))
    _, transpose = jax.vjp(lambda w: step(moment.x, w), w)
    fresh = transpose(nu)[0]
    rho_0, rho_1 = _balance(trace.theta, s), _balance(fresh, nu)
    return RankOne(
        jax.tree.map(lambda s, v: rho_0 * s + rho_1 * v, s, nu),
        jax.tree.map(lambda a, b: a / rho_0 + b / rho_1, trace.theta, fresh),
    )


class Kronecker(eqx.Module):
    """dx_k/dw_ij ~ a_ki h_j, with h over what is sent, the inputs u and the bias."""

    a: Float[Array, "n n"]
    sent: Neurons
    u: Float[Array, "inputs"]
    one: Scalar


class KFRTRL(AbstractOnlineRule):
    """Kronecker-factored RTRL: dx_k/dw_ij as a random product a_ki h_j.

        a' = nu_1/p_1 (1 + dt f_x) a + nu_2/p_2 diag(slope)
        h' = nu_1 p_1 h             + nu_2 p_2 (sent, u, 1)

    with two random signs a sample and p balancing the norms. Its mean over all draws
    is dx/dw; its variance is less than that of `UORO`, its cost O(n edges). For a
    `RateNetwork`, or a `VoltageNetwork` with tau_r = 0, that does not learn time
    constants. Takes a `key` at `init`.

    **Arguments:** as for `RTRL`.

    Mujika, Meier, Steger (2018), "Approximating real-time recurrent learning with
    random Kronecker factors".
    """

    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )

    def start(self, network: Any, x: PyTree, key: Array | None):
        _require_key(key)
        require_rows(self, network, "which needs a sender for every weight")
        times = [name for name in split(network)[0] if name.endswith("time_constant")]
        if times:
            wanted = "weights with a sender for KFRTRL"
            _checks.reject("network.learn", wanted, ", ".join(times))
        n, inputs = network.graph.num_nodes, number_of_inputs(network)
        zeros = lambda *shape: jnp.zeros(shape, x.dtype)
        return None, Kronecker(zeros(n, n), zeros(n), zeros(inputs), zeros())

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        signs = jax.random.rademacher(moment.key, (2,), trace.a.dtype)
        return kronecker_gradient(moment, trace), kronecker_advance(
            moment, trace, signs
        )


def kronecker_gradient(moment: Moment, trace: Kronecker) -> Params:
    """ell_w + (ell_x a)_i h_j."""
    network = moment.network
    w = moving(network, moment.w)
    at = moment.c_x @ trace.a
    part = products(network, w, at, trace.sent, trace.u, trace.one)
    return moment.c_w | {name: moment.c_w[name] + part[name] for name in w}


def kronecker_advance(
    moment: Moment, trace: Kronecker, signs: Float[Array, "2"]
) -> Kronecker:
    """The trace of the next sample for two given signs."""
    network, u = moment.network, moment.sample.input
    now = slopes(network, moment.x, moment.sample, moment.dt)
    felt = now.felt(trace.a)
    heard = jax.vmap(network.graph.aggregate, (None, 1), 1)(network.weight, felt)
    a = now.leak[:, None] * trace.a + now.slope[:, None] * heard
    old = (trace.sent, trace.u, trace.one)
    new = (signals(network, moment.x), u, jnp.ones((), u.dtype))
    p_1, p_2 = _balance(a, old), _balance(now.slope, new)
    a = signs[0] / p_1 * a + signs[1] / p_2 * jnp.diag(now.slope)
    mix = lambda h, fresh: signs[0] * p_1 * h + signs[1] * p_2 * fresh
    return Kronecker(a, *jax.tree.map(mix, old, new))


def _balance(top: PyTree, bottom: PyTree) -> Scalar:
    """sqrt(|top| / |bottom|), and 1 where one of them is zero."""
    top, bottom = squared_norm(top), squared_norm(bottom)
    fine = (top > 0) & (bottom > 0)
    ratio = jnp.where(fine, top, 1) / jnp.where(fine, bottom, 1)
    return ratio**0.25


def _signs(key: Array, x: PyTree) -> PyTree:
    leaves, tree = jax.tree.flatten(x)
    keys = jax.random.split(key, len(leaves))
    draws = [
        jax.random.rademacher(k, leaf.shape, leaf.dtype)
        for k, leaf in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(tree, draws)


def _require_key(key: Any) -> None:
    if key is None:
        _checks.reject("key", "given: the law draws random signs", None)
