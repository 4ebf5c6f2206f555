"""A law from the literature, added from outside: forward gradients.

Baydin, Pearlmutter, Syme, Wood, Torr (2022), "Gradients without Backpropagation";
Silver et al. (2022), "Learning by Directional Gradient Descent". Made as CONTRIBUTING
says, with public names only.

    python examples/forward_gradient.py
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import hamlearn as hl


class ForwardGradient(hl.rules.AbstractOnlineRule):
    """The gradient along one random direction d, carried forward in time.

        T_{k+1} = F_x T_k + F_w d,     g_k = (ell_x.T_k + ell_w.d) d,   d_i = +-1

    Since E[d d^T] = 1 the mean over draws of sum_k g_k is the exact gradient. One jvp
    a sample and as much memory as the state and the weights, for any module; the price
    is a variance that grows with the number of weights. The direction is drawn anew,
    and T forgotten, every `window` samples.

    **Arguments:** `cost`: what is minimised; `optimizer`: any of optax's; `window`.
    `init` takes a `key`.
    """

    cost: hl.Cost
    optimizer: optax.GradientTransformation
    window: int = eqx.field(static=True)

    def start(self, network: Any, x: Any, key: Any):
        if key is None:
            raise ValueError("`key` must be given: directions are drawn, but is None.")
        tangent = jax.tree.map(jnp.zeros_like, x)
        direction = signs(key, hl.split(network)[0])
        return None, (tangent, direction, jnp.zeros((), jnp.int32))

    def credit(self, moment: Any, fixed: None, trace: Any):
        tangent, d, count = trace
        slope = inner(moment.c_x, tangent) + inner(moment.c_w, d)
        g = jax.tree.map(lambda d: slope * d, d)
        _, tangent = jax.jvp(moment.transition, (moment.x, moment.w), (tangent, d))
        due = count + 1 >= self.window
        fresh = signs(moment.key, moment.w)
        d = jax.tree.map(lambda new, old: jnp.where(due, new, old), fresh, d)
        tangent = jax.tree.map(lambda leaf: jnp.where(due, 0, leaf), tangent)
        return g, (tangent, d, jnp.where(due, 0, count + 1))


def signs(key: Any, w: Any) -> Any:
    """+-1 at random, one for each number of w."""
    keys = jax.random.split(key, len(w))
    return {
        name: jax.random.rademacher(k, leaf.shape, leaf.dtype)
        for k, (name, leaf) in zip(keys, w.items(), strict=True)
    }


def inner(a: Any, b: Any) -> Any:
    """Sum of products of two trees."""
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    return sum(jax.tree.leaves(products))


def main() -> hl.Result:
    """Eight neurons learn to follow a sine one step behind."""
    net = hl.RateNetwork(
        hl.Digraph.complete(8, self_loops=False), inputs=1, key=jax.random.key(0)
    )
    u = jnp.sin(0.2 * jnp.arange(8_000.0))[:, None]
    law = ForwardGradient(hl.Cost(), optax.sgd(3e-3), window=20)
    samples = u, 0.5 * jnp.roll(u, 1, axis=0)
    return hl.stream(law, net, samples, dt=1.0, key=jax.random.key(1), progress=False)


if __name__ == "__main__":
    print(main())
