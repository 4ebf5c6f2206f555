"""The border: what an argument has to be, in one wording for name, wish and value.

Whatever enters as numbers becomes an array here, or is refused: text, dates, complex
numbers and masked entries are no numbers, and nothing is read as one by chance.
"""

import inspect
import os
import reprlib
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 60, 60


def reject(name: str, expected: str, got: Any) -> NoReturn:
    """Raise the one error that every bad argument gets; text in `got` is said as is."""
    value = got if isinstance(got, str) else shown(got)
    raise ValueError(f"`{name}` must be {expected}, but is {value}.")


def shown(value: Any) -> str:
    """A value in a few words, on one line."""
    if isinstance(value, Tracer):
        return f"a traced array of shape {value.shape}"
    if isinstance(value, np.ndarray | jax.Array) and value.ndim > 0:
        return f"an array of shape {value.shape} and type {value.dtype}"
    return " ".join(_SHORT.repr(value).split())


def positive(name: str, value: Any) -> None:
    """Every entry of `value` is finite and > 0, in JAX's float too."""
    _all(name, "positive", value, lambda array: array > 0)


def non_negative(name: str, value: Any) -> None:
    """Every entry of `value` is finite and >= 0, in JAX's float too."""
    _all(name, "non-negative", value, lambda array: array >= 0)


def _all(name: str, wanted: str, value: Any, fits: Callable[[Any], Any]) -> None:
    array = numbers(name, value, f"{wanted} number")
    if array is None:
        return
    if array.size == 0:
        reject(name, wanted, "empty")
    within(name, array)
    # What JAX's float rounds to zero is zero in every computation.
    good = np.isfinite(array) & fits(array.astype(_default()))
    if not np.all(good):
        reject(name, wanted, _offender(array, ~good))


def number(name: str, value: Any) -> None:
    """`value` is one finite number."""
    array = numbers(name, value, "number")
    if array is not None:
        shape(name, array, ())
        finite(name, array)


def finite(name: str, value: Any) -> None:
    """No entry of `value` is NaN or infinite; the first that is gets named."""
    array = numbers(name, value, "finite number")
    if array is None or np.all(np.isfinite(array)):
        return
    reject(name, "finite", _offender(array, ~np.isfinite(array)))


def within(name: str, array: np.ndarray, dtype: Any = None) -> None:
    """No finite entry of `array` is beyond the largest number of `dtype`.

    That is by default JAX's float.
    """
    dtype = _default() if dtype is None else dtype
    limit = float(jnp.finfo(dtype).max)
    beyond = np.isfinite(array) & (np.abs(array).astype(float) > limit)
    if np.any(beyond):
        wanted = f"at most {limit:.3g}, the largest {np.dtype(dtype).name}"
        reject(name, wanted, _offender(array, beyond))


def at_least(name: str, value: Any, lowest: int) -> None:
    """`value` is an integer >= `lowest`."""
    if not whole(value) or value < lowest:
        reject(name, f"an integer of at least {lowest}", shown(value))


def whole(value: Any) -> bool:
    """Whether `value` is an integer; NumPy counts a span of time as one."""
    integer = isinstance(value, int | np.integer)
    return integer and not isinstance(value, bool | np.timedelta64)


def shape(name: str, value: Any, expected: tuple[int | str, ...]) -> None:
    """The shape of `value` is `expected`, in which a string stands for any size."""
    got = np.shape(value)
    fits = len(got) == len(expected) and all(
        isinstance(e, str) or e == g for e, g in zip(expected, got, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(e) for e in expected)
        wanted = f"an array of shape ({wanted})" if expected else "a single number"
        reject(name, wanted, f"of shape {got}")


def instance(name: str, value: Any, kind: type | tuple[type, ...]) -> None:
    """`value` is an instance of `kind`."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(k.__name__ for k in kinds)
        article = "an" if wanted[0] in "AEIOU" else "a"
        # What makes an object in place of the object is the usual slip.
        got = type(value).__name__
        for maker, word in ((type, "class"), (FunctionType, "function")):
            got = f"the {word} itself" if isinstance(value, maker) else got
        reject(name, f"{article} {wanted}", f"{shown(value)} ({got})")


def function(name: str, value: Any, of: str, count: int | None = None) -> None:
    """`value` can be called, with `count` arguments where it says how many it takes."""
    if not callable(value) or isinstance(value, type):
        reject(name, f"a function of {of}", shown(value))
    if count is not None and takes(value, count) is False:
        reject(name, f"a function of {of}", f"{shown(value)}, which takes others")


def functions(named: dict[str, Any], of: str) -> None:
    """All that are given can be called."""
    for name, value in named.items():
        if value is not None:
            function(name, value, of)


def takes(function: Any, count: int) -> bool | None:
    """Whether `function` can be called with `count` arguments; None where unknown."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def key(name: str, value: Any) -> None:
    """`value` is one random key of JAX."""
    dtype, dims = getattr(value, "dtype", None), np.ndim(value)
    typed = dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)
    raw = dtype == np.uint32 and dims == 1 and np.shape(value)[0] in (2, 4)
    if not ((typed and dims == 0) or raw):
        reject(name, "a random key such as `jax.random.key(0)`", shown(value))


def listed(names: Iterable[str]) -> str:
    """Names in a row, told apart where one has a comma in it too."""
    names = list(names)
    return ("; " if any("," in name for name in names) else ", ").join(names)


def known(name: str, value: Any) -> None:
    """`value` holds numbers, as it does outside of a transformation."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value)):
        wanted = "known while the program is built: make it outside of jit and vmap"
        reject(name, wanted, "traced")


def floating(name: str, dtype: Any) -> Any:
    """The real floating-point type that `dtype` names, JAX's float for None."""
    wanted = "a real floating-point type"
    try:
        found = _default() if dtype is None else np.dtype(dtype)
    except TypeError:
        reject(name, wanted, shown(dtype))
    if not jnp.issubdtype(found, jnp.floating):
        reject(name, wanted, shown(dtype))
    if jax.dtypes.canonicalize_dtype(found) != found:
        wanted = f"{_default().name} or smaller unless `jax_enable_x64` is set"
        reject(name, wanted, found.name)
    return found


def numbers(name: str, value: Any, wanted: str = "number") -> np.ndarray | None:
    """`value` in double precision; None inside a transformation, where none are known.

    **Raises:** `ValueError` for what is no real number: text, dates, complex numbers,
    objects, and arrays of which entries are masked.
    """
    if isinstance(value, Tracer) or _holds_tracers(value):
        return None
    return real(name, value, wanted).astype(float)


def real(name: str, value: Any, wanted: str = "number") -> np.ndarray:
    """`value` as an array of real numbers, of the type it has."""
    if np.ma.is_masked(value):
        many = f"with {int(np.ma.count_masked(value))} masked"
        reject(name, "without masked entries (fill them, or give them no weight)", many)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        reject(name, f"numeric, a {wanted}", shown(value))
    if np.iscomplexobj(array):
        reject(name, f"a real {wanted}", shown(value))
    if array.dtype.kind not in "biuf" and not jnp.issubdtype(array.dtype, jnp.floating):
        got = f"{shown(value)} ({type(value).__name__})"
        reject(name, f"numeric, a {wanted}", got)
    return array


def affordable(name: str, wanted: str, need: float) -> None:
    """`need` bytes are there on the device that JAX computes on, in all."""
    stats = jax.local_devices()[0].memory_stats()
    room = stats.get("bytes_limit", 0) if stats else 0
    room = room or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > room:
        got = f"one that needs {need / 1e9:.4g} GB of the {room / 1e9:.3g} GB here"
        reject(name, wanted, got)


def _holds_tracers(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(
        isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value)
    )


def _default() -> np.dtype:
    return np.dtype(jax.dtypes.canonicalize_dtype(float))


def _offender(array: np.ndarray, bad: Any) -> str:
    if array.ndim == 0:
        return str(float(array))
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    index = where[0] if len(where) == 1 else where
    return f"{float(array[where])} at index {index}"
