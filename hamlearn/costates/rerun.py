"""Costates over a window whose states are run again: less memory, the same gradient."""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float, Int, PyTree, Scalar
from ..action.residual import AbstractResidual, Dynamical
from ..networks.batch import streams_of
from ..signals.signal import Sample
from .base import AbstractWindow
from .gradient import Checkpoints, Run
from .window import number_of_inputs, output_of


class Noted(eqx.Module):
    """The samples of a window and the state that it began with.

    `phase`: how many samples since then; `start`: where an episode begins.
    """

    first: PyTree
    input: Float[Array, "window *batch inputs"]
    target: Float[Array, "window *batch outputs"]
    weight: Float[Array, "window *batch"]
    start: Float[Array, "window *batch"]
    phase: Int[Array, ""]
    carried: None = None


class Rerun(AbstractWindow):
    """The costates of `Adjoint`, along states that are run again from the first.

        x_{k+1} = transition(x_k, w, u_k) for k in the window,   then backward

    The weights rest within a window, so that these are the states that were met. What
    is kept is the samples, the first state and, while the gradient is taken, every
    sqrt(window)-th state: `Checkpoints`. The forward pass is done once more.

    **Arguments:** `window`: in samples; `memory`: what is kept of the second pass;
    `inputs`: how many the network has, where it does not say so itself.
    """

    residual: ClassVar[type[AbstractResidual]] = Dynamical
    window: int = eqx.field(static=True)
    memory: Checkpoints = Checkpoints()
    inputs: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        _checks.at_least("window", self.window, 1)
        _checks.instance("memory", self.memory, Checkpoints)
        if self.inputs is not None:
            _checks.at_least("inputs", self.inputs, 0)

    def prepare(self, network, x, key):
        return None

    def check(self, network, dt):
        return None

    def start(self, network, x, fixed):
        dtype, batch = jnp.result_type(*jax.tree.leaves(x)), streams_of(network)
        inputs = number_of_inputs(network, self.inputs)
        outputs = output_of(network, x, inputs).shape
        numbers = np.prod(batch, dtype=int) * (inputs + np.prod(outputs, dtype=int))
        need = int(self.window * numbers * dtype.itemsize)
        _checks.affordable("window", "a number of samples that memory holds", need)
        zeros = lambda *shape: jnp.zeros((self.window, *batch, *shape), dtype)
        none = jnp.zeros((), jnp.int32)
        return Noted(x, zeros(inputs), zeros(*outputs), zeros(), zeros(), none)

    def remember(self, past, cost, network, x, sample, dt):
        put = lambda all, one: jax.lax.dynamic_update_index_in_dim(
            all,
            jnp.broadcast_to(jnp.asarray(one).astype(all.dtype), all.shape[1:]),
            past.phase,
            0,
        )
        begins = past.phase == 0
        return Noted(
            jax.tree.map(lambda new, old: jnp.where(begins, new, old), x, past.first),
            put(past.input, sample.input),
            put(past.target, sample.target),
            put(past.weight, 1 if sample.weight is None else sample.weight),
            put(past.start, 0 if sample.start is None else sample.start),
            (past.phase + 1) % self.window,
        )

    def due(self, past):
        return past.phase == 0

    def credit(self, cost, residual, w, frozen, past, dt):
        samples = Sample(past.input, past.target, past.weight, start=past.start)
        run = Run(cost, w, frozen, past.first, samples, None, dt)
        return self.memory.gradient(run).w, None

    def told(self, carried: PyTree) -> dict[str, Scalar]:
        """Nothing more."""
        return {}
