"""One of each law, a network that it takes, and a stream that it can hear."""

import equinox as eqx
import jax
import jax.numpy as jnp
from oscillators import read_layer

import hamlearn as hl
from hamlearn import Digraph, RateNetwork, VoltageNetwork
from hamlearn.analysis import audited_laws

LAWS = {name: audited.law for name, audited in audited_laws().items()}


def suited(law, key):
    """A network that the law takes: two layers of rates or voltages, or oscillators."""
    graph, options = Digraph.layered([2, 2]), {"inputs": 1, "outputs": 2, "key": key}
    read = eqx.nn.Linear(2, 2, key=key)
    for network in (
        RateNetwork(graph, **options),
        RateNetwork(graph, readout=read, **options),
        VoltageNetwork(graph, prospective_time_constant=0.0, **options),
        VoltageNetwork(graph, prospective_time_constant=1.0, **options),
        hl.DiagonalNetwork(2, inputs=1, outputs=2, key=key),
        read_layer(key, neurons=3, inputs=1),
    ):
        try:
            law.init(network, key=key)
        except ValueError:
            continue
        return network
    raise AssertionError("no network for the law")


def jets(key, steps, dt):
    """A smooth stream with its rates, for laws that ask for them."""
    phase = jax.random.uniform(key, (3,), maxval=6.0)
    signal = hl.Signal(
        lambda t: jnp.sin(t + phase[:1]), lambda t: jnp.cos(t + phase[1:])
    )
    return signal.jets(dt * jnp.arange(float(steps)))
