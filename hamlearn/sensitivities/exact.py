"""Exact sensitivities P = dx/dw, carried forward in time.

With `step` the map x_k -> x_{k+1} the next ones are step_x P + step_w; with `step` the
drift dx/dt the same is their rate.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from .._types import Array, Float, Int, Neurons, Params, PyTree
from ..graph.aggregation import Dense
from ..networks.base import AbstractNeurons, Slopes
from ..networks.neurons import immediate, leaving_readout, receivers
from ..networks.partition import join, split
from .base import AbstractSensitivityFlow, with_state_part
from .layers import why_not_exact
from .units import UnitTraces


class Exact(AbstractSensitivityFlow):
    """P_{k+1} = (dx_{k+1}/dx_k) P_k + dx_{k+1}/dw,   g_k = ell_w + ell_x P_k.

    In continuous time dP/dt = f_x P + f_w. P is n times the number of weights that
    move the state. Where every weight acts on one neuron f_w has one entry per weight,
    and f_x P is taken edge by edge: O(edges) operations per weight and no product of
    Jacobians. Of units that do not hear each other, and of two layers of them, P is
    what `UnitTraces` carries. Any other module, with any pytrees as state and
    parameters, goes through forward derivatives (f_x P) and transposed ones (f_w).

    Williams & Zipser (1989), "A learning algorithm for continually running fully
    recurrent neural networks".
    """

    def prepare(self, network, x, key):
        if why_not_exact(network) is None:
            return UnitTraces()
        return flat_receivers(network, leaving_readout(network, split(network)[0]))

    def start(self, network, x, fixed):
        if isinstance(fixed, UnitTraces):
            return fixed.start(network, x, None)
        return no_sensitivity(x, leaving_readout(network, split(network)[0]))

    def step(self, instant, fixed, memory):
        if isinstance(fixed, UnitTraces):
            return fixed.step(instant, None, memory)
        network = instant.network
        w = leaving_readout(network, instant.w)
        g = with_state_part(instant, credited(instant.ell_x, w, memory))
        if fixed is None:
            return g, along_any(instant.transition, instant.x, w, memory)
        neurons = network.neurons()
        now = neurons.slopes(instant.x, instant.u, instant.dt)
        step = instant.transition
        return g, along_rows(neurons, now, step, instant.x, w, fixed, memory)

    def rates(self, instant, fixed, memory):
        if isinstance(fixed, UnitTraces):
            return fixed.rates(instant, None, memory)
        network = instant.network
        w = leaving_readout(network, instant.w)
        g = with_state_part(instant, credited(instant.ell_x, w, memory))
        drift = lambda x, w: join(instant.w | w, instant.frozen)(x, instant.u)
        if fixed is None:
            return g, along_any(drift, instant.x, w, memory)
        neurons = network.neurons()
        unit = neurons.slopes(instant.x, instant.u, jnp.ones((), instant.x.dtype))
        now = Slopes(unit.leak - 1, unit.slope, unit.rise)
        return g, along_rows(neurons, now, drift, instant.x, w, fixed, memory)


Step = Callable[[PyTree, Params], PyTree]


def no_sensitivity(x: PyTree, w: Params) -> Float[Array, "n weights"]:
    """P = 0, of a start that the weights do not move."""
    flat_x, flat_w = ravel_pytree(x)[0], ravel_pytree(w)[0]
    return jnp.zeros((flat_x.size, flat_w.size), flat_x.dtype)


def flat_receivers(network: Any, w: Params) -> Int[Array, "weights"] | None:
    """The neuron that each weight acts on, None where the network does not say."""
    neurons = network.neurons()
    if neurons is None:
        return None
    rows = receivers(neurons, w)
    # Where nothing moves the state there are no numbers, and no type of them.
    return ravel_pytree(jax.tree.map(jnp.asarray, rows))[0].astype(jnp.int32)


def credited(c_x: PyTree, w: Params, P: Float[Array, "n weights"]) -> Params:
    """c_x P, by name."""
    _, unravel = ravel_pytree(w)
    return unravel(ravel_pytree(c_x)[0] @ P)


def along_rows(
    network: AbstractNeurons,
    now: Slopes,
    step: Step,
    x: Neurons,
    w: Params,
    rows: Int[Array, "weights"],
    P: Float[Array, "n weights"],
) -> Float[Array, "n weights"]:
    """(diag(leak) + diag(slope) W diag(rise)) P, and the fresh part of each weight."""
    fresh = ravel_pytree(immediate(step, x, w))[0]
    if isinstance(network.graph.aggregation, Dense):
        W = now.felt(network.weight.T).T
        carried = (now.slope[:, None] * W + jnp.diag(now.leak)) @ P
        return carried.at[rows, jnp.arange(P.shape[1])].add(fresh)
    heard = jax.vmap(network.graph.aggregate, (None, 1), 1)(network.weight, now.felt(P))
    carried = now.leak[:, None] * P + now.slope[:, None] * heard
    nodes = jnp.arange(P.shape[0], dtype=rows.dtype)
    return carried + jnp.where(rows == nodes[:, None], fresh, 0)


def along_any(
    step: Step, x: PyTree, w: Params, P: Float[Array, "n weights"]
) -> Float[Array, "n weights"]:
    """The same by n transposed products for step_w and a forward one a weight."""
    flat_x, unravel_x = ravel_pytree(x)
    flat_w, unravel_w = ravel_pytree(w)

    def flat(x, w):
        return ravel_pytree(step(unravel_x(x), unravel_w(w)))[0]

    _, along = jax.linearize(lambda x: flat(x, flat_w), flat_x)
    fresh = jax.jacrev(flat, argnums=1)(flat_x, flat_w)
    # Where no weight moves the state there are no numbers, in single precision.
    return jax.vmap(along, 1, 1)(P) + fresh.astype(P.dtype)
