"""What learning costs."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer

from .. import _checks
from .._types import Array, Float, Loss, Number, PyTree, Scalar
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
    """The running cost ell = q loss(output, target) + r_w/2 |w|^2.

    What a change of the weights costs is not here: it belongs to how they move, see
    `hl.updates.Inertia`.

    **Arguments:**

    - `loss`: of one output vector and one target vector; a batch is averaged.
    - `loss_weight`: q >= 0, how much the loss weighs (the accuracy of Betti & Gori).
    - `weight_decay`: r_w >= 0.
    """

    loss_weight: Scalar
    weight_decay: Scalar | float
    loss: Loss = eqx.field(static=True)

    def __init__(
        self,
        *,
        loss: Loss = squared_error,
        loss_weight: Number = 1.0,
        weight_decay: Number = 0.0,
    ):
        _checks.function("loss", loss, "output and target", 2)
        _checks.non_negative("loss_weight", loss_weight)
        _checks.non_negative("weight_decay", weight_decay)
        self.loss = loss
        self.loss_weight = as_number(loss_weight)
        # No decay stays a Python zero, which a compiled program knows to leave out.
        none = isinstance(weight_decay, int | float) and weight_decay == 0
        self.weight_decay = 0.0 if none else as_number(weight_decay)


def as_number(value: Any) -> Float[Array, "..."]:
    """`value` in JAX's float: 3, 3.0 and np.float64(3) are one program."""
    if isinstance(value, Tracer):
        return value
    value = jnp.asarray(value)
    floating = jnp.issubdtype(value.dtype, jnp.inexact)
    return jnp.asarray(value, None if floating and value.ndim else float)


def output_loss(
    cost: Cost, output: Float[Array, "*batch outputs"], sample: Sample
) -> Scalar:
    """loss(output, target), times the weight of the sample, averaged over a batch.

    **Raises:** `ValueError` for a loss that is not one real number, such as a vector of
    one number per output, which would be averaged without a word.
    """
    loss = cost.loss
    for _ in range(output.ndim - 1):
        loss = jax.vmap(loss)
    losses = loss(output, sample.target)
    if jnp.shape(losses) != output.shape[:-1] or jnp.iscomplexobj(losses):
        kind = "complex" if jnp.iscomplexobj(losses) else "real"
        got = (
            f"returning {kind} numbers of shape {jnp.shape(losses)[output.ndim - 1 :]}"
        )
        wanted = "returning one real number, such as the sum over all outputs"
        _checks.reject("loss", wanted, got)
    return jnp.mean(losses if sample.weight is None else sample.weight * losses)


def cost_of_output(
    cost: Cost,
    network: AbstractNetwork,
    output: Float[Array, "*batch outputs"],
    sample: Sample,
) -> Scalar:
    """ell = q loss(output, y) + r_w/2 |w|^2."""
    q = cost.loss_weight.astype(output.dtype)
    return q * output_loss(cost, output, sample) + decay_cost(cost, network)


def running_cost(
    cost: Cost, network: AbstractNetwork, x: PyTree, sample: Sample
) -> Scalar:
    """ell(x, w) = q loss(h(x, u), y) + r_w/2 |w|^2."""
    return cost_of_output(cost, network, network.readout(x, sample.input), sample)


def decay_cost(cost: Cost, network: AbstractNetwork) -> Scalar | float:
    """r_w/2 |w|^2, without looking at w where there is no decay."""
    if isinstance(cost.weight_decay, float) and cost.weight_decay == 0:
        return 0.0
    size = squared_norm(split(network)[0])
    return jnp.asarray(cost.weight_decay, size.dtype) / 2 * size
