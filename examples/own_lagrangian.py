"""Your own Lagrangian with your own constraint: synapses whose strength saturates.

Neurons and weights are coordinates with masses. A weight w acts as tanh(w), so that
no synapse is stronger than one, and outliers of the target do not rule:

    L = m_x/2 |x'|^2 + m_w/2 |w'|^2 - sum log cosh(y - target)
    G = x - sigma(a(x, tanh w, u)) = 0

The equations of motion and the multipliers follow from these two functions.

    python examples/own_lagrangian.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl

NEURON_MASS, WEIGHT_MASS = 1e-3, 0.1


def L(network, q, v, sample):
    """T - V."""
    moving = sum(jnp.sum(leaf**2) for leaf in v.w.values())
    kinetic = NEURON_MASS / 2 * jnp.sum(v.x**2) + WEIGHT_MASS / 2 * moving
    error = network.readout(q.x, sample.input) - sample.target
    return kinetic - jnp.sum(jnp.log(jnp.cosh(error)))


def G(network, q, sample):
    """What every neuron would be under saturated weights, less what it is."""
    saturated = eqx.tree_at(lambda n: n.weight, network, jnp.tanh(network.weight))
    return hl.action.Holonomic()(saturated, q.x, None, sample.input)


def main():
    """A two-layer net that learns to answer sin(t) with 0.4 sin(t)^2."""
    net = hl.RateNetwork(hl.Digraph.layered([12, 1]), inputs=1, key=jax.random.key(0))
    law = hl.STLP(lagrangian=L, constraint=G, dissipation=10.0)
    signal = hl.Signal(lambda t: jnp.sin(t), lambda t: 0.4 * jnp.sin(t) ** 2)
    samples = signal.jets(0.02 * np.arange(20_000))
    return hl.stream(law, net, samples, dt=0.02, progress=False)


if __name__ == "__main__":
    result = main()
    late, gap = result.loss[-1000:].mean(), result.info["residual"].max()
    print(f"loss {late:.1e}, constant {result.losses['constant']:.1e}; |G| {gap:.0e}")
    assert late < 0.1 * result.losses["constant"]
    assert gap < 1e-4
