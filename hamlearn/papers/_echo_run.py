"""Oscillators for the claims on echo learning, and the step of the published code."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import hamlearn as hl

from .._types import Array
from ..networks import HamiltonianNetwork, LogCosh

UNIT = 2.0**-53
COST = hl.Cost()


def layer(
    key: Any, *, inputs: int = 3, neurons: int = 16, readout: Any = None,
    dissipation: float = 0.0,
) -> HamiltonianNetwork:  # fmt: skip
    """The paper's nonlinear oscillators, with numbers drawn here."""
    a, b, c, d = jax.random.split(key, 4)
    well = LogCosh(
        jax.random.uniform(a, (neurons,), minval=0.5, maxval=2.0),
        gain=jax.random.uniform(b, (neurons,)),
        slope=1.3,
        bias=jax.random.normal(c, (neurons,)),
    )
    return HamiltonianNetwork(
        well, neurons=neurons, inputs=inputs, readout=readout,
        dissipation=dissipation, key=d,
    )  # fmt: skip


def read_layer(
    key: Any, *, inputs: int = 3, neurons: int = 16, dissipation: float = 0.0
) -> HamiltonianNetwork:
    """A layer with two outputs."""
    a, b = jax.random.split(key)
    sizes: Any = {"inputs": inputs, "neurons": neurons, "dissipation": dissipation}
    return layer(b, readout=eqx.nn.Linear(neurons, 2, key=a), **sizes)


class Tanh(eqx.Module):
    """What lies between two layers."""

    def __call__(self, q):
        return jnp.tanh(q)


def two_layers(key: Any, *, neurons: int = 16, dissipation: float = 0.0) -> hl.Stack:
    """Two layers with tanh between them."""
    a, b = jax.random.split(key)
    sizes: Any = {"neurons": neurons, "dissipation": dissipation}
    below = layer(a, readout=Tanh(), **sizes)
    return hl.Stack([below, read_layer(b, inputs=neurons, **sizes)])


def noise(key: Any, samples: int, outputs: int = 2) -> hl.Sample:
    """Inputs and targets."""
    a, b = jax.random.split(key)
    u = jax.random.normal(a, (samples, 3))
    return hl.Sample(u, jax.random.normal(b, (samples, outputs)))


def single(tree: Any) -> Any:
    """`tree` in single precision."""
    to = lambda a: a.astype(jnp.float32) if eqx.is_inexact_array(a) else a
    return jax.tree.map(to, tree)


def apart(a: Any, b: Any) -> float:
    """|a - b|/|b| of two trees."""
    flat = lambda tree: np.concatenate(
        [np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)]
    )
    a, b = flat(a), flat(b)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def echo_error(network: Any, samples: hl.Sample, memory: Any, dt: float = 0.1) -> float:
    """Of the whole gradient, against the adjoint of the same steps."""
    exact = hl.exact_gradient(COST, network, samples, dt=dt).w
    return apart(
        hl.exact_gradient(COST, network, samples, dt=dt, memory=memory).w, exact
    )


@jax.jit
def published_error(dt: Any, seed: Any = 0, epsilon: Any = 1e-4) -> Array:
    """Of the echo whose force is that of the old position, against its own adjoint.

        q' = q + dt/2 p;   p <- p - dt dV/dq (q, c);   q <- q' + dt/2 p

    as in the published code: the force is that of q, what is read for the gradient is
    that of q' (models/NonlinHRU.py, `state_update`, of guillaumepourcel/rhel).
    """
    network = layer(jax.random.key(seed))
    stream = noise(jax.random.key(1), 100, outputs=16)
    w, frozen = eqx.partition(network, eqx.is_inexact_array)

    def step(w, x, u):
        q, p = x
        after = p - dt * jax.grad(eqx.combine(w, frozen).energy)(q, u)
        return q + dt / 2 * (p + after), after

    def run(w):
        """(J, (the last state, errors))."""

        def go(x, sample):
            error = x[0] - sample.target
            return step(w, x, sample.input), (jnp.sum(error**2) / 2, error)

        end, (ell, errors) = jax.lax.scan(go, network.initial_state(), stream)
        return jnp.sum(ell), (end, errors)

    (_, ((q, p), errors)), exact = jax.value_and_grad(run, has_aux=True)(w)
    E_w = jax.grad(lambda w, q, u: eqx.combine(w, frozen).energy(q, u))

    def back(push):
        def go(carry, now):
            (q, p), total = carry
            u, error = now
            total = jax.tree.map(jnp.add, total, E_w(w, q + dt / 2 * p, u))
            q, p = step(w, (q, p), u)
            return ((q, p + push * error), total), None

        start = (q, -p), jax.tree.map(jnp.zeros_like, w)
        return jax.lax.scan(go, start, (stream.input, errors), reverse=True)[0][1]

    up, down = back(epsilon), back(-epsilon)
    found = jax.tree.map(lambda a, b: -dt / (2 * epsilon) * (a - b), up, down)
    flat = lambda n: ravel_pytree((n.input_weight, n.potential))[0]
    return jnp.linalg.norm(flat(found) - flat(exact)) / jnp.linalg.norm(flat(exact))
