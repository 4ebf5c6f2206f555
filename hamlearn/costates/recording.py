"""What of a run of oscillators is kept so that it can be played back."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.core import Tracer

from .. import _checks
from .._types import Array, Float, Params, PyTree, Scalar
from ..action.cost import Cost, as_number, decay_cost, output_loss
from ..action.trees import scaled
from ..networks.batch import single
from ..networks.hamiltonian import HamiltonianNetwork
from ..networks.partition import join
from ..networks.stack import Stack
from ..signals.signal import Sample


class Sizes(eqx.Module):
    """Sums along a run, from which the pushes are chosen: of p^2 in every layer, and
    of the squared pushes of the last one; with the number of samples."""

    momentum: tuple[Array, ...]
    pushes: Array
    count: Array


class Recording(eqx.Module):
    """What of a run is kept: where it began, where it ended, what it heard."""

    start: PyTree
    end: PyTree
    samples: Sample
    counted: Float[Array, "time"] | None
    sizes: Sizes | None


def layers_of(network: Any) -> tuple[HamiltonianNetwork, ...]:
    """The layers of oscillators that a network is.

    **Raises:** `ValueError` for any other network.
    """
    network = single(network)
    layers = network.layers if isinstance(network, Stack) else (network,)
    found = tuple(layer for layer in layers if isinstance(layer, HamiltonianNetwork))
    if len(found) < len(layers):
        wanted = "a HamiltonianNetwork, or a Stack of them: others do not run back"
        _checks.reject("network", wanted, f"a {network.name}")
    return found


def require_mantissa(network: Any, samples: int, dt: Any) -> None:
    """Dissipation is gain on the way back: refuse what rounding would make of it.

    **Raises:** `ValueError` where e^{theta T} is above 1e-2/u, with u the unit
    roundoff.
    """
    for layer in layers_of(network):
        theta = layer.dissipation
        if isinstance(theta, Tracer) or isinstance(dt, Tracer):
            continue
        bound = 1e-2 / (jnp.finfo(layer.rest.dtype).eps / 2)
        time = float(theta) * float(dt) * samples
        if time > jnp.log(bound):
            wanted = (
                f"at most {float(bound):.2g}, 1e-2 over the unit roundoff: shorten the"
                " window or lessen the dissipation"
            )
            _checks.reject("e^(dissipation * window * dt)", wanted, f"e^{time:.3g}")


def positive_or_none(name: str, value: Any) -> Scalar | None:
    """`value` in JAX's float, or None. **Raises:** `ValueError` unless positive."""
    if value is None:
        return None
    _checks.positive(name, value)
    return as_number(value)


def nothing_yet(network: Any, x: PyTree) -> Sizes:
    """The sums before the first sample."""
    states = states_of(network, x)
    zero = jnp.zeros((), states[0][0].dtype)
    return Sizes(tuple(zero for _ in states), zero, zero)


def with_sample(
    sizes: Sizes, cost: Cost, network: Any, x: PyTree, sample: Sample, counted: Any,
    dt: Scalar,
) -> Sizes:  # fmt: skip
    """The sums with one more sample of one stream; past pushes grow by 1/a."""
    layers, states = layers_of(network), states_of(network, x)
    mean = lambda a: jnp.mean(a**2)
    push = jax.grad(partial(position_loss, cost, layers[-1]))(
        states[-1][0], sample, counted
    )
    growth = decayed(layers[-1], -2, dt)
    return Sizes(
        tuple(m + mean(p) for m, (_, p) in zip(sizes.momentum, states, strict=True)),
        growth * sizes.pushes + mean(push),
        sizes.count + 1,
    )


def with_block(
    sizes: Sizes, cost: Cost, layers: Any, met: Any, samples: Sample, counted: Any,
    dt: Scalar,
) -> Sizes:  # fmt: skip
    """The sums with some more samples of one stream, at the states they met."""
    last, length = layers[-1], len(samples.target)
    push = jax.grad(partial(position_loss, cost, last))
    each = jnp.mean(jax.vmap(push)(met[-1][0], samples, counted) ** 2, axis=1)
    later = jnp.arange(length - 1, -1, -1, dtype=each.dtype)
    return Sizes(
        tuple(
            m + jnp.sum(jnp.mean(p**2, axis=1))
            for m, (_, p) in zip(sizes.momentum, met, strict=True)
        ),
        decayed(last, -2 * length, dt) * sizes.pushes
        + jnp.sum(decayed(last, -2 * later, dt) * each),
        sizes.count + length,
    )


def states_of(network: Any, x: PyTree) -> tuple[PyTree, ...]:
    """The states of the layers of one stream."""
    return x if isinstance(network, Stack) else (x,)


def position_loss(
    cost: Cost, layer: Any, q: Array, sample: Sample, counted: Any
) -> Scalar:
    """The part of ell that depends on the position of the last layer."""
    loss = output_loss(cost, layer.readout((q, q), sample.input), sample)
    loss = cost.loss_weight.astype(loss.dtype) * loss
    return loss if counted is None else counted * loss


def decayed(layer: HamiltonianNetwork, k: Any, dt: Scalar) -> Any:
    """a^k with a = e^{-theta dt}."""
    theta = layer.dissipation
    if isinstance(theta, float) and theta == 0:
        return 1.0
    return jnp.exp(-k * jnp.asarray(theta, dt.dtype) * dt)


def chosen_epsilon(
    sizes: Sizes, network: Any, number: int, pushes: Array, dt: Scalar
) -> Array:
    """eps of every stream: 6.5 (u/a^N)^{1/3} rms(p) over the norm of the pushes.

    The error goes as eps^2, rounding as u/eps and, of a damped run, 1/a^N: the factor
    is that at which the worst of a hundred networks was best.
    """
    roundoff = float(jnp.finfo(pushes.dtype).eps) / 2
    grown = roundoff * decayed(layers_of(network)[number], -sizes.count, dt)
    share = jnp.minimum(6.5 * jnp.cbrt(grown), 0.1).astype(pushes.dtype)
    p, k = jnp.sqrt(sizes.momentum[number] / sizes.count), jnp.sqrt(pushes)
    still = (p == 0) | (k == 0)
    return share * jnp.where(still, 1, p / jnp.where(still, 1, k))


def decay_gradient(cost: Cost, w: Params, frozen: PyTree, heard: Recording) -> Params:
    """What weight decay adds to the gradient over the run."""
    length = len(heard.samples.target)
    much = length if heard.counted is None else jnp.sum(heard.counted)
    decay = lambda w: jnp.asarray(decay_cost(cost, join(w, frozen)))
    return scaled(much, jax.grad(decay)(w))
