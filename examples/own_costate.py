"""Your own costate: synthetic gradients, a costate predicted from the state.

Jaderberg, Czarnecki, Osindero, Vinyals, Graves, Silver, Kavukcuoglu (2017), "Decoupled
Neural Interfaces using Synthetic Gradients". The adjoint p_{k+1} needs the future; a
linear map S of the state is taught to stand for it, by its own next guess:

    p_{k+1} ~ S (x_{k+1}, 1),    lam_k = -dt p_{k+1}
    S (x_k, 1)  is moved towards  ell_x(x_k) + (dx_{k+1}/dx_k)^T p_{k+1}

Where the costate is a linear function of the state (a linear network that hears
tones, at fixed weights) S finds it, and the credit becomes that of BPTT.

    python examples/own_costate.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl


class SyntheticGradient(hl.costates.AbstractCostate):
    """lam = -dt S (x_{k+1}, 1), with S learned by normalised gradient steps."""

    rate: jax.Array = eqx.field(converter=jnp.asarray)

    def prepare(self, network, x, key):
        return None

    def start(self, network, x, fixed):
        return jnp.zeros((x.size, x.size + 1), x.dtype)

    def step(self, instant, fixed, memory):
        S, hear = memory, lambda x: jnp.append(x, 1)
        x1, back = jax.vjp(lambda x: instant.transition(x, {}), instant.x)
        p1 = S @ hear(x1)
        goal = instant.ell_x + back(p1)[0]
        now = hear(instant.x)
        gain = self.rate.astype(now.dtype) / (now @ now)
        S = S + gain * jnp.outer(goal - S @ now, now)
        return -instant.dt * p1, S


def main():
    """The credit of a linear network that hears a tone, held against BPTT."""
    net = hl.RateNetwork(
        hl.Digraph.complete(6, self_loops=True),
        inputs=1,
        activation=lambda a: a,
        time_constant=np.linspace(1.0, 4.0, 6),
        gain=0.5,
        key=jax.random.key(0),
    )
    law = hl.Law(None, SyntheticGradient(0.5), title="synthetic gradients")
    t = 2 * np.pi / 40 * np.arange(500 * 40)
    samples = hl.Sample(np.sin(t)[:, None], np.cos(t + 1)[:, None])
    skip = 450 * 40
    return hl.analysis.alignment(law, net, samples, dt=0.3, skip=skip)


if __name__ == "__main__":
    table = main()
    print(table)
    assert min(row["cosine"] for row in table.rows()) > 0.99
