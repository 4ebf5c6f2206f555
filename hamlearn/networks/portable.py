"""States as bytes: arrays of every type, keys, and functions by their names."""

import copy
import copyreg
import importlib
import io
import pickle
from types import BuiltinFunctionType, FunctionType
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .. import _checks


def to_bytes(tree: Any) -> tuple[bytes, list[str]]:
    """`tree` with its arrays as NumPy's and its functions by module and name.

    **Returns:** the bytes, and which functions were left out, having no name to be
    found by (lambdas); a `Missing` is in their place.

    **Raises:** `ValueError` for what is no array, module or function.
    """
    buffer = io.BytesIO()
    pickler = _Pickler(buffer, protocol=5)
    pickler.missing = []
    try:
        pickler.dump(tree)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        wanted = "made of arrays, modules and functions that can be imported by name"
        _checks.reject("state", wanted, f"not ({str(error).splitlines()[0]})")
    return buffer.getvalue(), pickler.missing


def from_bytes(data: bytes) -> Any:
    """What `to_bytes` made; only from files that you trust, as with any pickle."""
    return pickle.loads(data)


def reduced(thing: Any) -> Any:
    """For `__reduce__`: JAX's functions such as `jnp.tanh` do not pickle by
    themselves (they are found by name, but are not the function that pickle sees).

    **Raises:** `PicklingError` for a function that has no name to be found by.
    """
    data, missing = to_bytes(thing)
    if missing:
        raise pickle.PicklingError(f"`{missing[0]}` cannot be found by its name.")
    return from_bytes, (data,)


def copied(thing: Any, memo: dict[int, Any]) -> Any:
    """For `__deepcopy__`: with arrays of its own; functions stay what they are."""
    return jax.tree.map(lambda leaf: copy.deepcopy(leaf, memo), thing)


class Missing:
    """In place of a function that has no name to be found by, such as a lambda."""

    def __init__(self, name: str):
        self.name = name


class _Pickler(pickle.Pickler):
    """Pickle that knows JAX's arrays, keys and compiled functions."""

    missing: list[str]

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, jax.Array):
            if jax.numpy.issubdtype(obj.dtype, jax.dtypes.prng_key):
                data = np.asarray(jax.random.key_data(obj))
                return _key, (data, str(jax.random.key_impl(obj)))
            return jax.numpy.asarray, (np.asarray(obj),)
        if isinstance(obj, eqx.Module):  # its own `__reduce__` would come back here
            return copyreg.__newobj__, (type(obj),), dict(vars(obj))  # pyright: ignore
        name = getattr(obj, "__qualname__", None)
        module = getattr(obj, "__module__", None)
        if not (callable(obj) and name and module) or isinstance(obj, type):
            return NotImplemented
        plain = isinstance(obj, FunctionType | BuiltinFunctionType)
        if _found(module, name) is obj:
            return NotImplemented if plain else (_named, (module, name))
        self.missing.append(f"{module}.{name}")
        return Missing, (f"{module}.{name}",)


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
