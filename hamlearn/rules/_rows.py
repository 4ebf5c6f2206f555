"""How the weights of a rate network move its state: every weight at one neuron only.

    x_i' = x_i + dt/tau_i (sigma(a_i) - x_i),   dx'/dx = diag(leak) + diag(slope) W
    leak_i = 1 - dt/tau_i,   slope_i = dt/tau_i sigma'(a_i)

A weight into neuron i moves x_i alone within one step; `receiver` says which i.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._aggregation import Dense, DenseWithoutLoops, EvenLayers, Layered, Rows
from .._network import AbstractNetwork, Dynamics, NodeSet, RateNetwork, split
from .._signal import Sample
from .._types import Array, Float, Int, Neurons, Params, Scalar

_AT_ONE_NEURON = ("weight", "input_weight", "bias", "time_constant")


class Slopes(eqx.Module):
    """leak and slope of every neuron at one sample."""

    leak: Neurons
    slope: Neurons


def slopes(network: RateNetwork, x: Neurons, sample: Sample, dt: Scalar) -> Slopes:
    """The two vectors that make up dx'/dx."""
    a = network.drive(x, sample.input)
    _, rise = jax.jvp(network.activation, (a,), (jnp.ones_like(a),))
    rate = jnp.asarray(dt, a.dtype) / network.time_constant
    return Slopes(1 - rate, rate * rise)


def own_weight(network: RateNetwork) -> Neurons:
    """w_ii of every neuron, zero without a self-loop."""
    form, weight = network.graph.aggregation, network.weight
    if isinstance(form, Dense):
        return jnp.diagonal(weight)
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


def moving(network: AbstractNetwork, w: Params) -> Params:
    """The weights that can move the state: all but those of a known readout."""
    if not isinstance(network, RateNetwork | Dynamics):
        return w
    return {name: w[name] for name in w if not name.startswith("readout_map")}


def require_rate_network(rule: str, network: Any) -> None:
    """Say clearly that a law needs to know where every weight acts."""
    if not isinstance(network, RateNetwork):
        kind = type(network).__name__
        _checks.reject("network", f"a RateNetwork for {rule}", f"a {kind}")
    odd = [n for n in moving(network, split(network)[0]) if n not in _AT_ONE_NEURON]
    if odd:
        _checks.reject(
            "network.learn", f"weights that {rule} has a trace for", ", ".join(odd)
        )


def receivers(network: RateNetwork, w: Params) -> dict[str, Int[np.ndarray, "..."]]:
    """For every weight that moves the state, the neuron it acts on, in its shape."""
    nodes = np.arange(network.graph.num_nodes)
    acts_on = {
        "weight": np.asarray(network.graph.receivers).reshape(network.weight.shape),
        "bias": nodes,
        "time_constant": nodes,
    }
    if network.input_weight is not None:
        heard = node_numbers(network.input_nodes)[:, None]
        acts_on["input_weight"] = np.broadcast_to(heard, network.input_weight.shape)
    return {name: acts_on[name].astype(np.int32) for name in moving(network, w)}


def node_numbers(nodes: NodeSet) -> np.ndarray:
    """The nodes of a set, as numbers."""
    return np.arange(*nodes.span) if nodes.span else np.asarray(nodes.nodes)


def products(
    network: RateNetwork,
    w: Params,
    at: Neurons,
    x: Neurons,
    u: Float[Array, "inputs"],
    one: Scalar,
) -> Params:
    """at_i x_j, at_i u_k and at_i one: what weights from x, u and the bias hear."""
    fields = [name for name in ("weight", "input_weight", "bias") if name in w]

    def drive(parts):
        changed = eqx.tree_at(
            lambda n: [getattr(n, name) for name in fields], network, parts
        )
        return changed.drive(x, u)

    # The transpose of a sum over the edges is a product at each edge.
    _, transpose = jax.vjp(drive, [w[name] for name in fields])
    found = dict(zip(fields, transpose(at)[0], strict=True))
    if "bias" in found:
        found["bias"] = one * found["bias"]
    return found


def spread(
    network: RateNetwork, w: Params, at: Neurons, u: Float[Array, "inputs"]
) -> Params:
    """at_i for every weight into neuron i."""
    ones = jnp.ones_like
    found = products(network, w, at, ones(at), ones(u), jnp.ones((), at.dtype))
    if "time_constant" in w:
        found["time_constant"] = at
    return found


def immediate(network: Any, transition: Any, x: Neurons, w: Params) -> Params:
    """dx'_i/dw of every weight at its own neuron i, by one transposed product."""
    _, transpose = jax.vjp(lambda w: transition(x, w), w)
    return transpose(jnp.ones_like(x))[0]
