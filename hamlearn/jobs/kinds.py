"""Networks that suit a law or a task; time is counted in samples."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import equinox as eqx
import jax

from .._types import Array
from ..graph.digraph import Digraph
from ..networks.base import AbstractNetwork
from ..networks.diagonal import DiagonalNetwork
from ..networks.heads import ProductHead
from ..networks.rate import RateNetwork
from ..networks.stack import Stack
from ..networks.voltage import VoltageNetwork

#: Time constant of neurons, in samples.
SLOWNESS = 2.0
#: Steps per sample of the laws that are differential equations.
STEPS = 4

MakeNetwork: TypeAlias = Callable[[Array, int, int, int], AbstractNetwork]


def recurrent(key: Array, neurons: int, inputs: int, outputs: int) -> RateNetwork:
    """Fully connected rate neurons that remember about two samples, linear readout."""
    graph = Digraph.complete(neurons, self_loops=True)
    return _rates(key, graph, inputs, neurons, outputs, SLOWNESS)


def resting(key: Array, neurons: int, inputs: int, outputs: int) -> RateNetwork:
    """Two layers without memory: neurons come to rest within one step."""
    half = neurons // 2
    graph = Digraph.layered([neurons - half, half])
    return _rates(key, graph, inputs, half, outputs, 1 / STEPS)


def slow_chain(key: Array, neurons: int, inputs: int, outputs: int) -> RateNetwork:
    """Three layers of neurons that remember ten samples, linear readout."""
    each = max(neurons // 2, 1)
    graph = Digraph.layered([each] * 3)
    return _rates(key, graph, inputs, each, outputs, 5 * SLOWNESS)


def _rates(key, graph, inputs, read, outputs, slowness) -> RateNetwork:
    """Rate neurons, the last ones read by a linear map."""
    a, b = jax.random.split(key)
    return RateNetwork(
        graph,
        inputs=inputs,
        outputs=read,
        time_constant=slowness,
        readout=eqx.nn.Linear(read, outputs, key=a),
        key=b,
    )


def slow_layers(advance: float) -> MakeNetwork:
    """Two layers of leaky neurons and linear outputs, with tau_r/tau_m = `advance`."""

    def build(key: Array, neurons: int, inputs: int, outputs: int) -> VoltageNetwork:
        half = neurons // 2
        return _voltages(key, [neurons - half, half], inputs, outputs, advance, 1)

    return build


def prospective_chain(
    key: Array, neurons: int, inputs: int, outputs: int
) -> VoltageNetwork:
    """Three slow layers and linear outputs, each a half ahead of its lag."""
    each = max(neurons // 2, 1)
    return _voltages(key, [each] * 3, inputs, outputs, 0.5, 5)


def _voltages(
    key: Array, layers: Sequence[int], inputs: int, outputs: int, advance: float,
    slower: float,
) -> VoltageNetwork:  # fmt: skip
    neurons = sum(layers)
    return VoltageNetwork(
        Digraph.layered([*layers, outputs]),
        inputs=inputs,
        outputs=outputs,
        linear=list(range(neurons, neurons + outputs)),
        membrane_time_constant=slower * SLOWNESS,
        prospective_time_constant=advance * slower * SLOWNESS,
        key=key,
    )


def modes(key: Array, neurons: int, inputs: int, outputs: int) -> DiagonalNetwork:
    """Complex modes that remember from a sample to two hundred."""
    return _drawn(
        DiagonalNetwork, neurons, inputs=inputs, outputs=outputs,
        time_constant=(1.0, 200.0), phase=0.3, key=key,
    )  # fmt: skip


def gated_modes(key: Array, neurons: int, inputs: int, outputs: int) -> DiagonalNetwork:
    """Modes that choose by their input what they keep, up to thirty samples."""
    return _drawn(
        DiagonalNetwork, neurons, inputs=inputs, outputs=outputs,
        time_constant=(1.0, 30.0), gated=True, key=key,
    )  # fmt: skip


def stacked(key: Array, neurons: int, inputs: int, outputs: int) -> Stack:
    """Products of modes below modes with four poles in common, through which traces
    pass exactly."""
    return _drawn(_two_layers, neurons, inputs, outputs, key)


def _two_layers(neurons: int, inputs: int, outputs: int, key: Array) -> Stack:
    a, b, c = jax.random.split(key, 3)
    shared = next(k for k in (4, 3, 2, 1) if neurons % k == 0)
    low = DiagonalNetwork(
        neurons, inputs=inputs, head=ProductHead(neurons, inputs=inputs, key=a),
        time_constant=(1.0, 30.0), key=b,
    )  # fmt: skip
    high = DiagonalNetwork(
        neurons, inputs=neurons, outputs=outputs, time_constant=(1.0, 30.0),
        classes=shared, key=c,
    )  # fmt: skip
    return Stack([low, high])


@eqx.filter_jit
def _drawn(make: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """`make(...)` as one program, which compiles sooner than its many small parts."""
    return make(*arguments, **options)
