"""Plain JAX that a competent user would write: what every law is timed against.

A leaky tanh network with inputs and a linear readout, every derivative by hand:

    a = W x + B u + b,   x' = x + alpha (tanh(a) - x),   y = C x + c
    ell = 1/2 |y - target|^2

the same computation as a complete `RateNetwork` with `eqx.nn.Linear` as readout, at
alpha = dt / tau. `network` makes one of the same numbers, and `tests` hold each
function to its law. Nothing here uses hamlearn but `network`.
"""

from collections.abc import Callable
from functools import partial
from math import isqrt
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp


class Weights(NamedTuple):
    """All that learns."""

    W: jax.Array
    B: jax.Array
    b: jax.Array
    C: jax.Array
    c: jax.Array


def weights(n: int, inputs: int, outputs: int, *, key: Any, dtype=None) -> Weights:
    """A network of gain 1."""
    keys = jax.random.split(key, 3)
    draw = lambda key, *shape: (
        jax.random.normal(key, shape, dtype) * jnp.asarray(shape[1] ** -0.5, dtype)
    )
    zeros = lambda size: jnp.zeros(size, dtype)
    W, B = draw(keys[0], n, n), draw(keys[1], n, inputs)
    return Weights(W, B, zeros(n), draw(keys[2], outputs, n), zeros(outputs))


def network(w: Weights, *, time_constant: float = 1.0) -> Any:
    """The `hamlearn.RateNetwork` of the same numbers."""
    import hamlearn as hl

    outputs, n = w.C.shape
    linear = eqx.nn.Linear(n, outputs, key=jax.random.key(0), dtype=w.C.dtype)
    made = hl.RateNetwork(
        hl.Digraph.complete(n, self_loops=True),
        inputs=w.B.shape[1],
        outputs=n,
        time_constant=time_constant,
        readout=eqx.tree_at(lambda m: (m.weight, m.bias), linear, (w.C, w.c)),
        dtype=w.W.dtype,
        key=jax.random.key(0),
    )
    return eqx.tree_at(
        lambda m: (m.weight, m.input_weight, m.bias), made, (w.W, w.B, w.b)
    )


def advance(w: Weights, x, u, alpha):
    """x at the next sample."""
    return x + alpha * (jnp.tanh(w.W @ x + w.B @ u + w.b) - x)


def _body(w: Weights, alpha, x, now):
    u, y = now
    return advance(w, x, u, alpha), jnp.sum((w.C @ x + w.c - y) ** 2) / 2


def _batched(total: Callable[..., Any]) -> Callable[..., Any]:
    """The mean of `total` over streams, which are the second axis of the samples."""

    def mean(w, x, us, ys, alpha):
        if x.ndim == 1:
            return total(w, x, us, ys, alpha)
        each = jax.vmap(total, (None, 0, 1, 1, None))
        return jnp.mean(each(w, x, us, ys, alpha))

    return mean


@_batched
def total_loss(w: Weights, x, us, ys, alpha):
    """sum_k ell_k, by a scan."""
    return jnp.sum(jax.lax.scan(partial(_body, w, alpha), x, (us, ys))[1])


@_batched
def total_loss_checkpointed(w: Weights, x, us, ys, alpha):
    """The same, keeping every sqrt(T)-th state; T must be a square."""
    size = isqrt(us.shape[0])
    blocks = jax.tree.map(lambda a: a.reshape(size, size, *a.shape[1:]), (us, ys))
    body = partial(_body, w, alpha)
    inner = jax.checkpoint(lambda x, now: jax.lax.scan(body, x, now))
    return jnp.sum(jax.lax.scan(inner, x, blocks)[1])


bptt = jax.jit(jax.value_and_grad(total_loss))
bptt_checkpointed = jax.jit(jax.value_and_grad(total_loss_checkpointed))


@partial(jax.jit, static_argnames="window")
def bptt_windows(w: Weights, x, us, ys, alpha, rate, *, window: int):
    """Plain gradient descent after every window, on its gradient: (w, losses)."""
    cut = lambda a: a.reshape(-1, window, *a.shape[1:])

    def body(carry, now):
        w, x = carry

        def total(w):
            after, losses = jax.lax.scan(partial(_body, w, alpha), x, now)
            return jnp.sum(losses), (after, losses)

        g, (x, losses) = jax.grad(total, has_aux=True)(w)
        return (jax.tree.map(lambda w, g: w - rate * g, w, g), x), losses

    (w, _), losses = jax.lax.scan(body, (w, x), (cut(us), cut(ys)))
    return w, losses.reshape(-1)


class Law(NamedTuple):
    """`start(w)` makes a trace; `credit(w, x, u, y, alpha, trace, key)` uses it.

    `credit` returns (gradient, the trace at the next sample, x there, the loss).
    """

    start: Callable[..., Any]
    credit: Callable[..., Any]
    random: bool = False


@partial(jax.jit, static_argnums=0)
def learn(law: Law, w: Weights, x, us, ys, alpha, rate, key=None):
    """An update by plain gradient descent at every sample: (w, losses).

    x with a leading axis is a batch of streams, which are the second axis of `us`
    and `ys`: a trace each, and the mean of their gradients.
    """
    batch = x.shape[0] if x.ndim > 1 else None
    trace, credit = law.start(w), law.credit
    if batch:
        copy = lambda leaf: jnp.broadcast_to(leaf, (batch, *leaf.shape))
        trace = jax.tree.map(copy, trace)
        each = jax.vmap(law.credit, (None, 0, 0, 0, None, 0, 0 if law.random else None))
        mean = partial(jax.tree.map, lambda leaf: jnp.mean(leaf, 0))

        def credit(*given):
            g, trace, x, loss = each(*given)
            return mean(g), trace, x, jnp.mean(loss)

    def body(carry, now):
        w, x, trace, key = carry
        now_key = None
        if law.random:
            key, now_key = jax.random.split(key)
            now_key = jax.random.split(now_key, batch) if batch else now_key
        g, trace, x, loss = credit(w, x, *now, alpha, trace, now_key)
        w = jax.tree.map(lambda w, g: w - rate * g, w, g)
        return (w, x, trace, key), loss

    (w, *_), losses = jax.lax.scan(body, (w, x, trace, key), (us, ys))
    return w, losses


def _now(w: Weights, x, u, y, alpha):
    """(x', slope, ell_x, error, loss)."""
    h = jnp.tanh(w.W @ x + w.B @ u + w.b)
    e = w.C @ x + w.c - y
    return x + alpha * (h - x), alpha * (1 - h * h), e @ w.C, e, e @ e / 2


def _rows(at, x, u):
    """at_i x_j, at_i u_k, at_i: one leaf each for W, B and b."""
    return at[:, None] * x, at[:, None] * u, at


def _rtrl_credit(w: Weights, x, u, y, alpha, S, key):
    after, slope, c_x, e, loss = _now(w, x, u, y, alpha)
    n, inputs = w.B.shape
    g = jnp.einsum("i,ikl->kl", c_x, S)
    J = slope[:, None] * w.W + (1 - alpha) * jnp.eye(n, dtype=x.dtype)
    z = jnp.concatenate([x, u, jnp.ones_like(x[:1])])
    i = jnp.arange(n)
    S = jnp.einsum("ij,jkl->ikl", J, S).at[i, i].add(slope[:, None] * z)
    parts = g[:, :n], g[:, n : n + inputs], g[:, -1]
    return Weights(*parts, jnp.outer(e, x), e), S, after, loss


def _rtrl_start(w: Weights):
    n, inputs = w.B.shape
    return jnp.zeros((n, n, n + inputs + 1), w.W.dtype)


RTRL = Law(_rtrl_start, _rtrl_credit)
"""Exact sensitivities S_ikl = dx_i/dV_kl, V = (W, B, b), by an einsum a step."""


def _all(moving: Any, e, x) -> Weights:
    """The gradient, with that of the readout."""
    W, B, b = moving
    return Weights(W, B, b, jnp.outer(e, x), e)


def _zeros_like_rows(w: Weights):
    return jax.tree.map(jnp.zeros_like, (w.W, w.B, w.b))


def _trace_credit(keep, w: Weights, x, u, y, alpha, trace, key):
    """A trace s_ij' = keep_i s_ij + slope_i z_j, credit ell_{x_i} s_ij."""
    after, slope, c_x, e, loss = _now(w, x, u, y, alpha)
    decay = keep(w, slope, alpha)
    wide = lambda v, leaf: v[:, None] if leaf.ndim > 1 else v
    g = jax.tree.map(lambda s: wide(c_x, s) * s, trace)
    trace = jax.tree.map(
        lambda s, new: wide(decay, s) * s + new, trace, _rows(slope, x, u)
    )
    return _all(g, e, x), trace, after, loss


SNAP_1 = Law(
    _zeros_like_rows,
    partial(_trace_credit, lambda w, slope, a: 1 - a + slope * jnp.diagonal(w.W)),
)
"""The trace keeps dx_i/dx_i."""

OWN_LEAK = Law(
    _zeros_like_rows,
    partial(_trace_credit, lambda w, slope, a: jnp.full_like(slope, 1 - a)),
)
"""The trace keeps the leak alone: RFLO and e-prop with symmetric feedback."""


def _outer_credit(w: Weights, x, u, y, alpha, before, key):
    after, slope, c_x, e, loss = _now(w, x, u, y, alpha)
    g = _rows(c_x * before[0], *before[1:])
    return Weights(*g, jnp.outer(e, x), e), (slope, x, u), after, loss


def _outer_start(w: Weights):
    n, inputs = w.B.shape
    zeros = lambda size: jnp.zeros(size, w.W.dtype)
    return zeros(n), zeros(n), zeros(inputs)


ONLINE_OUTER = Law(_outer_start, _outer_credit)
"""No trace: one outer product and update per step, credit of one step of delay."""


def _uoro_credit(w: Weights, x, u, y, alpha, trace, key):
    s, theta = trace
    after, slope, c_x, e, loss = _now(w, x, u, y, alpha)
    scale = c_x @ s
    g = jax.tree.map(lambda t: scale * t, theta)
    nu = jax.random.rademacher(key, s.shape, s.dtype)
    s = (1 - alpha) * s + slope * (w.W @ s)
    fresh = _rows(nu * slope, x, u)
    size = lambda tree: sum(jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(tree))

    def balance(top, bottom):
        fine = (top > 0) & (bottom > 0)
        return (jnp.where(fine, top, 1) / jnp.where(fine, bottom, 1)) ** 0.25

    rho_0, rho_1 = balance(size(theta), size(s)), balance(size(fresh), size(nu))
    theta = jax.tree.map(lambda t, f: t / rho_0 + f / rho_1, theta, fresh)
    trace = rho_0 * s + rho_1 * nu, theta
    return _all(g, e, x), trace, after, loss


UORO = Law(
    lambda w: (jnp.zeros_like(w.b), _zeros_like_rows(w)), _uoro_credit, random=True
)
"""Sensitivities as a random matrix of rank one."""


@jax.jit
def gle(w: Weights, us, ys, dt, tau_m, tau_r, rate):
    """Generalised latent equilibrium, every neuron one step behind its neighbours.

    A complete `VoltageNetwork` whose last nodes are the outputs; C and c are not
    used. (W, B, b) after the stream, and the losses.
    """
    n, outputs = w.b.size, ys.shape[-1]

    def body(carry, now):
        (W, B, b, u, r, error, z), (x, y) = carry, now
        v = (W @ r + B @ x + b - u) / tau_m
        new = jnp.tanh(u + tau_r * v)
        wrong = new[n - outputs :] - y
        s = (1 - new * new) * (error @ W).at[n - outputs :].add(-wrong)
        error = z + tau_m / tau_r * (s - z)
        W, B = W + rate * jnp.outer(error, r), B + rate * jnp.outer(error, x)
        z = z + dt / tau_r * (s - z)
        carry = W, B, b + rate * error, u + dt * v, new, error, z
        return carry, wrong @ wrong / 2

    zero = jnp.zeros_like(w.b)
    start = w.W, w.B, w.b, zero, zero, zero, zero
    (W, B, b, *_), losses = jax.lax.scan(body, start, (us, ys))
    return (W, B, b), losses


@jax.jit
def sign_flip(W, b, x, targets, dt, tau, q, rw, r, th):
    """Hamiltonian learning without inputs: (the flow, output, loss, L and H).

    `rw` may be None, for no weight decay.
    """
    decay = (lambda w: 0) if rw is None else (lambda w: rw * w)

    def step(carry, y):
        x, W, b, px, pW, pb = carry
        s = jnp.tanh(W @ x + b)
        f = (s - x) / tau
        error = x[0] - y[0]
        g = px * (1 - s**2) / tau
        loss = 0.5 * error**2
        ell = q * loss + 0.5 * (jnp.sum(decay(W) * W) + jnp.sum(decay(b) * b))
        kinetic = (jnp.sum(pW * pW) + jnp.sum(pb * pb)) / (2 * r)
        Hx = (g @ W - px / tau).at[0].add(q * error)
        carry = (
            x + dt * f,
            W - dt * pW / r,
            b - dt * pb / r,
            px + dt * (Hx - th * px),
            pW + dt * (decay(W) + g[:, None] * x[None, :] - th * pW),
            pb + dt * (decay(b) + g - th * pb),
        )
        return carry, (x[:1], loss, ell + kinetic, ell + px @ f - kinetic)

    start = (x, W, b, jnp.zeros_like(x), jnp.zeros_like(W), jnp.zeros_like(b))
    return jax.lax.scan(step, start, targets)
