"""Networks of oscillators for tests, and a stream that they can hear."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl
from hamlearn.networks import HamiltonianNetwork, LogCosh

DT = 0.1


def layer(key, neurons=16, inputs=3, readout=None, dissipation=0.0):
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


def read_layer(key, neurons=16, inputs=3, outputs=2, dissipation=0.0):
    a, b = jax.random.split(key)
    readout = eqx.nn.Linear(neurons, outputs, key=a)
    return layer(b, neurons, inputs, readout, dissipation)


class Tanh(eqx.Module):
    def __call__(self, q):
        return jnp.tanh(q)


def two_layers(key, neurons=16, dissipation=0.0):
    a, b = jax.random.split(key)
    below = layer(a, neurons, 3, Tanh(), dissipation)
    return hl.Stack([below, read_layer(b, neurons, neurons, dissipation=dissipation)])


class Coupled(eqx.Module):
    """A potential that no one publishes: every neuron hears all others, both ways."""

    weight: jax.Array

    def __call__(self, q, c):
        return jnp.sum(q**2) / 2 + q @ jnp.tanh(self.weight @ q) / 4 - c @ jnp.sin(q)


def coupled(key, neurons=6, inputs=3, outputs=2, dissipation=0.0):
    a, b, c = jax.random.split(key, 3)
    return HamiltonianNetwork(
        Coupled(jax.random.normal(a, (neurons, neurons)) / neurons),
        neurons=neurons, inputs=inputs, dissipation=dissipation,
        readout=eqx.nn.Linear(neurons, outputs, key=b), key=c,
    )  # fmt: skip


def stream(key, steps, batch=(), inputs=3, outputs=2):
    a, b = jax.random.split(key)
    u = jax.random.normal(a, (steps, *batch, inputs))
    return hl.Sample(u, jax.random.normal(b, (steps, *batch, outputs)))


def apart(a, b):
    """|a - b|/|b| of two trees."""
    a, b = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(t)]) for t in (a, b))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
