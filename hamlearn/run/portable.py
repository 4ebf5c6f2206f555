"""States as bytes: arrays of every type, keys, and functions by their names."""

import importlib
import io
import pickle
from typing import Any

import jax
import numpy as np

from .. import _checks


def to_bytes(tree: Any) -> bytes:
    """`tree` with its arrays as NumPy's and its functions by module and name.

    **Raises:** `ValueError` for a function that has no name to be found by.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, protocol=5).dump(tree)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        wanted = "made of arrays, modules and functions that can be imported by name"
        _checks.reject("state", wanted, f"not ({str(error).splitlines()[0]})")
    return buffer.getvalue()


def from_bytes(data: bytes) -> Any:
    """What `to_bytes` made; only from files that you trust, as with any pickle."""
    return pickle.loads(data)


class _Pickler(pickle.Pickler):
    """Pickle that knows JAX's arrays, keys and compiled functions."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, jax.Array):
            if jax.dtypes.issubdtype(obj.dtype, jax.dtypes.prng_key):
                data = np.asarray(jax.random.key_data(obj))
                return _key, (data, str(jax.random.key_impl(obj)))
            return jax.numpy.asarray, (np.asarray(obj),)
        name = getattr(obj, "__qualname__", None)
        module = getattr(obj, "__module__", None)
        if callable(obj) and name and module and not isinstance(obj, type):
            if _found(module, name) is obj:
                return _named, (module, name)
        return NotImplemented


def _key(data: np.ndarray, impl: str) -> jax.Array:
    return jax.random.wrap_key_data(jax.numpy.asarray(data), impl=impl)


def _named(module: str, name: str) -> Any:
    found = _found(module, name)
    if found is None:
        _checks.reject("checkpoint", f"with `{module}.{name}` to be found", "without")
    return found


def _found(module: str, name: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
    except ImportError:
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
