"""One computation for a voltage network, alone or as a batch of streams."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .. import _checks
from ..networks.base import AbstractNetwork
from ..networks.batch import Batch
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample


def checked_voltage(network: Any) -> None:
    """`network` is a `VoltageNetwork`, or a `Batch` of one."""
    inner = network.network if isinstance(network, Batch) else network
    if not isinstance(inner, VoltageNetwork):
        wanted = "a VoltageNetwork, or a Batch of one: the law needs its prospective"
        _checks.reject("network", f"{wanted} voltages", type(inner).__name__)


def single(network: AbstractNetwork) -> Any:
    """The network of one stream."""
    return network.network if isinstance(network, Batch) else network


def over_streams(network: AbstractNetwork, function: Callable[..., Any]) -> Any:
    """`function`, mapped over the streams where there are several."""
    return jax.vmap(function) if isinstance(network, Batch) else function


def stream_samples(
    network: AbstractNetwork, sample: Sample, *, time: int = 0
) -> Sample:
    """The sample with a weight for every stream, `time` axes before that of streams."""
    if sample.weight is None or not isinstance(network, Batch):
        return sample
    weight = jnp.asarray(sample.weight)
    if weight.ndim == time:
        weight = jnp.broadcast_to(weight[..., None], (*weight.shape, network.size))
    return Sample(sample.input, sample.target, weight)
