"""Backpropagation through time: exact for the discretised dynamics, not causal."""

import math
from abc import abstractmethod
from dataclasses import KW_ONLY
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._types import Array, Float, Int, Params, PyTree, Scalar
from ..action.cost import Cost, output_loss, running_cost
from ..networks.base import AbstractNetwork
from ..networks.batch import Batch
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ..signals.signal import Sample
from ._base import AbstractRule, descend
from ._online import (
    OnlineInfo,
    checked_cost,
    checked_optimizer,
    number_of_inputs,
    transition,
)


class AbstractScan(eqx.Module):
    """How a scan remembers what its gradient needs."""

    @abstractmethod
    def __call__(self, body: Any, carry: PyTree, xs: PyTree) -> tuple[PyTree, PyTree]:
        """As `jax.lax.scan(body, carry, xs)`."""


class StoreAll(AbstractScan):
    """Keep every step: memory O(T)."""

    def __call__(self, body, carry, xs):
        return jax.lax.scan(body, carry, xs)


class SqrtCheckpoints(AbstractScan):
    """Keep every sqrt(T)-th state and run the steps between twice: memory O(sqrt T)."""

    def __call__(self, body, carry, xs):
        length = jax.tree.leaves(xs)[0].shape[0]
        size = math.isqrt(length)
        whole = size * (length // size)
        part = lambda lo, hi: jax.tree.map(lambda leaf: leaf[lo:hi], xs)
        blocks = jax.tree.map(
            lambda leaf: leaf.reshape(-1, size, *leaf.shape[1:]), part(0, whole)
        )
        inner = jax.checkpoint(lambda carry, xs: jax.lax.scan(body, carry, xs))
        carry, ys = jax.lax.scan(inner, carry, blocks)
        ys = jax.tree.map(lambda leaf: leaf.reshape(whole, *leaf.shape[2:]), ys)
        if whole == length:
            return carry, ys
        carry, rest = inner(carry, part(whole, length))
        return carry, jax.tree.map(lambda *y: jnp.concatenate(y), ys, rest)


def stream_gradient(
    cost: Cost,
    network: AbstractNetwork,
    samples: Sample,
    *,
    dt: Any,
    x0: PyTree = None,
    counted: Float[Array, "time"] | None = None,
    memory: AbstractScan = StoreAll(),  # noqa: B008
) -> tuple[Params, Scalar]:
    """The exact gradient of a whole stream, with the weights held.

        g = d/dw sum_k m_k ell(x_k, w),   x_{k+1} = x_k + dt f(x_k, w, u_k)

    **Arguments:** `samples`: with time as leading axis; `x0`: the start, by default
    the network's own; `counted`: m_k, which samples count (default all);
    `memory`: how the scan remembers.

    **Returns:** (g by name, the sum).
    """
    network = as_network(network, x0)
    x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
    w, frozen = split(network)
    m = None if counted is None else jnp.asarray(counted)
    dt = jnp.asarray(dt, jnp.result_type(*jax.tree.leaves(x)))
    return _gradient(cost, w, frozen, x, samples, m, dt, memory)


@eqx.filter_jit
def _gradient(cost, w, frozen, x, samples, m, dt, memory):
    total = lambda w: _total(cost, w, frozen, x, samples, m, None, dt, memory)
    value, g = jax.value_and_grad(total)(w)
    return g, value


def _total(cost, w, frozen, x, samples, counted, moves, dt, memory):
    """sum_k m_k ell(x_k, w) over samples; x stays where `moves` is False.

    None counts, or moves, all. The sum is carried: kept one by one, the losses of a
    long stream would take more than the checkpoints do.
    """
    network = join(w, frozen)

    def body(carry, now):
        (x, total), (sample, m, goes) = carry, now
        ell = running_cost(cost, network, x, sample)
        after = transition(network, x, sample, dt)
        if goes is not None:
            after = jax.tree.map(lambda a, b: jnp.where(goes, a, b), after, x)
        part = ell if m is None else m.astype(ell.dtype) * ell
        return (after, total + part.astype(total.dtype)), None

    first = jax.tree.map(lambda leaf: leaf[0], samples)
    one = eqx.filter_eval_shape(running_cost, cost, network, x, first)
    # A sum in half precision would stop growing after some hundred samples.
    wide = one.dtype if one.dtype.itemsize > 2 else jnp.float32
    start = x, jnp.zeros((), wide)
    (_, total), _ = memory(body, start, (samples, counted, moves))
    return total.astype(one.dtype)


class Past(eqx.Module):
    """The last samples and the states they met, in a ring."""

    x: PyTree
    input: Float[Array, "*past inputs"]
    target: Float[Array, "*past outputs"]
    weight: Float[Array, "*past"]


class BPTTState(eqx.Module):
    """State, weights, and the last `window + overlap` states and samples."""

    x: PyTree
    w: Params
    memory: PyTree
    past: Past
    count: Int[Array, ""]
    frozen: PyTree

    @property
    def network(self) -> Any:
        """The network with its present weights."""
        return join(self.w, self.frozen)


class BPTT(AbstractRule):
    """Truncated backpropagation through time, one update every `window` samples.

        g = d/dw sum over the last `window` samples of ell(x_k, w)

    with the states run again, under the present weights, from `window + overlap`
    samples ago. A window as long as the stream is full BPTT; `window=1` with overlap
    T - 1 is an update a sample with T steps of credit. The state has a fixed size,
    O(window + overlap).

    **Arguments:** `cost`: what is minimised; `optimizer`: any of optax's, by default
    SGD at a rate of 0.01; `window`, `overlap`: in samples; `memory`: `StoreAll()` or
    `SqrtCheckpoints()`; `inputs`: how many the network has, where it does not say
    so itself.

    Williams & Peng (1990), "An efficient gradient-based algorithm for on-line
    training of recurrent network trajectories".
    """

    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    _: KW_ONLY
    window: int = eqx.field(static=True)
    overlap: int = eqx.field(static=True, default=0)
    memory: AbstractScan = StoreAll()
    inputs: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        _checks.at_least("window", self.window, 1)
        _checks.at_least("overlap", self.overlap, 0)
        _checks.instance("memory", self.memory, AbstractScan)

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> BPTTState:
        network = as_network(network, x0)
        x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
        w, frozen = split(network)
        past = self._empty(network, x)
        count = jnp.zeros((), jnp.int32)
        return BPTTState(x, w, self.optimizer.init(w), past, count, frozen)

    def step(self, state: BPTTState, sample: Sample, dt: Scalar):
        network = state.network
        output = network.readout(state.x, sample.input)
        info = OnlineInfo(output, output_loss(self.cost, output, sample))
        past = _remember(state.past, state.count % self.length, state.x, sample)
        x, count = transition(network, state.x, sample, dt), state.count + 1
        learn = lambda w, memory: self._learn(w, memory, state.frozen, past, count, dt)
        stay = lambda w, memory: (w, memory)
        due = count % self.window == 0
        w, memory = jax.lax.cond(due, learn, stay, state.w, state.memory)
        # The counter stays small for ever, and keeps its place in ring and window.
        turn = math.lcm(self.length, self.window)
        count = jnp.where(count >= 2 * turn, count - turn, count)
        return BPTTState(x, w, memory, past, count, state.frozen), info

    @property
    def length(self) -> int:
        """How many samples are remembered."""
        return self.window + self.overlap

    def _learn(self, w, memory, frozen, past, count, dt):
        order = (count + jnp.arange(self.length, dtype=jnp.int32)) % self.length
        past = jax.tree.map(lambda leaf: leaf[order], past)
        age = jnp.arange(self.length, 0, -1, dtype=jnp.int32)
        x = jax.tree.map(lambda leaf: leaf[0], past.x)
        samples = Sample(past.input, past.target, past.weight)
        counted = (age <= self.window).astype(past.target.dtype)
        g = jax.grad(_total, argnums=1)(
            self.cost, w, frozen, x, samples, counted, age <= count, dt, self.memory
        )
        return descend(self.optimizer, g, memory, w)

    def _empty(self, network: AbstractNetwork, x: PyTree) -> Past:
        inputs, batch = number_of_inputs(network, self.inputs), ()
        if isinstance(network, Batch):
            batch = (network.size,)
        dtype = jnp.result_type(*jax.tree.leaves(x))
        u = jnp.zeros((*batch, inputs), dtype)
        y = eqx.filter_eval_shape(network.readout, x, u)
        zeros = lambda shape: jnp.zeros((self.length, *shape), dtype)
        past_x = jax.tree.map(lambda leaf: jnp.stack([leaf] * self.length), x)
        return Past(past_x, zeros(u.shape), zeros(y.shape), zeros(batch))


def _remember(past: Past, place: Array, x: PyTree, sample: Sample) -> Past:
    weight = jnp.ones(()) if sample.weight is None else sample.weight
    weight = jnp.broadcast_to(weight, past.weight.shape[1:])
    now = Past(x, sample.input, sample.target, weight)
    return jax.tree.map(
        lambda all, one: jax.lax.dynamic_update_index_in_dim(
            all, jnp.asarray(one).astype(all.dtype), place, 0
        ),
        past,
        now,
    )
