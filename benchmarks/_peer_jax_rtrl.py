"""Gradients of jax_rtrl (GitHub only, commit 7d95ca6), where it can be imported."""

import contextlib
import importlib.util
import io
from collections.abc import Callable

import jax
import jax.numpy as jnp

from ._floors import Weights

COMMIT = "7d95ca6"


def installed() -> bool:
    return importlib.util.find_spec("jax_rtrl") is not None


def gradients(w: Weights, u, y) -> dict[str, Callable[[], Weights]]:
    """By BPTT and by its approximate online laws."""
    return {f"jax_rtrl {k}": _gradient(k, w, u, y) for k in ("bptt", "rflo", "eprop")}


def exact(w: Weights, u, y) -> dict[str, Callable[[], Weights]]:
    """By exact RTRL."""
    return {"jax_rtrl rtrl": _gradient("rtrl", w, u, y)}


def _gradient(law: str, w: Weights, u, y) -> Callable[[], Weights]:
    with contextlib.redirect_stdout(io.StringIO()):
        from jax_rtrl.models.cells.ctrnn import (  # pyright: ignore
            OnlineCTRNNCell,
        )

    n, inputs = w.B.shape
    cell = OnlineCTRNNCell(num_units=n, plasticity=law, ode_type="murray", dt=1.0)
    joint = jnp.concatenate([w.B, w.W, w.b[:, None]], axis=1)
    held = {"W": joint, "tau": jnp.ones(n)}, w.C, w.c
    start = cell.apply(
        {"params": held[0]}, jax.random.key(0), (inputs,),
        method=cell.initialize_carry,
    )  # fmt: skip

    def loss(held, h, u, y):
        cell_w, C, c = held
        h, x = cell.apply({"params": cell_w}, h, u)
        return jnp.sum((C @ x + c - y) ** 2) / 2, h

    def unrolled(held, u, y):
        def step(h, now):
            ell, h = loss(held, h, *now)
            return h, ell

        return jnp.sum(jax.lax.scan(step, start, (u, y))[1])

    def summed(held, u, y):
        def step(carry, now):
            h, total = carry
            g, h = jax.grad(loss, has_aux=True)(held, h, *now)
            return (h, jax.tree.map(jnp.add, total, g)), None

        zero = jax.tree.map(jnp.zeros_like, held)
        return jax.lax.scan(step, (start, zero), (u, y))[0][1]

    @jax.jit
    def run(held, u, y):
        g, C, c = (jax.grad(unrolled) if law == "bptt" else summed)(held, u, y)
        B, W, b = g["W"][:, :inputs], g["W"][:, inputs:-1], g["W"][:, -1]
        return Weights(W, B, b, C, c)

    return lambda: run(held, u, y)
