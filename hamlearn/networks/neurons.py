"""Networks in which every weight acts on one neuron only: rates, and plain voltages.

    x_i' = leak_i x_i + dt/tau_i (...),   dx'/dx = diag(leak) + diag(slope) W diag(rise)
    leak_i = 1 - dt/tau_i

Rate neurons send x_j and have slope_i = dt/tau_i sigma'(a_i), rise_j = 1; voltage
neurons with tau_r = 0 send phi(x_j) and have slope_i = dt/tau_i, rise_j = phi'(x_j).
A weight into neuron i moves x_i alone within one step; `receivers` says which i.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._types import Array, Float, Int, Neurons, Numbers, Params, Scalar
from ..graph.aggregation import Dense, DenseWithoutLoops, EvenLayers, Layered, Rows
from .base import AbstractNetwork, AbstractNeurons


def slope_at(function: Callable[[Neurons], Neurons], a: Neurons) -> Neurons:
    """function'(a) of one that acts on every neuron by itself.

    By reverse mode, which functions with a `custom_vjp` have too.
    """
    _, back = jax.vjp(function, a)
    return back(jnp.ones_like(a))[0]


def forward(function: Callable[[Neurons], Neurons]) -> Callable[[Neurons], Neurons]:
    """`function`, of every neuron by itself, with derivatives in forward mode too.

    One with a `custom_vjp` has none of its own: here they are slope times change.
    """
    return function if _has_forward(function) else partial(_by_slope, function)


@lru_cache(maxsize=256)
def _has_forward(function: Callable[[Neurons], Neurons]) -> bool:
    try:
        with jax.ensure_compile_time_eval():  # shapes alone would not tell
            a = jnp.ones(1)
            jax.jvp(function, (a,), (a,))
    except Exception as error:  # any other is for the program to meet
        return "custom_vjp" not in str(error)
    return True


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _by_slope(function: Callable[[Neurons], Neurons], a: Neurons) -> Neurons:
    return function(a)


@_by_slope.defjvp
def _by_slope_jvp(function, primals, tangents):
    (a,), (change,) = primals, tangents
    value, back = jax.vjp(function, a)
    return value, back(jnp.ones_like(a))[0] * change


def leaving_readout(network: AbstractNetwork, w: Params) -> Params:
    """The weights that can move the state: all but those of a known readout."""
    return {name: leaf for name, leaf in w.items() if network.moves_state(name)}


def receivers(network: AbstractNeurons, w: Params) -> dict[str, Int[Numbers, "..."]]:
    """For every weight in `w`, the neuron it acts on, in its shape."""
    nodes, ends = np.arange(network.graph.num_nodes), network.graph.receivers
    ends = ends if isinstance(ends, Tracer) else np.asarray(ends)
    acts_on: dict[str, Any] = {"weight": ends.reshape(network.weight.shape)}
    if network.input_weight is not None:
        heard = network.input_nodes.numbers()[:, None]
        acts_on["input_weight"] = np.broadcast_to(heard, network.input_weight.shape)
    return {name: acts_on.get(name, nodes).astype(np.int32) for name in w}


def products(
    network: AbstractNeurons,
    w: Params,
    at: Neurons,
    sent: Neurons,
    u: Float[Array, "inputs"],
    one: Scalar,
) -> Params:
    """at_i sent_j, at_i u_k and at_i one: what the weights and the bias hear."""
    fields = [name for name in ("weight", "input_weight", "bias") if name in w]

    def arrive(parts):
        where = lambda n: [getattr(n, name) for name in fields]
        changed = eqx.tree_at(where, network, parts)
        total = changed.graph.aggregate(changed.weight, sent) + changed.bias
        if changed.input_weight is None:
            return total
        return changed.input_nodes.add(total, changed.input_weight @ u)

    # The transpose of a sum over the edges is a product at each edge.
    _, transpose = jax.vjp(arrive, [w[name] for name in fields])
    found = dict(zip(fields, transpose(at)[0], strict=True))
    if "bias" in found:
        found["bias"] = one * found["bias"]
    return found


def spread(
    network: AbstractNeurons, w: Params, at: Neurons, u: Float[Array, "inputs"]
) -> Params:
    """at_i for every weight into neuron i."""
    ones = jnp.ones_like
    found = products(network, w, at, ones(at), ones(u), jnp.ones((), at.dtype))
    return {name: found.get(name, at) for name in w}


def immediate(transition: Callable[..., Neurons], x: Neurons, w: Params) -> Params:
    """dx'_i/dw of every weight at its own neuron i, by one transposed product."""
    _, transpose = jax.vjp(lambda w: transition(x, w), w)
    return transpose(jnp.ones_like(x))[0]


def own_weight(network: AbstractNeurons) -> Neurons:
    """w_ii of every neuron, zero without a self-loop."""
    form, weight = network.graph.aggregation, network.weight
    if isinstance(form, Dense):
        own = weight.reshape(-1)[:: form.num_nodes + 1]
        # XLA reads what goes into a sum at once, but a slice as late as it is needed,
        # when the weights have changed: it would keep a copy of them all.
        return jnp.sum(jnp.stack([own, jnp.zeros_like(own)]), axis=0)
    if isinstance(form, DenseWithoutLoops | EvenLayers | Layered):
        return jnp.zeros_like(network.bias)
    if isinstance(form, Rows):
        nodes = jnp.arange(form.senders.shape[0], dtype=form.senders.dtype)
        own = form.senders == nodes[:, None]
        return jnp.sum(jnp.where(own, weight, 0), axis=1)
    graph = network.graph
    own = jnp.where(graph.senders == graph.receivers, weight.reshape(-1), 0)
    return jax.ops.segment_sum(
        own, graph.receivers, graph.num_nodes, indices_are_sorted=True
    )
