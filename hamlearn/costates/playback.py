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

from .._types import Array, Float, Number, Params, PyTree, Scalar
from ..action.cost import Cost, running_cost
from ..action.trees import added
from ..networks.batch import over_mean, over_streams, single, streams_of
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
    with_block,
)
from .sweep import in_blocks, swept


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

    **Arguments:** `epsilon`: how strong the pushes are. None: 6.5 (u/a^N)^{1/3}, at
    most .1, times rms(p)/|k|, with u the unit roundoff and |k| the norm of the pushes:
    where error, eps^2, and rounding, u/eps, are least together over 100 samples. Where
    trajectories part, so do the copies, and a long run has no such eps.

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
        network, inside = run.network, single(run.network)
        sizes = over_streams(network, partial(nothing_yet, inside))(run.x0)
        ell = partial(running_cost, run.cost, inside)

        def ahead(carry, block):
            x, sizes, value = carry
            samples, counted = block

            def one(x, samples, sizes):
                layers, states = layers_of(inside), states_of(inside, x)
                after, _, met = swept(layers, states, samples.input, run.dt, back=False)
                sizes = with_block(
                    sizes, run.cost, layers, met, samples, counted, run.dt
                )
                met, after = (
                    a if isinstance(inside, Stack) else a[0] for a in (met, after)
                )
                return after, sizes, jax.vmap(ell)(met, samples)

            if streams_of(network):
                one = jax.vmap(one, (0, 1, 0), (0, 0, 1))
            x, sizes, each = one(x, samples, sizes)
            each = over_mean(network, each.T)
            each = each if counted is None else counted * each
            return (x, sizes, value + jnp.sum(each, dtype=value.dtype)), None

        whole = run.part(0, run.length)
        (end, sizes, value), _ = in_blocks(ahead, (run.x0, sizes, run.nothing), whole)
        record = Recording(run.x0, end, *whole, sizes)
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
            eps = chosen_epsilon(sizes, network, number, pushes, dt)
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
    """On the way back, p reversed: two copies of one layer, pushed up and down; one of
    it and of those below, left alone; and the squared pushes of the next one below."""

    lanes: PyTree
    alone: tuple[PyTree, ...]
    pushes: Array


class _Heard(eqx.Module):
    """What a sample leaves for the credit: q' up and down, u, q, and its factor."""

    halfway: Float[Array, "*time_batch 2 neurons"]
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
        carry = going, jax.tree.map(jnp.zeros_like, w)
        step = lambda carry, block: self._block(w, carry, block)
        (going, g), found = in_blocks(step, carry, everything, reverse=True)
        return g, going, found

    def costate(self, lanes: PyTree) -> PyTree:
        """dJ/dx_0 of every stream."""
        network = join({}, self.frozen)
        length = len(self.recording.samples.target)

        def one(lanes, eps):
            layer = layers_of(network)[self.number]
            shrunk = decayed(layer, length, self.dt) / (2 * eps)
            q, p = jax.tree.map(lambda a: shrunk * (a[0] - a[1]), lanes)
            return p, q

        return over_streams(network, one)(lanes, self.eps)

    def _begin(self, network: Any, end: PyTree) -> _Going:
        states = [(q, -p) for q, p in states_of(network, end)]
        two = lambda a: jnp.broadcast_to(a, (2, *a.shape))
        lanes = jax.tree.map(two, states[self.number])
        alone = tuple(states[: self.number + 1])
        return _Going(lanes, alone, jnp.zeros((), self.dt.dtype))

    def _block(self, w: Params, carry: tuple[_Going, Params], block: Any):
        """A few samples back, and their credit in one product."""
        going, g = carry
        network = join(w, self.frozen)
        samples, counted, above, left = block
        layers = layers_of(network)
        one = partial(self._played, layers, counted, left)
        if streams_of(network):
            over = None if above is None else 1
            one = jax.vmap(one, (0, 1, over, 0), (0, 1, 1))
        going, heard, slopes = one(going, samples, above, self.eps)

        def J(w: Params) -> Scalar:
            network = join(w, self.frozen)
            layer = layers_of(network)[self.number]

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
        apart = _apart(layer, heard.halfway, heard.u)
        return heard.factor * apart + self._read(layer, counted, sample, above, heard.q)

    def _read(self, layer, counted, sample, above, q) -> Scalar:
        """What the position is charged: the loss, or dJ/du of the layer above."""
        if above is None:
            return position_loss(self.cost, layer, q, sample, counted)
        return jnp.sum(above * layer.readout((q, q), sample.input))

    def _played(self, layers, counted, left, going: _Going, samples, above, eps):
        """(where the copies are, what is kept of every sample, dJ/du or None).

        First those that nobody pushes, then the pushes of all samples together, and
        then those that are pushed: what one sample after the other costs is a step of
        the oscillators, and no more.
        """
        layer, dt = layers[self.number], self.dt
        part = layers[: self.number + 1]
        alone, every_u, met = swept(part, going.alone, samples.input, dt, back=True)
        u, (q, _) = every_u[-1], met[-1]
        read = partial(self._read, layer)
        each = jax.vmap(jax.grad(read, argnums=3))(counted, samples, above, q)
        pushes = eps * _times(decayed(layer, -left, dt), each)
        move = jax.vmap(
            lambda x, c: layer.halfway(x, c, dt, -layer.dissipation), (0, None)
        )

        def step(x, now):
            c, push = now
            (q, p), halfway = move(x, c)
            return (q, p + jnp.stack([push, -push])), halfway

        drives = jax.vmap(layer.drive)(u)
        lanes, halfway = jax.lax.scan(step, going.lanes, (drives, pushes), reverse=True)
        factor = -dt / (2 * eps) * decayed(layer, left - 0.5, dt)
        heard = _Heard(halfway, u, q, jnp.broadcast_to(factor, left.shape))
        if self.number == 0:
            return _Going(lanes, alone, going.pushes), heard, None
        slope = jax.vmap(jax.grad(partial(_apart, layer), argnums=1))(halfway, u)
        slope = heard.factor[:, None] * slope
        below, u_below, (q_below, _) = layers[self.number - 1], every_u[-2], met[-2]
        send = lambda q, u, slope: jnp.sum(slope * below.readout((q, q), u))
        found = jax.vmap(jax.grad(send))(q_below, u_below, slope)
        grown = decayed(below, -2 * left, dt) * jnp.mean(found**2, axis=1)
        return _Going(lanes, alone, going.pushes + jnp.sum(grown)), heard, slope


def _apart(layer: Any, halfway: Array, u: Array) -> Scalar:
    """V of the copy pushed up less V of the one pushed down."""
    return layer.energy(halfway[0], u) - layer.energy(halfway[1], u)


def _times(factor: Any, rows: Array) -> Array:
    """A factor of every sample, or 1.0, times its row."""
    return rows if isinstance(factor, float) else factor[:, None] * rows


def _retraced(network: Any, going: _Going) -> PyTree:
    """The state of the copies that were left alone, of one stream or of all."""
    states = tuple((q, -p) for q, p in going.alone)
    return states if isinstance(network, Stack) else states[0]
