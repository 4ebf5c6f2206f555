"""The network that learns MNIST-1D."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl

from .._types import Array

DT = 0.2
STEPS = 360  # per digit, 60 of the longest membrane time constants


def network(key: Array, *, layers: int = 6) -> hl.VoltageNetwork:
    """1-53x6-10, in each hidden layer 36 slow neurons and 17 without a lag.

    14,956 weights and biases, uniform within 1/sqrt(fan-in) at the start; the first
    hidden layer is linear, as in the published runs.
    """
    sizes = [53] * layers + [10]
    membrane = np.concatenate([np.repeat([0.6, 1.2], 18), np.full(17, 1.2)])
    lag = np.concatenate([np.full(36, DT), np.full(17, 1.2)])
    out = np.full(10, 1.2)
    linear = [*range(53), *range(53 * layers, 53 * layers + 10)]
    net = hl.VoltageNetwork(
        hl.Digraph.layered(sizes),
        inputs=1,
        outputs=10,
        linear=linear,
        membrane_time_constant=np.concatenate([np.tile(membrane, layers), out]),
        prospective_time_constant=np.concatenate([np.tile(lag, layers), out]),
        floor=DT,
        dtype=jnp.float32,
        key=key,
    )
    fan_in = np.maximum(net.graph.in_degree(), 1)
    heard = fan_in[np.asarray(net.graph.receivers)].reshape(net.weight.shape)
    bounds = (fan_in, heard, np.ones((53, 1)))
    fields = lambda n: (n.bias, n.weight, n.input_weight)
    drawn = [
        jax.random.uniform(k, b.shape, jnp.float32, -1, 1)
        / np.sqrt(b, dtype=np.float32)
        for k, b in zip(jax.random.split(key, 3), bounds, strict=True)
    ]
    return eqx.tree_at(fields, net, tuple(drawn))
