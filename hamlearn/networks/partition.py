"""What of a network learns, by name, and the rest."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax

from .._types import Array, PyTree
from .base import AbstractNetwork
from .batch import Batch


def split(network: AbstractNetwork) -> tuple[dict[str, Array], PyTree]:
    """(what learns, by name, and the rest): the weights w as one flat dictionary.

    Names are the paths in the network, such as `weight` or `readout_map.bias`; a
    `Batch` has those of its network.
    """
    if isinstance(network, Batch):
        w, frozen = split(network.network)
        return w, Batch(frozen, network.size)
    learned, frozen = eqx.partition(network, network.trainable())
    leaves, _ = jax.tree_util.tree_flatten_with_path(learned)
    return {_name(path): leaf for path, leaf in leaves}, frozen


def join(w: dict[str, Array], frozen: PyTree) -> Any:
    """The network with weights `w`; undoes `split`."""
    if isinstance(frozen, Batch):
        return Batch(join(w, frozen.network), frozen.size)
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: w.get(_name(path), leaf) if leaf is None else leaf,
        frozen,
        is_leaf=lambda leaf: leaf is None,
    )


def _name(path: tuple[Any, ...]) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def fields_trainable(module: eqx.Module, names: Sequence[str]) -> PyTree[bool]:
    """True at the floating-point arrays of the named fields, False elsewhere."""
    spec = jax.tree.map(lambda _: False, module)
    floats = [jax.tree.map(eqx.is_inexact_array, getattr(module, n)) for n in names]
    where = lambda m: [getattr(m, name) for name in names]
    is_none = lambda leaf: leaf is None
    return eqx.tree_at(where, spec, floats, is_leaf=is_none) if names else spec
