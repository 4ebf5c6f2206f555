"""Networks of oscillators for tests, and a stream that they can hear."""

import equinox as eqx
import jax
import jax.numpy as jnp

import hamlearn as hl
from hamlearn.networks import HamiltonianNetwork
from hamlearn.papers._echo_run import apart, layer, read_layer, two_layers

__all__ = ["DT", "apart", "coupled", "layer", "read_layer", "stream", "two_layers"]

DT = 0.1


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
