"""The controls of every comparison: the recurrence left as drawn, and no trace."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from .. import _checks
from .._types import Loss, Number
from ..action.cost import Cost, squared_error
from ..laws.bptt import BPTT, SlidingBPTT
from ..laws.law import Law
from ..networks.base import AbstractNetwork
from ..run.stream import stream
from ..signals.signal import Sample


def frozen_recurrence(
    network: AbstractNetwork,
    samples: Sample,
    *,
    dt: Number,
    loss: Loss = squared_error,
    optimizer: optax.GradientTransformation | None = None,
    prefix: str = "readout_map",
) -> float:
    """The loss with the recurrence frozen and only the readout learned online.

    The mean over the last tenth of the stream, over what is asked there, by gradient
    descent at every sample. What a law must beat for its credit to the recurrence to be
    worth anything.

    **Arguments:** `optimizer`: of the readout, by default SGD at a rate of 0.03;
    `prefix`: as for `readout_only`.
    """
    _checks.instance("samples", samples, Sample)
    learns = optax.sgd(0.03) if optimizer is None else optimizer
    law = BPTT(Cost(loss=loss), readout_only(learns, prefix=prefix), window=1)
    return _last_tenth(law, network, samples, dt)


def immediate_derivative(
    network: AbstractNetwork,
    samples: Sample,
    *,
    dt: Number,
    loss: Loss = squared_error,
    optimizer: optax.GradientTransformation | None = None,
) -> float:
    """The loss with credit that reaches one step back and no further.

        g_k = ell_w + ell_x(x_k) df(x_{k-1}, u_{k-1})/dw   at fixed x_{k-1}

    The mean over the last tenth of the stream. Where a trace is claimed to help, it
    must beat this with the best step size of both.

    **Arguments:** `optimizer`: by default RMSprop at a rate of 1e-3, without which
    this control is weaker than it need be.
    """
    _checks.instance("samples", samples, Sample)
    learns = optax.rmsprop(1e-3) if optimizer is None else optimizer
    law = SlidingBPTT(Cost(loss=loss), learns, window=2)
    return _last_tenth(law, network, samples, dt)


def readout_only(
    optimizer: optax.GradientTransformation, *, prefix: str = "readout_map"
) -> optax.GradientTransformation:
    """`optimizer` for the readout alone: the recurrence stays frozen.

    Give it to any law that takes an optimizer, for the control that says what learning
    the recurrence is worth.

    **Arguments:** `prefix`: what the names of the weights that learn begin with.
    """

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        change: Any
        change, state = optimizer.update(updates, state, params)
        frozen = {
            name: leaf if name.startswith(prefix) else jnp.zeros_like(leaf)
            for name, leaf in change.items()
        }
        return frozen, state

    return optax.GradientTransformation(optimizer.init, update)


def _last_tenth(law: Law, network: AbstractNetwork, samples: Sample, dt: Any) -> float:
    """The mean loss over the last tenth of a stream, over what is asked there."""
    losses = stream(law, network, samples, dt=dt).loss
    end = slice(-max(1, len(losses) // 10), None)
    weight = np.ones(len(losses)) if samples.weight is None else samples.weight
    return float(np.sum(losses[end]) / np.sum(np.asarray(weight)[end]))
