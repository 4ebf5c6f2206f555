"""Errors about arguments, all in one wording: name, what was expected, what came."""

from typing import Any, NoReturn

import numpy as np
from jax.core import Tracer


def reject(name: str, expected: str, got: Any) -> NoReturn:
    """Raise the one error that every bad argument gets."""
    raise ValueError(f"`{name}` must be {expected}, but is {_show(got)}.")


def positive(name: str, value: Any) -> None:
    """Every entry of `value` is finite and > 0."""
    array = _concrete(name, value)
    if array is not None and not np.all(np.isfinite(array) & (array > 0)):
        reject(name, "positive", _offender(array, ~(np.isfinite(array) & (array > 0))))


def non_negative(name: str, value: Any) -> None:
    """Every entry of `value` is finite and >= 0."""
    array = _concrete(name, value)
    if array is not None and not np.all(np.isfinite(array) & (array >= 0)):
        bad = ~(np.isfinite(array) & (array >= 0))
        reject(name, "non-negative", _offender(array, bad))


def finite(name: str, value: Any) -> None:
    """No entry of `value` is NaN or infinite; the first that is gets named."""
    array = _concrete(name, value)
    if array is None or np.all(np.isfinite(array)):
        return
    where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    reject(name, "finite", f"{array[where]} at index {where}")


def at_least(name: str, value: Any, lowest: int) -> None:
    """`value` is an integer >= `lowest`."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < lowest:
        reject(name, f"an integer of at least {lowest}", value)


def shape(name: str, value: Any, expected: tuple[int | str, ...]) -> None:
    """The shape of `value` is `expected`, in which a string stands for any size."""
    got = np.shape(value)
    fits = len(got) == len(expected) and all(
        isinstance(e, str) or e == g for e, g in zip(expected, got, strict=True)
    )
    if not fits:
        wanted = ", ".join(str(e) for e in expected)
        reject(name, f"an array of shape ({wanted})", f"of shape {got}")


def instance(name: str, value: Any, kind: type | tuple[type, ...]) -> None:
    """`value` is an instance of `kind`."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(k.__name__ for k in kinds)
        article = "an" if wanted[0] in "AEIOU" else "a"
        reject(name, f"{article} {wanted}", f"{value!r} ({type(value).__name__})")


def _concrete(name: str, value: Any) -> np.ndarray | None:
    """`value` as numbers, or None inside a transformation, where none are known."""
    if isinstance(value, Tracer):
        return None
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        reject(name, "numeric", repr(value))


def _offender(array: np.ndarray, bad: Any) -> Any:
    if array.ndim == 0:
        return float(array)
    where = tuple(int(i) for i in np.argwhere(bad)[0])
    index = where[0] if len(where) == 1 else where
    return f"{float(array[where])} at index {index}"


def _show(got: Any) -> str:
    return got if isinstance(got, str) else repr(got)
