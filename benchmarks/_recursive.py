"""BPTT by diffrax: one solve with its recursive checkpointing, as a user would."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp

from . import _floors


@jax.jit
def bptt(w: _floors.Weights, x, us, ys, alpha):
    """(sum of losses, its gradient): Euler steps of one sample, by `diffeqsolve`.

    diffrax keeps about sqrt(2 T) states. The clock is t = 0, 1, ..., exact in float32
    up to 1.6e7 samples.
    """

    def field(t, state, args):
        (x, _), (w, us, ys) = state, args
        k = jnp.round(t).astype(jnp.int32)
        error = w.C @ x + w.c - ys[k]
        return _floors.advance(w, x, us[k], alpha) - x, error @ error / 2

    def total(w):
        length = us.shape[0]
        solution = dfx.diffeqsolve(
            dfx.ODETerm(field), dfx.Euler(), 0.0, float(length), 1.0,
            (x, jnp.zeros((), x.dtype)), (w, us, ys), max_steps=length,
            adjoint=dfx.RecursiveCheckpointAdjoint(), throw=False,
        )  # fmt: skip
        states: Any = solution.ys
        return states[1][-1]

    return jax.value_and_grad(total)(w)
