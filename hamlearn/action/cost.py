"""The scalars of learning, each written once; every law is derived from them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Loss, Params, PyTree, Scalar
from ..networks.base import AbstractNetwork
from ..networks.partition import split
from ..signals.signal import Sample
from .trees import squared_norm


def squared_error(
    output: Float[Array, "outputs"], target: Float[Array, "outputs"]
) -> Scalar:
    """1/2 |output - target|^2."""
    return jnp.sum((output - target) ** 2) / 2


def cross_entropy(
    output: Float[Array, "outputs"], target: Float[Array, "outputs"]
) -> Scalar:
    """- sum_k target_k log softmax(output)_k, for targets that sum to one."""
    return -jnp.sum(target * jax.nn.log_softmax(output))


class Cost(eqx.Module):
    """What learning costs: ell = q loss(output, target) + r_w/2 |w|^2, r/2 |dw/dt|^2.

    **Arguments:**

    - `loss`: of one output vector and one target vector; a batch is averaged.
    - `accuracy`: q >= 0, how much the loss weighs.
    - `weight_decay`: r_w >= 0.
    - `inertia`: r > 0, what a change of the weights costs; 1/r acts as a step size.
    - `dissipation`: theta, in 1/time: the action carries the factor e^{theta t}.
    """

    accuracy: Scalar
    weight_decay: Scalar | float
    inertia: Scalar
    dissipation: Scalar
    loss: Loss = eqx.field(static=True)

    def __init__(
        self,
        *,
        loss: Loss = squared_error,
        accuracy: Any = 1.0,
        weight_decay: Any = 0.0,
        inertia: Any = 1.0,
        dissipation: Any = 0.0,
    ):
        if not callable(loss):
            _checks.reject("loss", "a function of output and target", loss)
        _checks.non_negative("accuracy", accuracy)
        _checks.non_negative("weight_decay", weight_decay)
        _checks.positive("inertia", inertia)
        _checks.non_negative("dissipation", dissipation)
        self.loss = loss
        self.accuracy = jnp.asarray(accuracy)
        # No decay stays a Python zero, which a compiled program knows to leave out.
        none = isinstance(weight_decay, int | float) and weight_decay == 0
        self.weight_decay = 0.0 if none else jnp.asarray(weight_decay)
        self.inertia = jnp.asarray(inertia)
        self.dissipation = jnp.asarray(dissipation)


def output_loss(
    cost: Cost, output: Float[Array, "*batch outputs"], sample: Sample
) -> Scalar:
    """loss(output, target), times the weight of the sample, averaged over a batch."""
    loss = cost.loss
    for _ in range(output.ndim - 1):
        loss = jax.vmap(loss)
    losses = loss(output, sample.target)
    return jnp.mean(losses if sample.weight is None else sample.weight * losses)


def running_cost(
    cost: Cost, network: AbstractNetwork, x: PyTree, sample: Sample
) -> Scalar:
    """ell(x, w) = q loss(h(x, u), y) + r_w/2 |w|^2."""
    loss = output_loss(cost, network.readout(x, sample.input), sample)
    return cost.accuracy * loss + decay_cost(cost, split(network)[0])


def decay_cost(cost: Cost, w: Params) -> Scalar | float:
    """r_w/2 |w|^2, without looking at w where there is no decay."""
    if isinstance(cost.weight_decay, float) and cost.weight_decay == 0:
        return 0.0
    return cost.weight_decay / 2 * squared_norm(w)
