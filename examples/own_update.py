"""Your own update: exponentiated gradients, under which no synapse changes its sign.

Kivinen & Warmuth (1997), "Exponentiated gradient versus gradient descent for linear
predictors", in the form for weights of both signs:

    w <- w exp(-rate sign(w) g)

Excitation stays excitation (Dale's law), and strong synapses learn faster. An update
goes with any law; here with `RTRL`.

    python examples/own_update.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl


class ExponentiatedGradient(hl.updates.AbstractUpdate):
    """w <- w exp(-rate sign(w) g)."""

    rate: jax.Array = eqx.field(converter=jnp.asarray)

    def start(self, w):
        return None

    def step(self, g, w, memory, dt, loss=None):
        rate = lambda w: self.rate.astype(w.dtype)
        move = lambda w, g: w * jnp.exp(-rate(w) * jnp.sign(w) * g)
        return jax.tree.map(move, w, g), memory


def main():
    """(the weights at the start, the result of learning a delayed tone)."""
    net = hl.RateNetwork(
        hl.Digraph.complete(8, self_loops=True),
        inputs=1,
        time_constant=2.0,
        learn=("weight", "input_weight"),
        key=jax.random.key(0),
    )
    law = hl.RTRL(update=ExponentiatedGradient(0.03))
    u = np.sin(0.3 * np.arange(6000))[:, None]
    samples = u, 0.5 * np.roll(u, 3)
    return hl.split(net)[0], hl.stream(law, net, samples, dt=1.0, progress=False)


if __name__ == "__main__":
    before, result = main()
    late = result.loss[-500:].mean()
    print(f"loss {late:.1e}, constant {result.losses['constant']:.1e}")
    assert late < 0.1 * result.losses["constant"]
    for name, leaf in hl.split(result.network)[0].items():
        assert np.array_equal(np.sign(leaf), np.sign(before[name]))
