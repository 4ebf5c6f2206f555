"""Your own sensitivity: online training through time, by traces of what was sent.

Xiao, Meng, Zhang, He, Lin (2022), "Online Training Through Time for Spiking Neural
Networks". A leaky voltage keeps what it heard for its own time constant, so that its
derivative by a weight is a trace of the sender's activity alone,

    a_j' = (1 - dt/tau) a_j + dt/tau sent_j,     g_ij = (instantaneous error)_i a_j

one number per neuron where `EProp` keeps one per weight. Where all neurons have one
time constant the two give the same credit.

    python examples/own_sensitivity.py
"""

import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl


class SenderTrace(hl.sensitivities.AbstractSensitivity):
    """Traces of what neurons sent, of the inputs, and of one for the biases."""

    def prepare(self, network, x, key):
        if np.ptp(network.membrane_time_constant) > 0:
            raise ValueError("`membrane_time_constant` must be the same for all.")

    def start(self, network, x, fixed):
        return jnp.zeros_like(x), jnp.zeros(network.inputs, x.dtype), x[0] * 0

    def step(self, instant, fixed, memory):
        network, (sent, u, one) = instant.network, memory

        def arriving(w):  # at every neuron; its transpose is error times trace
            net = hl.join(w, instant.frozen)
            total = net.graph.aggregate(net.weight, sent) + one * net.bias
            return net.input_nodes.add(total, net.input_weight @ u)

        _, transpose = jax.vjp(arriving, instant.w)
        g = jax.tree.map(jnp.add, transpose(instant.ell_x)[0], instant.ell_w)
        part = instant.dt / network.tau_m[0]
        now = network.sent(instant.x), instant.u, jnp.ones_like(one)
        return g, jax.tree.map(lambda a, s: a + part * (s - a), memory, now)


def main(credit):
    """Voltage neurons that learn to answer a tone with an earlier part of it."""
    net = hl.VoltageNetwork(
        hl.Digraph.complete(8, self_loops=True),
        inputs=1,
        activation=jnp.tanh,
        membrane_time_constant=4.0,
        prospective_time_constant=0.0,
        key=jax.random.key(0),
    )
    law = hl.Law(None, credit, hl.updates.GradientFlow(0.02))
    u = np.sin(0.3 * np.arange(4000))[:, None]
    return hl.stream(law, net, (u, 0.5 * np.roll(u, 3)), dt=1.0, progress=False)


if __name__ == "__main__":
    result, twin = main(SenderTrace()), main(hl.sensitivities.OwnLeak())
    late = result.loss[-500:].mean()
    print(f"loss {late:.1e}, constant {result.losses['constant']:.1e}")
    assert late < 0.1 * result.losses["constant"]
    assert np.allclose(result.output, twin.output, atol=1e-3)
