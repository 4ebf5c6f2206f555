"""What samples have to be before anything is made of them."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from .signal import Sample

_LIKE = {
    "input_rate": "input",
    "input_acceleration": "input",
    "target_rate": "target",
    "target_acceleration": "target",
}


def arrays(samples: Any, *, copy: bool = False) -> Sample:
    """A `Sample`, or an (input, target) pair, as a `Sample` of arrays of real numbers.

    With `copy` they are the run's own: many a source writes the next sample into the
    memory of the last.

    **Raises:** `ValueError` for anything else, for text, dates, complex numbers and
    masked entries, and for parts whose shapes do not go together.
    """
    if isinstance(samples, tuple) and len(samples) == 2:
        samples = Sample(*samples)
    if not isinstance(samples, Sample):
        wanted = "a Sample or an (input, target) pair, or an iterable of those"
        _checks.reject("samples", wanted, _checks.shown(samples))
    found = {}
    for field in dataclasses.fields(Sample):
        value = getattr(samples, field.name)
        if value is None or isinstance(value, Tracer):
            found[field.name] = value
            continue
        value = _checks.real(f"samples.{field.name}", value)
        found[field.name] = np.array(value) if copy else value
    for name in ("input", "target"):
        if found[name] is None:
            _checks.reject(f"samples.{name}", "given, of no channels where none", None)
    for name, like in _LIKE.items():
        if found[name] is not None and found[name].shape != found[like].shape:
            wanted = f"of the shape of `{like}`, {found[like].shape}"
            _checks.reject(f"samples.{name}", wanted, f"of shape {found[name].shape}")
    return Sample(**found)


def timed(samples: Sample) -> Sample:
    """`samples` itself, time being the leading axis of every part.

    **Raises:** `ValueError` where that is not so.
    """
    for name in ("input", "target"):
        shape = getattr(samples, name).shape
        if len(shape) < 2:
            wanted = "an array of shape (time, ..., channels)"
            more = (
                ", which `x[:, None]` makes of one channel" if len(shape) == 1 else ""
            )
            _checks.reject(f"samples.{name}", wanted + more, f"of shape {shape}")
    lead = samples.target.shape[:-1]
    for name in ("weight", "start"):
        value = getattr(samples, name)
        if value is not None and value.shape not in (lead[:1], lead):
            several = f" or {lead}" if len(lead) > 1 else ""
            wanted = f"of shape {lead[:1]}{several}, as the targets are"
            _checks.reject(f"samples.{name}", wanted, f"of shape {value.shape}")
    lengths = {leaf.shape[0] for leaf in jax.tree.leaves(samples)}
    if len(lengths) > 1:
        got = f"of lengths {sorted(lengths)}"
        _checks.reject("samples", "arrays of one length", got)
    return samples


def asked(samples: Sample) -> Sample:
    """`samples` with a target of 0 where it has no weight and its square no number."""
    weight, target = samples.weight, samples.target
    if weight is None:
        return samples
    here = (
        np if isinstance(target, np.ndarray) and isinstance(weight, np.ndarray) else jnp
    )
    off = (weight == 0).reshape(weight.shape + (1,) * (target.ndim - weight.ndim))
    target = here.where(off & ~(abs(target) < 1e18), here.zeros_like(target), target)
    return dataclasses.replace(samples, target=target)


def sound(samples: Sample, position: int) -> Sample:
    """`samples` as they are asked for, all of them finite; the first is at `position`.

    **Raises:** `ValueError` for NaN and infinities, but for targets that have no
    weight, and for negative weights; the position is named.
    """
    samples = asked(samples)
    for field in dataclasses.fields(samples):
        value = getattr(samples, field.name)
        if value is None:
            continue
        if not np.all(np.isfinite(value)):
            _refuse(
                f"samples.{field.name}", "finite", value, ~np.isfinite(value), position
            )
        if field.name == "weight" and np.any(value < 0):
            _refuse("samples.weight", "non-negative", value, value < 0, position)
    return samples


def cast(samples: Sample, dtype: Any) -> Sample:
    """Copies of samples in the floating-point type that a run computes in.

    **Raises:** `ValueError` for numbers that it does not hold.
    """
    found = {}
    for field in dataclasses.fields(samples):
        value = getattr(samples, field.name)
        if value is None:
            continue
        if not isinstance(value, Tracer):
            value = np.asarray(value)
            if np.dtype(dtype).itemsize < 8 and value.dtype.itemsize > 3:
                _checks.within(f"samples.{field.name}", value, dtype)
        found[field.name] = value.astype(dtype)
    return dataclasses.replace(samples, **found)


def _refuse(name: str, wanted: str, value: Any, bad: Any, position: int) -> None:
    step, *where = map(int, np.argwhere(bad)[0])
    at = (position + step, *where)
    at = at if where else at[0]
    _checks.reject(name, wanted, f"{value[step][*where]} at {at}")
