"""Samples beside the network that hears them: shapes, and several streams at once."""

import dataclasses
from typing import Any, NoReturn

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import PyTree
from ..networks.base import AbstractNetwork
from ..networks.batch import Batch, streams_of
from ..networks.parts import other_size
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


def check_stream(network: AbstractNetwork, x: PyTree, samples: Sample) -> None:
    """**Raises:** `ValueError` where samples with time first do not fit the network."""
    first = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), samples
    )
    check_fit(network, x, first)


def check_fit(
    network: AbstractNetwork, x: PyTree, sample: Sample, of: str = "samples"
) -> None:
    """**Raises:** `ValueError` where it is the sample that does not fit the network.

    What the network's own functions raise, whatever they hear, is theirs and passes.
    """
    check_input(network, sample, of)

    def heard(u):
        network_of = lambda n, x, u: (n(x, u), n.readout(x, u))
        return eqx.filter_eval_shape(network_of, network, x, u)

    try:
        _, output = heard(sample.input)
    except (TypeError, ValueError):
        if network.inputs is not None:
            raise
        other = other_size(heard, sample.input, network)
        if other is None:
            raise
        lead = sample.input.shape[:-1]
        _reject(f"{of}.input", (*lead, other), sample.input.shape)
    check_target(output, sample, of)


def check_input(network: AbstractNetwork, sample: Sample, of: str = "samples") -> None:
    """**Raises:** `ValueError` where input, weight or start have not its shape."""
    shape, lead = sample.input.shape, streams_of(network)
    known = network.inputs
    fits = len(shape) == len(lead) + 1 and shape[:-1] == lead
    if (known is None and lead and not fits) or (
        known is not None and shape != (*lead, known)
    ):
        more = ""
        if lead:
            more = ", streams first, after time"
        elif len(shape) > 1:
            more = " (give a `Batch` for several streams, with time first)"
        wanted = (*lead, "inputs" if known is None else known)
        _reject(f"{of}.input", wanted, shape, more)
    for name in ("weight", "start"):
        value = getattr(sample, name)
        if value is not None and value.shape not in ((), lead):
            _reject(f"{of}.{name}", lead, value.shape)


def check_target(output: Any, sample: Sample, of: str = "samples") -> None:
    """**Raises:** `ValueError` for a target of another shape than the output."""
    shape = getattr(output, "shape", None)
    if shape is None:
        wanted = "returning one array"
        _checks.reject(
            "readout", wanted, f"returning {jax.tree.map(jnp.shape, output)}"
        )
    if jnp.iscomplexobj(output):
        _checks.reject("readout", "returning real numbers", f"returning {output.dtype}")
    if sample.target.shape != shape:
        wanted = f"of the output's shape {shape} at each step"
        got = f"of shape {sample.target.shape}"
        _checks.reject(f"{of}.target", wanted, got)


def _reject(name: str, wanted: tuple, got: tuple, more: str = "") -> NoReturn:
    words = f"({', '.join(map(str, wanted))}{',' if len(wanted) == 1 else ''})"
    _checks.reject(name, f"of shape {words} at each step{more}", f"of shape {got}")
