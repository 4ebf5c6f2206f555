"""Exact gradients of a whole stream: one function, and what it remembers."""

import math
from abc import abstractmethod
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Number, Numbers, Params, PyTree, Scalar
from ..action.action import Point, credit_over_time
from ..action.cost import Cost, running_cost
from ..action.residual import Dynamical
from ..action.trees import added, anew, scaled
from ..networks.base import Network, NetworkLike
from ..networks.batch import over_mean, over_streams, per_stream, single, streams_of
from ..networks.dynamics import started
from ..networks.partition import join, split
from ..signals.samples import traced
from ..signals.signal import Sample, SamplesLike
from ..signals.streams import check_stream, stream_samples
from .window import pulled_back


class Gradient(eqx.Module):
    """What a stream costs, and its derivatives.

    `w`: by what learns, by name; `x0`: by the start; `value`: the sum of the running
    costs that count; `start`: as `Midpoint` and `Playback` recover it on the way back.
    """

    w: Params
    x0: PyTree
    value: Scalar
    start: PyTree


class Run(eqx.Module):
    """A network with weights `w`, its start, and its stream."""

    cost: Cost
    w: Params
    frozen: PyTree
    x0: PyTree
    samples: Sample
    counted: Float[Array, "time"] | None
    dt: Scalar

    @property
    def network(self) -> Network:
        """The network, of all streams."""
        return join(self.w, self.frozen)

    @property
    def length(self) -> int:
        """Samples."""
        return len(self.samples.target)

    @property
    def nothing(self) -> Scalar:
        """A sum of costs at its start: in half precision it would soon stop growing."""
        wide = self.dt.dtype if self.dt.dtype.itemsize > 2 else jnp.float32
        return jnp.zeros((), wide)

    def part(self, first: int, last: int) -> tuple[Sample, Array | None]:
        """The samples from `first` to before `last`, and how much they count."""
        return jax.tree.map(lambda a: a[first:last], (self.samples, self.counted))


class AbstractMemory(eqx.Module):
    """What is kept of the forward pass for the way back."""

    @abstractmethod
    def check(self, run: Run) -> None:
        """Say what of a run it cannot go back through."""

    @abstractmethod
    def gradient(self, run: Run) -> Gradient:
        """The gradient along the run."""


def exact_gradient(
    cost: Cost,
    network: NetworkLike,
    samples: SamplesLike,
    *,
    dt: Number,
    x0: PyTree = None,
    counted: Float[Numbers, "time"] | None = None,
    memory: AbstractMemory | None = None,
) -> Gradient:
    """The exact gradient of a whole stream, with the weights held.

        J = sum_k m_k ell(x_k, w; sample_k),   x_{k+1} = transition(x_k, w, u_k)
        p_k = m_k ell_x + (dx_{k+1}/dx_k)^T p_{k+1},   p_N = 0
        dJ/dw = sum_k dM_k/dw at lam_k = -dt p_{k+1},   dJ/dx_0 = p_0

    the adjoint method: credit and costates are those of `BPTT`, whose window is the
    stream. dt J is the integral of ell, and dt p_k the costate of Hamiltonian
    learning. Pure; inside `jit`, `vmap` or alone, when it is compiled by itself.

    **Arguments:**

    - `network`: any; a `Batch` is the mean over its streams. A module f(x, u) comes
      with its start `x0`.
    - `samples`: a `Sample` or an (inputs, targets) pair, with time as leading axis.
      Where its `start` is true the state begins anew at `initial_state`.
    - `dt` > 0: time between samples; `x0`: the start, by default the network's own.
    - `counted`: m_k, how much every sample counts, by default 1. With d^k/N the
      gradient is that of the discounted mean, the update of `VLE`.
    - `memory`: `Stored()`, by default; `Checkpoints()`; `Playback()` of oscillators,
      to O(eps^2); `Midpoint()`, which is a discretisation of its own.

    **Returns:** a `Gradient`: `w` by name, `x0`, and `value`, which is J.

    **Raises:** `ValueError` naming the argument that does not fit.

    **Example:**

        >>> import hamlearn as hl, jax, jax.numpy as jnp
        >>> net = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=jax.random.key(0))
        >>> samples = (jnp.zeros((50, 0)), jnp.ones((50, 1)))
        >>> g = hl.exact_gradient(hl.Cost(), net, samples, dt=0.1)
        >>> sorted(g.w)
        ['bias', 'weight']
    """
    _checks.instance("cost", cost, Cost)
    _checks.positive("dt", dt)
    _checks.shape("dt", dt, ())
    memory = Stored() if memory is None else memory
    _checks.instance("memory", memory, AbstractMemory)
    network, x = started(network, x0)
    w, frozen = split(network)
    dtype = jnp.result_type(*jax.tree.leaves(x))
    samples = traced(samples, dtype)
    check_stream(network, x, samples)
    samples = stream_samples(network, samples, time=1)
    length = samples.target.shape[0]
    _checks.at_least("len(samples)", length, 1)
    if counted is not None:
        _checks.shape("counted", counted, (length,))
        counted = jnp.asarray(counted, dtype)
    run = Run(cost, w, frozen, x, samples, counted, jnp.asarray(dt, dtype))
    memory.check(run)
    return _compiled(memory, run)


@eqx.filter_jit
def _compiled(memory: AbstractMemory, run: Run) -> Gradient:
    return memory.gradient(run)


class Stored(AbstractMemory):
    """Every state of one forward pass, O(N); one pass of costates backward."""

    def check(self, run):
        return None

    def gradient(self, run):
        _, states = _forward(run, run.x0, run.samples)
        zero = jax.tree.map(jnp.zeros_like, run.x0)
        p, g, value = _backward(run, zero, states, run.samples, run.counted)
        return Gradient(g, mean_over_streams(run.network, p), value, run.x0)


class Checkpoints(AbstractMemory):
    """Every sqrt(N)-th state, O(sqrt N); what lies between is run twice."""

    def check(self, run):
        return None

    def gradient(self, run):
        size = math.isqrt(run.length)
        whole = size * (run.length // size)
        blocks = jax.tree.map(
            lambda leaf: leaf.reshape(whole // size, size, *leaf.shape[1:]),
            run.part(0, whole),
        )
        ahead = lambda x, block: (_forward(run, x, block[0])[0], x)
        x, starts = jax.lax.scan(ahead, run.x0, blocks)
        zero = jax.tree.map(jnp.zeros_like, (run.x0, run.w))
        total = (*zero, run.nothing)
        if whole < run.length:
            total, _ = self._back(run, total, (x, run.part(whole, run.length)))
        back = lambda total, block: self._back(run, total, block)
        (p, g, value), _ = jax.lax.scan(back, total, (starts, blocks), reverse=True)
        return Gradient(g, mean_over_streams(run.network, p), value, run.x0)

    def _back(self, run, total, block):
        p, g, value = total
        x, (samples, counted) = block
        _, states = _forward(run, x, samples)
        p, *more = _backward(run, p, states, samples, counted)
        return (p, *added((g, value), tuple(more))), None


def _forward(run: Run, x: PyTree, samples: Sample) -> tuple[PyTree, PyTree]:
    """(the state after some samples, the states that they met)."""
    network, fresh = run.network, run.network.initial_state()

    def step(x, sample):
        if sample.start is not None:
            x = anew(sample.start, fresh, x)
        return network.transition(x, sample.input, run.dt), x

    return jax.lax.scan(step, x, samples)


def _backward(
    run: Run, p: PyTree, states: PyTree, samples: Sample, counted: Array | None
) -> tuple[PyTree, Params, Scalar]:
    """(p at the first of some states, dJ/dw, J), given p after them."""
    network, residual = run.network, Dynamical().over(run.dt)
    inside = single(network)
    begins = None if samples.start is None else samples.start > 0
    back = lambda p, x, samples, begins, m=counted: pulled_back(
        run.cost, inside, x, samples, m, begins, run.dt, p
    )
    if streams_of(network):
        back = jax.vmap(back, (0, 1, 1, 1), (0, 1))
    first, after = back(p, states, samples, begins)
    rest, multiplier = jax.tree.map(jnp.zeros_like, states), scaled(-run.dt, after)
    if counted is not None:
        counted = jax.vmap(partial(per_stream, network))(counted)
    points = Point(states, rest, None, multiplier, samples, counted)
    g = credit_over_time(run.cost, residual, run.w, run.frozen, points)
    one = over_streams(network, partial(running_cost, run.cost, inside))
    ell = jax.vmap(one)(states, samples)
    ell = ell if counted is None else counted * ell
    value = jnp.sum(over_mean(network, ell.T), dtype=run.nothing.dtype)
    return first, g, value


def mean_over_streams(network: Network, tree: PyTree) -> PyTree:
    """A derivative of every stream as one of the mean over them."""
    return scaled(1 / math.prod(streams_of(network)), tree)
