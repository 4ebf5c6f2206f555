"""A network in a file: its weights by name, and what they belong to."""

import json
import zipfile
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from .. import _checks
from .base import AbstractNetwork
from .partition import join, split
from .portable import from_bytes, to_bytes

_REST, _ABOUT = "network.rest", "network.about"


def save(network: AbstractNetwork, path: str | Path, **about: Any) -> Path:
    """Write a network to a `.npz` file, which `load` reads.

    Its weights are arrays by their names in `hl.split`, for `np.load` too; those that
    NumPy does not have, such as bfloat16, as float32.

    **Arguments:** `about`: what JSON can hold, kept beside it.

    **Raises:** `ValueError` for a network with a function that has no name to be found
    by, such as a lambda.
    """
    _checks.instance("network", network, AbstractNetwork)
    w, rest = split(network)
    data, missing = to_bytes(rest)
    if missing:
        wanted = "made of functions that can be imported by name"
        _checks.reject("network", wanted, f"one with `{missing[0]}`")
    arrays = {name: np.asarray(leaf) for name, leaf in w.items()}
    kinds = {name: str(leaf.dtype) for name, leaf in arrays.items()}
    plain = {
        name: leaf.astype(np.float32) if leaf.dtype.isbuiltin == 2 else leaf
        for name, leaf in arrays.items()
    }
    text = json.dumps({"kinds": kinds, "about": about})
    path = Path(path)
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            **plain,
            **{_REST: np.frombuffer(data, np.uint8), _ABOUT: np.array(text)},
        )
    return path


def load(path: str | Path) -> Any:
    """The network that `save`, or `--save` of the command line, wrote to a file.

    What is no weight is a pickle: open only your own.

    **Raises:** `ValueError` for another file.
    """
    return read(path)[0]


def read(path: str | Path) -> tuple[Any, dict[str, Any]]:
    """(the network of a file, what was kept beside it)."""
    try:
        # Opened here: NumPy leaves one open that it cannot read.
        with Path(path).open("rb") as opened, np.load(opened) as file:
            data = {name: file[name] for name in file.files}
    except (ValueError, EOFError, AttributeError, zipfile.BadZipFile):
        data = {}
    if _REST not in data or _ABOUT not in data:
        _checks.reject("path", "a file that `hl.networks.save` wrote", str(path))
    rest, text = data.pop(_REST), json.loads(str(data.pop(_ABOUT)))
    dtype = lambda name: jnp.dtype(text["kinds"][name])
    w = {name: jnp.asarray(leaf.astype(dtype(name))) for name, leaf in data.items()}
    return join(w, from_bytes(rest.tobytes())), text["about"]
