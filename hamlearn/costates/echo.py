"""Costates over a window by playing the window back: exact to O(eps^2), not causal."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Int, Number, PyTree, Scalar
from ..networks.batch import over_streams, single, streams_of
from ..networks.partition import join
from ..signals.signal import Sample
from .base import AbstractWindow
from .playback import play_back
from .recording import (
    Recording,
    Sizes,
    layers_of,
    nothing_yet,
    positive_or_none,
    require_mantissa,
    with_sample,
)


class Heard(eqx.Module):
    """What a window of oscillators heard, and no state but its first and its last.

    `phase`: how many samples since the window began; `carried`: where the last window
    came out when it was played back, less where it began.
    """

    first: PyTree
    last: PyTree
    input: Float[Array, "window *batch inputs"]
    target: Float[Array, "window *batch outputs"]
    weight: Float[Array, "window *batch"]
    phase: Int[Array, ""]
    sizes: Sizes | None
    carried: PyTree


class Echoes(AbstractWindow):
    """The costate of oscillators as the echo of small pushes by the errors.

        (q, p) <- (q_N, -p_N),   then back through the window, for s = 1, 0, -1:
        a step with u_k,   p <- p + s eps a^{k-N} dell_k/dq
        g = -dt/2 eps sum_k a^{N-k-1/2} d/dw [V(q'^+_k, c_k) - V(q'^-_k, c_k)]

    with q' halfway and a = e^{-theta dt}; ell_w and the readout's part beside it. The
    state is played back in place of the costate, by the very steps that made it: no
    state is stored, no Jacobian taken, and the copy with s = 0 comes back to the start
    of the window if rounding permits.

    For a `HamiltonianNetwork`, or a `Stack` of them. The weights rest in a window, and
    an episode begins one anew: samples of one that was not full teach nothing.

    **Arguments:** `window`: in samples; `epsilon`: eps > 0, None: see `Playback`.

    Pourcel & Ernoult (2025), "Learning long range dependencies through time reversal
    symmetry breaking" (recurrent Hamiltonian echo learning).
    """

    window: int = eqx.field(static=True)
    epsilon: Scalar | None

    def __init__(self, window: int, epsilon: Number | None = None):
        _checks.at_least("window", window, 1)
        self.window = window
        self.epsilon = positive_or_none("epsilon", epsilon)

    def prepare(self, network, x, key):
        layers_of(network)

    def check(self, network, dt):
        require_mantissa(network, self.window, dt)

    def start(self, network, x, fixed):
        inside, batch = single(network), streams_of(network)
        dtype = jnp.result_type(*jax.tree.leaves(x))
        u = jnp.zeros((*batch, network.inputs), dtype)
        y = jax.eval_shape(network.readout, x, u)
        zeros = lambda shape: jnp.zeros((self.window, *shape), dtype)
        sizes = over_streams(network, partial(nothing_yet, inside))(x)
        return Heard(
            x, x, zeros(u.shape), zeros(y.shape), zeros(batch),
            jnp.zeros((), jnp.int32), sizes if self.epsilon is None else None,
            jax.tree.map(jnp.zeros_like, x),
        )  # fmt: skip

    def remember(self, past, cost, network, x, sample, dt):
        begun = False if sample.start is None else jnp.any(sample.start > 0)
        phase = jnp.where(begun, 0, past.phase)
        pick = lambda new, old: jnp.where(phase == 0, new, old)
        weight = 1 if sample.weight is None else sample.weight
        put = lambda all, one: jax.lax.dynamic_update_index_in_dim(
            all, jnp.broadcast_to(jnp.asarray(one, all.dtype), all.shape[1:]), phase, 0
        )
        sizes = past.sizes
        if sizes is not None:
            inside = single(network)
            sizes = jax.tree.map(lambda a: pick(jnp.zeros_like(a), a), sizes)
            one = lambda sizes, x, sample: with_sample(
                sizes, cost, inside, x, sample, None, dt
            )
            sizes = over_streams(network, one)(sizes, x, sample)
        return Heard(
            jax.tree.map(pick, x, past.first), x, put(past.input, sample.input),
            put(past.target, sample.target), put(past.weight, weight),
            (phase + 1) % self.window, sizes, past.carried,
        )  # fmt: skip

    def due(self, past):
        return past.phase == 0

    def credit(self, cost, residual, w, frozen, past, dt):
        network = join(w, frozen)
        end = network.transition(past.last, past.input[-1], dt)
        samples = Sample(past.input, past.target, past.weight)
        recording = Recording(past.first, end, samples, None, past.sizes)
        found = play_back(cost, w, frozen, recording, dt, self.epsilon)
        return found.w, jax.tree.map(jnp.subtract, found.start, past.first)

    def told(self, carried: PyTree) -> dict[str, Scalar]:
        """`retrace`: by how much at most the last window missed its start."""
        off = [jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(carried)]
        return {"retrace": jnp.max(jnp.stack(off))}
