"""How long the true costate can be pushed forward in time before rounding eats it."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ..action.cost import Cost, running_cost
from ..networks.base import AbstractNetwork
from ..signals.signal import Sample

LONGEST, _LARGEST = 512, 512


def horizon(network: AbstractNetwork, samples: Sample, dt: jax.Array) -> int | None:
    """After how many samples a costate pushed forward is off by its own size.

        p_k = ell_x + A_k^T p_{k+1},   A_k = dx_{k+1}/dx_k,   p_K = 0

    backward is the truth; forward, from the exact p_0, p_{k+1} = A_k^-T (p_k - ell_x)
    is the same equation, in which rounding grows as fast as the dynamics contract.
    `samples` are repeated to 512. None: it stays good, or there are too many states.
    """
    x, unravel = ravel_pytree(network.initial_state())
    if x.size > _LARGEST:
        return None
    times = -(-LONGEST // len(samples.target))
    many = jax.tree.map(lambda s: jnp.concatenate([s] * times)[:LONGEST], samples)
    off = np.asarray(_errors(network, unravel, x, many, dt))
    bad = ~(off < 1)  # NaN counts
    return int(np.argmax(bad)) if bad.any() else None


def _errors(network, unravel, x, samples, dt):
    """|forward - backward| / |backward| at every sample."""
    step = lambda x, s: ravel_pytree(network.transition(unravel(x), s.input, dt))[0]
    ell = lambda x, s: running_cost(Cost(), network, unravel(x), s)

    def ahead(x, s):
        A, c = jax.jacrev(step)(x, s), jax.grad(ell)(x, s)
        return step(x, s), (A.astype(x.dtype), c.astype(x.dtype))

    def back(p, now):
        A, c = now
        return c + A.T @ p, p

    def push(p, now):
        A, c = now
        p = jnp.linalg.solve(A.T, p - c)
        return p, p

    @jax.jit
    def run(x, samples):
        _, found = jax.lax.scan(ahead, x, samples)
        start, after = jax.lax.scan(back, jnp.zeros_like(x), found, reverse=True)
        _, pushed = jax.lax.scan(push, start, found)
        size = jnp.linalg.norm(after[:-1], axis=1)
        return jnp.linalg.norm((pushed - after)[:-1], axis=1) / size

    return run(x, samples)
