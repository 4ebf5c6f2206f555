"""Costates over a window of past samples: the adjoint, exact and not causal."""

from abc import abstractmethod
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from equinox.internal import hashable_combine, hashable_partition
from jaxtyping import Bool

from .. import _checks
from .._types import Array, Float, Int, Number, Params, PyTree, Scalar
from ..action.action import Point, credit_over_time
from ..action.cost import Cost, running_cost
from ..action.residual import AbstractResidual
from ..action.trees import added, scaled
from ..networks.base import AbstractNetwork, Network
from ..networks.batch import first_stream, single, streams_of
from ..networks.partition import join
from ..signals.signal import Sample
from .base import AbstractWindow
from .transposed import transposed


class Past(eqx.Module):
    """The last samples and the states they met, in a ring.

    `place`: where the next one goes; `phase`: how many since the last update; `seen`:
    how many there are, at most the length of the ring; `carried`: what is known of the
    time before the window, None where nothing is.
    """

    x: PyTree
    input: Float[Array, "*past inputs"]
    target: Float[Array, "*past outputs"]
    weight: Float[Array, "*past"]
    start: Bool[Array, "*past"]
    place: Int[Array, ""]
    phase: Int[Array, ""]
    seen: Int[Array, ""]
    carried: PyTree = None


class AbstractPast(AbstractWindow):
    """Credit from the last `window + overlap` samples, whose states are remembered."""

    overlap: eqx.AbstractVar[int]
    inputs: eqx.AbstractVar[int | None]

    @abstractmethod
    def carried(self, network: AbstractNetwork, x: PyTree) -> PyTree:
        """What is known of the time before the window, at the start of the stream."""

    def check(self, network: Network, dt: Number) -> None:
        """Any network and any step will do."""

    def told(self, carried: PyTree) -> dict[str, Scalar]:
        """Nothing more."""
        return {}

    @property
    def length(self) -> int:
        """How many samples are remembered."""
        return self.window + self.overlap

    def start(self, network: AbstractNetwork, x: PyTree, fixed: PyTree) -> Past:
        """An empty past; takes the network of all streams."""
        dtype = jnp.result_type(*jax.tree.leaves(x))
        inputs = number_of_inputs(network, self.inputs)
        batch, y = streams_of(network), output_of(network, x, inputs)
        states = sum(leaf.size for leaf in jax.tree.leaves(x))
        numbers = states + np.prod(batch, dtype=int) * (inputs + y.size)
        need = int(self.length * numbers * dtype.itemsize)
        _checks.affordable("window", "a number of samples that memory holds", need)
        zeros = lambda *shape: jnp.zeros((self.length, *batch, *shape), dtype)
        past_x = jax.tree.map(
            lambda leaf: jnp.zeros((self.length, *leaf.shape), leaf.dtype), x
        )
        none = jnp.zeros((), jnp.int32)
        return Past(
            past_x,
            zeros(inputs),
            zeros(*y.shape),
            zeros(),
            zeros().astype(bool),
            none,
            none,
            none,
            self.carried(network, x),
        )

    def remember(
        self, past: Past, cost: Cost, network: AbstractNetwork, x: PyTree,
        sample: Sample, dt: Scalar,
    ) -> Past:  # fmt: skip
        """The past with one more sample."""
        shape, dtype = past.weight.shape[1:], past.weight.dtype
        full = lambda value, default: jnp.broadcast_to(
            jnp.asarray(default if value is None else value, dtype), shape
        )
        now = (x, sample.input, sample.target)
        now = (*now, full(sample.weight, 1), full(sample.start, 0))
        old = (past.x, past.input, past.target, past.weight, past.start)
        put = lambda all, one: jax.lax.dynamic_update_index_in_dim(
            all, jnp.asarray(one).astype(all.dtype), past.place, 0
        )
        place = (past.place + 1) % self.length
        phase = (past.phase + 1) % self.window
        seen = jnp.minimum(past.seen + 1, self.length)
        x, u, y, weight, start = jax.tree.map(put, old, now)
        return Past(x, u, y, weight, start, place, phase, seen, past.carried)

    def due(self, past: Past) -> Bool[Array, ""] | bool:
        """Whether the weights move now."""
        return past.phase == 0

    def in_order(self, past: Past) -> tuple[PyTree, Sample, Array, Array]:
        """(states met, samples, where episodes begin, ages), oldest first."""
        age = jnp.arange(self.length, 0, -1, dtype=jnp.int32)
        order = (past.place - age) % self.length
        x, u, y, weight, start = jax.tree.map(
            lambda leaf: leaf[order],
            (past.x, past.input, past.target, past.weight, past.start),
        )
        return x, Sample(u, y, weight), start, age


class AbstractAdjoint(AbstractPast):
    """A window whose costates are found backward, from none after its last sample."""

    @abstractmethod
    def adjoint(
        self, cost: Cost, network: Network, x: PyTree, samples: Sample,
        counted: Float[Array, "time"], begins: Array | None, dt: Scalar,
    ) -> tuple[PyTree, PyTree, Float[Array, "time"]]:  # fmt: skip
        """(v, lam, how much ell counts) at every sample of one stream's past.

        **Arguments:** `x`: the states met; `counted`: 1 where a sample belongs to the
        window, 0 where it is older; `begins`: where an episode does.
        """

    def carried(self, network: AbstractNetwork, x: PyTree) -> None:
        """Nothing: what came before the window is forgotten."""
        return None

    def credit(
        self, cost: Cost, residual: AbstractResidual, w: Params, frozen: PyTree,
        past: Past, dt: Scalar,
    ) -> tuple[Params, None]:  # fmt: skip
        """(the sum of dM/dw over the window, None)."""
        network = join(w, frozen)
        x, samples, start, age = self.in_order(past)
        known = age <= past.seen
        counted = (known & (age <= self.window)).astype(past.weight.dtype)
        begins = start | (age >= past.seen).reshape(-1, *[1] * (start.ndim - 1))
        inside = single(network)
        one = lambda x, sample, begins: self.adjoint(
            cost, inside, x, sample, counted, begins, dt
        )
        if inside is network:
            v, multiplier, much = one(x, samples, begins)
        else:
            v, multiplier, much = jax.vmap(one, 1, 1)(x, samples, begins)
        points = Point(x, v, None, multiplier, samples, much)
        return credit_over_time(cost, residual, w, frozen, points), None


class Adjoint(AbstractAdjoint):
    """The exact costates of the discretised dynamics, backward through the window.

        p_k = m_k ell_x(x_k) + (dx_{k+1}/dx_k)^T p_{k+1},   p = 0 after the last sample
        lam_k = -dt p_{k+1}

    with m_k = 1 within the window and 0 before it, along the states that were met:
    one backward pass, no state is run again.

    **Arguments:** `window`, `overlap`: in samples; `inputs`: how many the network has,
    where it does not say so itself.

    Williams & Peng (1990), "An efficient gradient-based algorithm for on-line
    training of recurrent network trajectories".
    """

    window: int = eqx.field(static=True)
    overlap: int = eqx.field(static=True, default=0)
    inputs: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        _checks.at_least("window", self.window, 1)
        _checks.at_least("overlap", self.overlap, 0)
        if self.inputs is not None:
            _checks.at_least("inputs", self.inputs, 0)

    def prepare(self, network, x, key):
        return None

    def adjoint(self, cost, network, x, samples, counted, begins, dt):
        _, p = pulled_back(cost, network, x, samples, counted, begins, dt)
        v = jax.tree.map(jnp.zeros_like, x)
        return v, scaled(-dt, p), counted


def output_of(network: AbstractNetwork, x: PyTree, inputs: int) -> Any:
    """Shape and type of the output of one stream."""
    inside, one = single(network), first_stream(network, x)
    u = jax.ShapeDtypeStruct((inputs,), jnp.result_type(*jax.tree.leaves(x)))
    return _answer.eval_shape(*hashable_partition(inside, eqx.is_array), one, u)


@partial(jax.jit, static_argnums=1)
def _answer(arrays: Any, static: Any, x: PyTree, u: Float[Array, "inputs"]):
    """The output; only its shape is asked for, which JAX remembers."""
    return hashable_combine(arrays, static).readout(x, u)


def pulled_back(
    cost: Cost,
    network: AbstractNetwork,
    x: PyTree,
    samples: Sample,
    counted: Float[Array, "time"] | None,
    begins: Any,
    dt: Scalar,
    after: PyTree = None,
) -> tuple[PyTree, PyTree]:
    """(p at the first state, p_{k+1} for every k), from the states met.

    **Arguments:** `counted`: how much every sample does, None: fully; `begins`: where
    an episode does, None: nowhere; `after`: p after the last sample, by default 0.
    """

    ell = lambda x, sample: running_cost(cost, network, x, sample)
    ell_x = jax.vmap(jax.grad(ell))(x, samples)
    if counted is not None:
        ell_x = jax.vmap(scaled)(counted, ell_x)
    through, each = transposed(network, x, samples, dt)

    def back(p, now):
        ell_x, this, begin = now
        here = added(ell_x, through(this, p))
        if begin is not None:
            here = jax.tree.map(lambda a: jnp.where(begin, 0, a), here)
        return here, p

    if after is None:
        after = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), x)
    return jax.lax.scan(back, after, (ell_x, each, begins), reverse=True)


def number_of_inputs(network: AbstractNetwork, given: int | None = None) -> int:
    """How many inputs a network hears: as it says itself, or as `given`.

    **Raises:** `ValueError` where neither does.
    """
    said = network.inputs
    if said is None:
        said = given
    if said is None:
        wanted = "given: the network does not say how many it hears"
        _checks.reject("inputs", wanted, None)
    return said
