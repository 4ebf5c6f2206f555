"""Unbiased estimates of the RTRL gradient from products of two vectors or matrices."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Neurons, Params, PyTree, Scalar
from ..action.action import Instant
from ..action.trees import inner, squared_norm
from ..costates.instantaneous import require_key, require_neurons
from ..networks.neurons import leaving_readout, products
from ..networks.partition import split
from .base import AbstractSensitivity, with_state_part

_DRAWS = "the law draws random signs"


class RankOne(eqx.Module):
    """P ~ s theta^T: a vector over states and one over weights."""

    s: PyTree
    theta: Params


class RankOneTrace(AbstractSensitivity):
    """dx/dw as a random matrix of rank one.

        s'     = rho_0 (dx'/dx) s + rho_1 nu
        theta' = theta / rho_0 + (dx'/dw)^T nu / rho_1,   g = ell_w + (ell_x . s) theta

    with random signs nu at every sample, and rho balancing the norms. The mean of
    s theta^T over all draws is dx/dw. One number per state and one per weight. Takes
    any module as the dynamics.

    Tallec & Ollivier (2018), "Unbiased online recurrent optimization".
    """

    draws: ClassVar[bool] = True

    def prepare(self, network, x, key):
        require_key(key, _DRAWS)

    def start(self, network, x, fixed):
        w = leaving_readout(network, split(network)[0])
        return RankOne(*jax.tree.map(jnp.zeros_like, (x, w)))

    def step(self, instant, fixed, memory):
        size = inner(instant.ell_x, memory.s)
        part = {name: size * leaf for name, leaf in memory.theta.items()}
        nu = _signs(instant.key, instant.x)  # pyright: ignore[reportArgumentType]
        return with_state_part(instant, part), rank_one_after(instant, memory, nu)


def rank_one_after(instant: Instant, trace: RankOne, nu: PyTree) -> RankOne:
    """The trace of the next sample for given signs."""
    w = {name: instant.w[name] for name in trace.theta}
    step = instant.transition
    _, along = jax.linearize(lambda x: step(x, w), instant.x)
    # Says at once where a function has no forward derivative, and computes nothing.
    jax.eval_shape(jax.vmap(along), jax.tree.map(lambda s: s[None], trace.s))
    s = along(trace.s)
    _, transpose = jax.vjp(lambda w: step(instant.x, w), w)
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


class KroneckerTrace(AbstractSensitivity):
    """dx_k/dw_ij as a random product a_ki h_j.

        a' = nu_1/p_1 (dx'/dx) a + nu_2/p_2 diag(slope)
        h' = nu_1 p_1 h          + nu_2 p_2 (sent, u, 1)

    with two random signs per sample and p balancing the norms. Its mean over all
    draws is dx/dw; its variance is less than that of `RankOneTrace`, its cost
    O(n edges). For networks whose weights act on one neuron each, without time
    constants that learn.

    Mujika, Meier, Steger (2018), "Approximating real-time recurrent learning with
    random Kronecker factors".
    """

    draws: ClassVar[bool] = True

    def prepare(self, network, x, key):
        require_key(key, _DRAWS)
        require_neurons(self, network, "which needs a sender for every weight")
        times = [name for name in split(network)[0] if name.endswith("time_constant")]
        if times:
            wanted = "weights with a sender for KFRTRL"
            _checks.reject("network.learn", wanted, ", ".join(times))

    def start(self, network, x, fixed):
        n, inputs = network.graph.num_nodes, network.inputs
        zeros = lambda *shape: jnp.zeros(shape, x.dtype)
        return Kronecker(zeros(n, n), zeros(n), zeros(inputs), zeros())

    def step(self, instant, fixed, memory):
        signs = jax.random.rademacher(instant.key, (2,), memory.a.dtype)  # pyright: ignore[reportArgumentType]
        neurons = instant.network.neurons()
        w = leaving_readout(neurons, instant.w)
        at = instant.ell_x @ memory.a
        part = products(neurons, w, at, memory.sent, memory.u, memory.one)
        return with_state_part(instant, part), kronecker_after(instant, memory, signs)


def kronecker_after(
    instant: Instant, trace: Kronecker, signs: Float[Array, "2"]
) -> Kronecker:
    """The trace of the next sample for two given signs."""
    network, u = instant.network.neurons(), instant.u
    now = network.slopes(instant.x, u, instant.dt)
    felt = now.felt(trace.a)
    heard = jax.vmap(network.graph.aggregate, (None, 1), 1)(network.weight, felt)
    a = now.leak[:, None] * trace.a + now.slope[:, None] * heard
    old = (trace.sent, trace.u, trace.one)
    new = (network.sent(instant.x), u, jnp.ones((), u.dtype))
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
