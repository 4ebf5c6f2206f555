"""Signals in time: what a network hears and what it should answer."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float, Number, Scalar, Values


class Held(eqx.Module):
    """Samples held constant: u(t) = u_n for n dt <= t < (n+1) dt.

    Only for `solve`, which stops at the jumps; `stream` holds samples by itself.
    """

    values: Float[Array, "time channels"]
    dt: Scalar

    def __init__(self, values: Values, *, dt: Number):
        self.values, self.dt = _checked_steps(values, dt)

    def __call__(self, t: Number) -> Float[Array, "channels"]:
        number = jnp.searchsorted(self.times(), t, side="right") - 1
        return self.values[jnp.clip(number, 0, self.values.shape[0] - 1)]

    def times(self) -> Float[Array, "time"]:
        """Where the value may jump."""
        count = self.values.shape[0]
        return self.dt * jnp.arange(count, dtype=self.dt.dtype)


class Mollified(eqx.Module):
    """Held samples with smooth transitions, infinitely differentiable.

        u(t) = u_{n-1} + (u_n - u_{n-1}) Phi((t - n tau)/eps),   n = round(t/tau)

    the convolution of the held signal with the Friedrichs mollifier
    rho(s) = exp(-1/(1-s^2))/C, |s| < 1 (Betti & Gori 2019, section 4), of which Phi
    is the integral. max|u'| = 0.829 |du|/eps and max|u''| = 1.80 |du|/eps^2.

    **Arguments:** `values`: u_n; `dt`: tau, time between samples; `width`: eps, half
    the time of a transition, 0 < eps < tau/2.
    """

    values: Float[Array, "time channels"]
    dt: Scalar
    width: Scalar

    def __init__(self, values: Values, *, dt: Number, width: Number):
        self.values, self.dt = _checked_steps(values, dt)
        _checks.positive("width", width)
        _checks.shape("width", width, ())
        if float(width) >= float(dt) / 2:
            _checks.reject("width", f"less than half of `dt` = {dt}", width)
        self.width = jnp.asarray(width, self.values.dtype)

    def __call__(self, t: Number) -> Float[Array, "channels"]:
        number = jax.lax.stop_gradient(jnp.round(t / self.dt))
        last = self.values.shape[0] - 1
        before = self.values[jnp.clip(number - 1, 0, last).astype(int)]
        after = self.values[jnp.clip(number, 0, last).astype(int)]
        return before + (after - before) * smooth_step(
            (t - number * self.dt) / self.width
        )


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


_NORMALISER = 0.443993816168079437823  # integral of exp(-1/(1-s^2)) over |s| < 1


def mollifier(s: Float[Array, "*times"]) -> Float[Array, "*times"]:
    """rho(s) = exp(-1/(1-s^2))/C inside |s| < 1, zero outside, of integral 1."""
    inside = jnp.abs(s) < 1
    gap = jnp.where(inside, 1 - s * s, 1)
    return jnp.where(inside, jnp.exp(-1 / gap) / _NORMALISER, 0)


@jax.custom_jvp
def smooth_step(s: Scalar) -> Scalar:
    """Phi(s), the integral of `mollifier` up to s: 0 for s <= -1, 1 for s >= 1."""
    top = jnp.clip(s, -1, 1)
    half = (top + 1) / 2
    nodes = jnp.asarray(_NODES, top.dtype)
    weights = jnp.asarray(_WEIGHTS, top.dtype)
    return half * jnp.sum(weights * mollifier(half * (nodes + 1) - 1))


@smooth_step.defjvp
def _smooth_step_jvp(primals, tangents):
    (s,), (s_dot,) = primals, tangents
    return smooth_step(s), mollifier(s) * s_dot


def _checked_steps(values: Any, dt: Any) -> tuple[Array, Scalar]:
    _checks.numbers("values", values)
    values = jnp.asarray(values)
    values = values[:, None] if values.ndim == 1 else values
    _checks.shape("values", values, ("time", "channels"))
    _checks.at_least("len(values)", values.shape[0], 1)
    _checks.finite("values", values)
    _checks.positive("dt", dt)
    _checks.shape("dt", dt, ())
    dtype = jnp.result_type(values, 1.0)
    return values.astype(dtype), jnp.asarray(dt, dtype)
