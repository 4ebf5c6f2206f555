"""Exact gradients from the Hamiltonian, by a stream run forward and then reversed.

The costate equations of `HamiltonianLearning` with s = -1, fed with the states of a
finished run in reversed order, are the discrete adjoint: BPTT. Both functions
differentiate J = sum over k of dt ell(x_k, u_k, y_k) for k < N.
"""

from typing import Any

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Params, PyTree, Scalar
from ..action.action import hamiltonian
from ..action.cost import Cost
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ..signals.signal import Sample


def reversed_stream_gradient(
    cost: Cost, network: Any, samples: Sample, *, dt: Any, x0: PyTree = None
) -> tuple[Params, PyTree]:
    """dJ/dw and dJ/dx_0 for x_{k+1} = x_k + dt f(x_k, w, u_k).

    The costates take explicit Euler steps of the flipped equations on the reversed
    stream, starting from zero:

        p_x <- p_x + dt H_x(x_k, w, p_x),     p_w <- p_w + dt H_w(x_k, w, p_x)

    **Arguments:** `samples`: with time as leading axis; `dt` > 0; `x0`: the start,
    the network's own without it. Stores the N states of the run.

    **Returns:** (dJ/dw by name, dJ/dx_0), equal to `jax.grad` to rounding error.

    Melacci, Betti, Casoni, Guidi, Tiezzi, Gori, "A Unified Framework for Neural
    Computation and Learning Over Time", section on recovering BPTT.
    """
    _checks.positive("dt", dt)
    network = as_network(network, x0)
    w, frozen = split(network)
    start = network.initial_state() if x0 is None else x0
    slope = _slopes(cost, frozen)

    def forward(x, sample):
        return _moved(x, dt, network(x, sample.input)), x

    def backward(p, step):
        x, sample = step
        p_x, p_w = p
        H_x, H_w = slope(x, w, p_x, sample)
        return (_moved(p_x, dt, H_x), _moved(p_w, dt, H_w)), None

    _, states = jax.lax.scan(forward, start, samples)
    zero = jax.tree.map(jnp.zeros_like, (start, w))
    (p_x, p_w), _ = jax.lax.scan(backward, zero, (states, samples), reverse=True)
    return p_w, p_x


def midpoint_gradient(
    cost: Cost, network: Any, samples: Sample, *, dt: Any, x0: PyTree = None
) -> tuple[Params, PyTree]:
    """dJ/dw without storing a single state: the midpoint rule runs backwards exactly.

        x_{k+1} = x_{k-1} + 2 dt f(x_k, w, u_k),    x_1 = x_0 + dt f(x_0, w, u_0)
        p_k     = p_{k+2} + dt H_x(x_k, w, 2 p_{k+1})

    while x_{k-1} is recovered from x_{k+1} and x_k. Memory does not grow with N.

    The rule is not stable for dissipative dynamics (its parasitic mode grows like
    e^{t/tau}), so this is for runs of a few time constants: compare the returned
    start with the true one to see what rounding has done.

    **Arguments:** as for `reversed_stream_gradient`.

    **Returns:** (dJ/dw by name, the start as recovered on the way back).
    """
    _checks.positive("dt", dt)
    _checks.at_least("len(samples)", samples.target.shape[0], 2)
    network = as_network(network, x0)
    w, frozen = split(network)
    start = network.initial_state() if x0 is None else x0
    slope = _slopes(cost, frozen)
    first, rest = (
        jax.tree.map(lambda a, s=s: a[s], samples) for s in (0, slice(1, None))
    )

    def forward(pair, sample):
        before, now = pair
        return (now, _moved(before, 2 * dt, network(now, sample.input))), None

    def backward(carry, sample):
        (now, after), (p_1, p_2), p_w = carry
        before = _moved(after, -2 * dt, network(now, sample.input))
        H_x, H_w = slope(now, w, jax.tree.map(lambda p: 2 * p, p_1), sample)
        return ((before, now), (_moved(p_2, dt, H_x), p_1), _moved(p_w, dt, H_w)), None

    pair = (start, _moved(start, dt, network(start, first.input)))
    ends, _ = jax.lax.scan(forward, pair, rest)
    zero_x, zero_w = jax.tree.map(jnp.zeros_like, (start, w))
    carry = (ends, (zero_x, zero_x), zero_w)
    carry, _ = jax.lax.scan(backward, carry, rest, reverse=True)
    (recovered, _), (p_1, _), p_w = carry
    _, H_w = slope(recovered, w, p_1, first)
    return _moved(p_w, dt, H_w), recovered


def _slopes(cost: Cost, frozen: PyTree):
    """(H_x, H_w) of the running cost and p.f, the part without dw/dt."""

    def H(x, w, p_x, sample) -> Scalar:
        at_rest = jax.tree.map(jnp.zeros_like, w)
        return hamiltonian(cost, join(w, frozen), x, p_x, at_rest, sample)

    return jax.grad(H, argnums=(0, 1))


def _moved(y: PyTree, h: Any, rate: PyTree) -> PyTree:
    return jax.tree.map(lambda y, f: y + jnp.asarray(h, y.dtype) * f, y, rate)
