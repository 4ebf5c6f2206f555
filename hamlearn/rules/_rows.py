"""Networks in which every weight acts on one neuron only: rates, and plain voltages.

    x_i' = leak_i x_i + dt/tau_i (...),   dx'/dx = diag(leak) + diag(slope) W diag(rise)
    leak_i = 1 - dt/tau_i

Rate neurons send x_j and have slope_i = dt/tau_i sigma'(a_i), rise_j = 1; voltage
neurons with tau_r = 0 send phi(x_j) and have slope_i = dt/tau_i, rise_j = phi'(x_j).
A weight into neuron i moves x_i alone within one step; `receivers` says which i.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from .._types import Array, Float, Int, Neurons, Params, Scalar
from ..graph.aggregation import Dense, DenseWithoutLoops, EvenLayers, Layered, Rows
from ..graph.nodes import NodeSet
from ..networks.base import AbstractNetwork
from ..networks.dynamics import Dynamics
from ..networks.partition import split
from ..networks.rate import RateNetwork
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample

RowNetwork = RateNetwork | VoltageNetwork
_AT_ONE_NEURON = (
    "weight", "input_weight", "bias", "time_constant", "membrane_time_constant",
)  # fmt: skip


class Slopes(eqx.Module):
    """What makes up dx'/dx at one sample; `rise` is None where x itself is sent."""

    leak: Neurons
    slope: Neurons
    rise: Neurons | None = None

    def felt(self, change: Float[Array, "n *rest"]) -> Float[Array, "n *rest"]:
        """How what is sent changes with the states, along their leading axis."""
        if self.rise is None:
            return change
        return self.rise.reshape(-1, *[1] * (change.ndim - 1)) * change


def slopes(network: RowNetwork, x: Neurons, sample: Sample, dt: Scalar) -> Slopes:
    """Leaks and slopes at state `x`."""
    rate = jnp.asarray(dt, x.dtype) / own_time(network)
    if isinstance(network, VoltageNetwork):
        _, rise = jax.jvp(network.rate, (x,), (jnp.ones_like(x),))
        return Slopes(1 - rate, rate, rise)
    a = network.drive(x, sample.input)
    _, rise = jax.jvp(network.activation, (a,), (jnp.ones_like(a),))
    return Slopes(1 - rate, rate * rise)


def signals(network: RowNetwork, x: Neurons) -> Neurons:
    """What the neurons send at state `x`."""
    return network.rate(x) if isinstance(network, VoltageNetwork) else x


def own_time(network: RowNetwork) -> Neurons:
    """The time constant of every neuron's own leak."""
    if isinstance(network, VoltageNetwork):
        return network.tau_m
    return network.time_constant


def own_weight(network: RowNetwork) -> Neurons:
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


def moving(network: AbstractNetwork, w: Params) -> Params:
    """The weights that can move the state: all but those of a known readout."""
    if not isinstance(network, RateNetwork | Dynamics):
        return w
    return {name: w[name] for name in w if not name.startswith("readout_map")}


def acts_by_rows(network: Any) -> bool:
    """Whether every weight of `network` that moves the state is at one neuron only."""
    if not isinstance(network, RowNetwork):
        return False
    if isinstance(network, VoltageNetwork):
        tau_r = network.prospective_time_constant
        if isinstance(tau_r, Tracer) or np.any(np.asarray(tau_r) > 0):
            return False
    return all(n in _AT_ONE_NEURON for n in moving(network, split(network)[0]))


def require_rows(law: Any, network: Any, why: str) -> None:
    """Say clearly that a law needs to know at which neuron every weight acts."""
    if acts_by_rows(network):
        return
    wanted = "a RateNetwork, or a VoltageNetwork whose tau_r is 0 and does not learn,"
    kind = type(network.drift if isinstance(network, Dynamics) else network).__name__
    _checks.reject("network", f"{wanted} for {type(law).__name__}, {why}", f"a {kind}")


def receivers(network: RowNetwork, w: Params) -> dict[str, Int[np.ndarray, "..."]]:
    """For every weight that moves the state, the neuron it acts on, in its shape."""
    nodes = np.arange(network.graph.num_nodes)
    acts_on = {
        "weight": np.asarray(network.graph.receivers).reshape(network.weight.shape),
        "bias": nodes,
        "time_constant": nodes,
        "membrane_time_constant": nodes,
    }
    if network.input_weight is not None:
        heard = node_numbers(network.input_nodes)[:, None]
        acts_on["input_weight"] = np.broadcast_to(heard, network.input_weight.shape)
    return {name: acts_on[name].astype(np.int32) for name in moving(network, w)}


def node_numbers(nodes: NodeSet) -> np.ndarray:
    """The nodes of a set, as numbers."""
    return np.arange(*nodes.span) if nodes.span else np.asarray(nodes.nodes)


def products(
    network: RowNetwork,
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
    network: RowNetwork, w: Params, at: Neurons, u: Float[Array, "inputs"]
) -> Params:
    """at_i for every weight into neuron i."""
    ones = jnp.ones_like
    found = products(network, w, at, ones(at), ones(u), jnp.ones((), at.dtype))
    times = ("time_constant", "membrane_time_constant")
    return found | {name: at for name in times if name in w}


def immediate(network: Any, transition: Any, x: Neurons, w: Params) -> Params:
    """dx'_i/dw of every weight at its own neuron i, by one transposed product."""
    _, transpose = jax.vjp(lambda w: transition(x, w), w)
    return transpose(jnp.ones_like(x))[0]
