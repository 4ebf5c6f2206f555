"""A run of oscillators played back: what is left of small pushes is the costate.

With p reversed a symmetric step undoes itself. Three copies go back together: one is
left alone and retraces the run, the others are pushed up and down at every sample,

    p <- p + s eps a^{k-N} k_k,   k_k = d ell_k/dq,   s = 1, 0, -1,   a = e^{-theta dt}

so that (x^+ - x^-)/2 eps is the costate with its two halves exchanged, to O(eps^2):

    dJ/dw   = -dt/2 eps sum_k a^{N-k-1/2} d/dw [V(q'^+_k, c_k) - V(q'^-_k, c_k)]
    dJ/du_k = -dt/2 eps a^{N-k-1/2} d/du [V(q'^+_k, c_k) - V(q'^-_k, c_k)]

with q' the positions halfway. No state of the run is kept and no Jacobian taken. In a
stack dJ/du_k of one layer, through the readout of the layer below, is what that is
pushed by; the upper layer goes back first, and the layers below it retrace with it.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Number, Params, PyTree, Scalar
from ..action.cost import Cost, running_cost
from ..action.trees import added
from ..networks.batch import over_mean, over_streams, single
from ..networks.partition import join
from ..networks.stack import Stack
from .gradient import AbstractMemory, Gradient, mean_over_streams
from .midpoint import no_episodes
from .recording import (
    Recording,
    chosen_epsilon,
    decay_gradient,
    decayed,
    layers_of,
    nothing_yet,
    position_loss,
    positive_or_none,
    require_mantissa,
    states_of,
    with_sample,
)

#: Samples whose credit is taken together: a product of matrices.
BLOCK = 64
_SIGNS = (1.0, 0.0, -1.0)


class Retraced(eqx.Module):
    """dJ/dw; of every stream dJ/dx_0, and the start as the copy that was left alone
    found it."""

    w: Params
    x0: PyTree
    start: PyTree


class Playback(AbstractMemory):
    """Not a single state of oscillators, whose run is played back; to O(eps^2).

    Three copies go back at once, of which one retraces the run and says in `start`
    where it came out: compare it with the true one to see what rounding has done.

    **Arguments:** `epsilon`: how strong the pushes are. None: u^{1/4} rms(p)/|k| with
    u the unit roundoff and |k| the norm of the pushes over the run, close to where the
    error of the difference and its rounding are alike. Where trajectories part, so do
    the copies: a run so long that pushes grow to the size of the states has none.

    Pourcel & Ernoult (2025), "Learning long range dependencies through time reversal
    symmetry breaking" (recurrent Hamiltonian echo learning).
    """

    epsilon: Scalar | None

    def __init__(self, epsilon: Number | None = None):
        self.epsilon = positive_or_none("epsilon", epsilon)

    def check(self, run):
        no_episodes(run, "Playback")
        require_mantissa(run.network, run.length, run.dt)

    def gradient(self, run):
        network, x = run.network, run.x0
        sizes = over_streams(network, partial(nothing_yet, single(network)))(x)

        def forward(carry, now):
            x, sizes, value = carry
            sample, counted = now

            def one(x, sample, sizes):
                inside = single(network)
                sizes = with_sample(sizes, run.cost, inside, x, sample, counted, run.dt)
                return sizes, running_cost(run.cost, inside, x, sample)

            sizes, ell = over_streams(network, one)(x, sample, sizes)
            ell = over_mean(network, ell).astype(value.dtype)
            value = value + (ell if counted is None else counted * ell)
            return (network.transition(x, sample.input, run.dt), sizes, value), None

        start = (x, sizes, run.nothing)
        whole = run.part(0, run.length)
        (end, sizes, value), _ = jax.lax.scan(forward, start, whole)
        record = Recording(x, end, *whole, sizes)
        found = play_back(run.cost, run.w, run.frozen, record, run.dt, self.epsilon)
        x0 = mean_over_streams(network, found.x0)
        return Gradient(found.w, x0, value, found.start)


def play_back(
    cost: Cost, w: Params, frozen: PyTree, recording: Recording, dt: Scalar,
    epsilon: Scalar | None = None,
) -> Retraced:  # fmt: skip
    """The gradient of a recorded run; by w the mean over its streams.

    **Arguments:** `epsilon`: eps, one for all layers; None: chosen for each from the
    sizes of the recording.
    """
    network, sizes = join(w, frozen), recording.sizes
    top = len(layers_of(network)) - 1
    streams = recording.samples.target.shape[1:-1]
    above, pushes, x0, start = None, sizes and sizes.pushes, [], None
    total = decay_gradient(cost, w, frozen, recording)
    for number in range(top, -1, -1):
        if epsilon is None:
            assert sizes is not None
            assert pushes is not None
            eps = chosen_epsilon(sizes, number, pushes)
        else:
            eps = jnp.broadcast_to(jnp.asarray(epsilon, dt.dtype), streams)
        part = _Part(cost, frozen, number, recording, dt, eps)
        g, ended, above = part.back(w, above)
        total, pushes = added(total, g), ended.pushes
        x0.insert(0, part.costate(ended.lanes))
        if number == top:
            start = _retraced(single(network), ended)
    x0 = tuple(x0) if isinstance(single(network), Stack) else x0[0]
    return Retraced(total, x0, start)


class _Going(eqx.Module):
    """On the way back, p reversed: three copies of one layer, one of those below it,
    and the squared pushes of the next one below."""

    lanes: PyTree
    below: tuple[PyTree, ...]
    pushes: Array


class _Heard(eqx.Module):
    """What a sample leaves for the credit: q' up and down, u, q, and its factor."""

    up: Array
    down: Array
    u: Array
    q: Array
    factor: Array


class _Part(eqx.Module):
    """One layer of a recorded run on its way back."""

    cost: Cost
    frozen: PyTree
    number: int = eqx.field(static=True)
    recording: Recording
    dt: Scalar
    eps: Array

    def back(self, w: Params, above: Array | None):
        """(dJ/dw, where it ended, dJ/du of every sample or None).

        **Arguments:** `above`: dJ/du of the layer above, None for the last one.
        """
        network, heard = join(w, self.frozen), self.recording
        length = len(heard.samples.target)
        left = jnp.arange(length, 0, -1, dtype=self.dt.dtype)
        going = over_streams(network, partial(self._begin, single(network)))(heard.end)
        everything = (heard.samples, heard.counted, above, left)
        size = min(BLOCK, length)
        whole = size * (length // size)
        cut = lambda lo, hi: jax.tree.map(lambda leaf: leaf[lo:hi], everything)
        step = lambda carry, block: self._block(w, carry, block)
        carry, slopes = (going, jax.tree.map(jnp.zeros_like, w)), None
        if whole < length:
            carry, slopes = step(carry, cut(whole, length))
        blocks = jax.tree.map(
            lambda leaf: leaf.reshape(whole // size, size, *leaf.shape[1:]),
            cut(0, whole),
        )
        (going, g), found = jax.lax.scan(step, carry, blocks, reverse=True)
        if found is not None:
            found = found.reshape(whole, *found.shape[2:])
            found = found if slopes is None else jnp.concatenate([found, slopes])
        return g, going, found

    def costate(self, lanes: PyTree) -> PyTree:
        """dJ/dx_0 of every stream."""
        network = join({}, self.frozen)
        length = len(self.recording.samples.target)

        def one(lanes, eps):
            layer = layers_of(network)[self.number]
            shrunk = decayed(layer, length, self.dt) / (2 * eps)
            q, p = jax.tree.map(lambda a: shrunk * (a[0] - a[2]), lanes)
            return p, q

        return over_streams(network, one)(lanes, self.eps)

    def _begin(self, network: Any, end: PyTree) -> _Going:
        states = [(q, -p) for q, p in states_of(network, end)]
        three = lambda a: jnp.broadcast_to(a, (3, *a.shape))
        lanes = jax.tree.map(three, states[self.number])
        return _Going(lanes, tuple(states[: self.number]), jnp.zeros((), self.dt.dtype))

    def _block(self, w: Params, carry: tuple[_Going, Params], block: Any):
        """A few samples back, and their credit in one product."""
        going, g = carry
        network = join(w, self.frozen)
        layers = layers_of(network)

        def step(going, now):
            sample, counted, above, left = now
            one = partial(self._step, layers, counted, left)
            return over_streams(network, one)(going, sample, above, self.eps)

        going, (heard, slopes) = jax.lax.scan(step, going, block, reverse=True)

        def J(w: Params) -> Scalar:
            network = join(w, self.frozen)
            layer = layers_of(network)[self.number]
            samples, counted, above, _ = block

            def at(now):
                heard, sample, counted, above = now
                one = partial(self._scalar, layer, counted)
                return over_mean(
                    network, over_streams(network, one)(heard, sample, above)
                )

            return jnp.sum(jax.vmap(at)((heard, samples, counted, above)))

        return (going, added(g, jax.grad(J)(w))), slopes

    def _scalar(self, layer, counted, heard: _Heard, sample, above) -> Scalar:
        """What the weights' derivative of is the credit of a sample."""
        apart = layer.energy(heard.up, heard.u) - layer.energy(heard.down, heard.u)
        return heard.factor * apart + self._read(layer, counted, sample, above, heard.q)

    def _read(self, layer, counted, sample, above, q) -> Scalar:
        """What the position is charged: the loss, or dJ/du of the layer above."""
        if above is None:
            return position_loss(self.cost, layer, q, sample, counted)
        return jnp.sum(above * layer.readout((q, q), sample.input))

    def _step(self, layers, counted, left, going: _Going, sample, above, eps):
        """(the copies one sample earlier, (what is kept of it, dJ/du or None))."""
        layer, below, u = layers[self.number], [], sample.input
        for lower, x in zip(layers, going.below, strict=False):
            x, _ = lower.halfway(x, lower.drive(u), self.dt, -lower.dissipation)
            below.append(x)
            u = lower.readout(x, u)
        move = lambda x: layer.halfway(x, layer.drive(u), self.dt, -layer.dissipation)
        (q, p), halfway = jax.vmap(move)(going.lanes)
        factor = -self.dt / (2 * eps) * decayed(layer, left - 0.5, self.dt)
        heard = _Heard(halfway[0], halfway[2], u, q[1], factor)
        read = partial(self._read, layer, counted, sample, above)
        push = eps * decayed(layer, -left, self.dt) * jax.grad(read)(q[1])
        p = p + jnp.asarray(_SIGNS, p.dtype)[:, None] * push
        slope, pushes = None, going.pushes
        if below:
            E = lambda u: layer.energy(heard.up, u) - layer.energy(heard.down, u)
            slope = factor * jax.grad(E)(u)
            next_one, (q_below, _) = layers[self.number - 1], below[-1]
            found = jax.vjp(lambda q: next_one.readout((q, q), u), q_below)[1](slope)[0]
            grown = decayed(next_one, -2 * left, self.dt)
            pushes = pushes + grown * jnp.mean(found**2)
        return _Going((q, p), tuple(below), pushes), (heard, slope)


def _retraced(network: Any, going: _Going) -> PyTree:
    """The state of the copies that were left alone, of one stream or of all."""
    lanes = jax.tree.map(lambda a: a[..., 1, :], going.lanes)
    states = tuple((q, -p) for q, p in (*going.below, lanes))
    return states if isinstance(network, Stack) else states[0]
