"""Your own residual: leaky neurons imposed as exponential Euler, stable for any step.

The solution of tau x' = sigma(a) - x over a step in which sigma(a) is held:

    x+ = e^{-dt/tau} x + (1 - e^{-dt/tau}) sigma(a),     G = v - (x+ - x)/dt

`Law` takes the credit dM/dw through this G, and `motion` moves the state by it, here
with steps of three time constants, at which the network's own Euler step explodes.

    python examples/own_residual.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl


def after(network, x, u, dt):
    """x+."""
    keep = jnp.exp(-dt / network.time_constant)
    return keep * x + (1 - keep) * network.settled(x, u)


class Exponential(hl.action.AbstractResidual):
    """G = v - (x+ - x)/dt."""

    dt: Any = None

    def __call__(self, network, x, v, u, heard=None):
        return v - (after(network, x, u, self.dt) - x) / self.dt

    def output(self, network, x, v, u):
        return network.readout(x, u)

    def over(self, dt):
        return Exponential(dt)


class Step(hl.costates.AbstractMotion):
    """x -> x+."""

    def start(self, network, x):
        return None

    def rate(self, network, x, sample, memory):
        return network(x, sample.input), None

    def step(self, network, x, v, multiplier, sample, memory, dt):
        return after(network, x, sample.input, dt), None

    def check(self, network, dt):
        return None


def main(residual=None, motion=None):
    """A two-layer net that learns to answer sin(t) with 0.5 sin(t)^2."""
    graph, key = hl.Digraph.layered([8, 1]), jax.random.key(0)
    net = hl.RateNetwork(graph, inputs=1, time_constant=0.1, key=key)
    update = hl.updates.GradientFlow(0.3)
    law = hl.Law(None, hl.costates.AtRest(), update, residual=residual, motion=motion)
    u = np.sin(0.02 * np.arange(20_000))[:, None]
    return hl.stream(law, net, (u, 0.5 * u**2), dt=0.3, progress=False)


if __name__ == "__main__":
    result = main(Exponential(), Step())
    late = result.loss[-2000:].mean()
    print(f"loss {late:.1e}, constant {result.losses['constant']:.1e}")
    assert late < 0.1 * result.losses["constant"]
