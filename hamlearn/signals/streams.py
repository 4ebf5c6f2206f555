"""Samples of several streams at once."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ..networks.base import AbstractNetwork
from ..networks.batch import Batch
from .signal import Sample


def stream_samples(
    network: AbstractNetwork, sample: Sample, *, time: int = 0
) -> Sample:
    """`sample` with weight and start for every stream, `time` axes before theirs."""
    if not isinstance(network, Batch):
        return sample

    def widened(leaf):
        if leaf is None or np.ndim(leaf) > time:
            return leaf
        leaf = jnp.asarray(leaf)
        return jnp.broadcast_to(leaf[..., None], (*leaf.shape, network.size))

    return dataclasses.replace(
        sample, weight=widened(sample.weight), start=widened(sample.start)
    )
