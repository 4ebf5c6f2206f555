"""A law from the literature, added from outside: `python forward_gradient.py`."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

import hamlearn as hl


class ForwardGradient(hl.sensitivities.AbstractSensitivity):
    """The gradient along a random direction d, carried forward in time.

        T_{k+1} = F_x T_k + F_w d,     g_k = (ell_x.T_k + ell_w.d) d,   d_i = +-1

    Since E[d d^T] = 1 the mean over draws of sum_k g_k is the exact gradient. One jvp
    per sample, for any module; the price is a variance that grows with the number of
    weights. The direction is drawn anew, and T forgotten, every `window` samples.

    Baydin et al. (2022), "Gradients without Backpropagation".
    """

    draws = True
    window: int = eqx.field(static=True)

    def prepare(self, network, x, key):
        if key is None:
            raise ValueError("`key` must be given: directions are drawn, but is None.")

    def start(self, network, x, fixed):
        along = jax.tree.map(jnp.zeros_like, (x, hl.split(network)[0]))
        return along, jnp.zeros((), jnp.int32)

    def step(self, instant, fixed, memory):
        along, age = memory
        flat, unravel = ravel_pytree(instant.w)
        d = unravel(jax.random.rademacher(instant.key, flat.shape, flat.dtype))
        fresh = jax.tree.map(jnp.zeros_like, instant.x), d
        now = lambda new, old: jnp.where(age == 0, new, old)
        T, d = jax.tree.map(now, fresh, along)
        ell = jax.tree.map(jnp.vdot, (instant.ell_x, instant.ell_w), (T, d))
        g = jax.tree.map(lambda d: sum(jax.tree.leaves(ell)) * d, d)
        _, T = jax.jvp(instant.transition, (instant.x, instant.w), (T, d))
        return g, ((T, d), (age + 1) % self.window)


def main() -> hl.Result:
    """Eight neurons learn to follow a sine one step behind."""
    graph = hl.Digraph.complete(8, self_loops=False)
    net = hl.RateNetwork(graph, inputs=1, key=jax.random.key(0))
    law = hl.Law(hl.Cost(), ForwardGradient(20), optax.sgd(3e-3))
    u = jnp.sin(0.2 * jnp.arange(8_000.0))[:, None]
    samples = u, 0.5 * jnp.roll(u, 1, axis=0)
    return hl.stream(law, net, samples, dt=1.0, key=jax.random.key(1), progress=False)


if __name__ == "__main__":
    print(main())
