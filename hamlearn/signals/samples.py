"""Samples on their way into a run: arrays or any iterable, in blocks of one length."""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from .border import arrays, asked, sound, timed
from .border import cast as cast
from .signal import Sample


def traced(samples: Any, dtype: Any) -> Sample:
    """Samples with time as leading axis in `dtype`, also inside a transformation."""
    found = cast(asked(timed(arrays(samples))), dtype)
    return jax.tree.map(jnp.asarray, found)


def blocks(
    samples: Any,
    size: int,
    position: int = 0,
    patience: float | None = None,
    most: Callable[[], int] | None = None,
) -> Iterator[tuple[Sample, int]]:
    """Consecutive blocks of `size` samples, shorter ones padded, with their lengths.

    **Arguments:** `samples`: a `Sample` or an (input, target) pair of arrays with a
    leading axis of time, or an iterable of such for one step each; `position`: the
    number of the first; `patience`: seconds after which a block that an iterable has
    not filled is handed out as it is; `most`: how many samples go into the next one,
    by default `size`.

    **Raises:** `ValueError` for samples that are NaN, infinite, or of another shape
    than the first; the position is named. What the iterable itself raises, once the
    samples before have been handed out.
    """
    whole, most = _as_arrays(samples), most or (lambda: size)
    if whole is None:
        parts = _batched(iter(samples), most, position, patience)
    else:
        parts = _sliced(whole, most)
    expected = None
    for part in parts:
        shapes = jax.tree.map(lambda leaf: leaf.shape[1:], part)
        expected = shapes if expected is None else expected
        _same_shape(expected, shapes, position)
        part = sound(timed(part), position)
        count = part.target.shape[0]
        yield _padded(part, size), count
        position += count


def divided(samples: Any, count: int) -> tuple[Any, Any]:
    """(the first `count` samples, the rest), both to be taken in this order."""
    whole = _as_arrays(samples)
    if whole is None:
        iterator = iter(samples)
        return islice(iterator, count), iterator
    there = whole.target.shape[0]
    rest = _cut(whole, count, there) if count < there else iter(())
    return _cut(whole, 0, count), rest


def length(samples: Any) -> int | None:
    """How many samples there are, where that is known."""
    whole = _as_arrays(samples)
    if whole is not None:
        return whole.target.shape[0]
    return len(samples) if isinstance(samples, Sized) else None


def first(samples: Any) -> tuple[Sample, Any]:
    """(the first sample, the samples with it still in them)."""
    whole = _as_arrays(samples)
    if whole is not None:
        return jax.tree.map(lambda leaf: leaf[0], _cut(whole, 0, 1)), samples
    iterator = iter(samples)
    head = list(islice(iterator, 1))
    if not head:
        _checks.reject("samples", "at least one sample", "empty")
    return as_sample(head[0]), _chained(head, iterator)


def outside(remedy: str, **named: Any) -> None:
    """**Raises:** `ValueError` inside a transformation, where no number is known."""
    plain = list | tuple | dict
    leaf = lambda node: isinstance(node, Iterable) and not isinstance(node, plain)
    named["run"] = jnp.zeros(())  # traced wherever a program is being built
    for name, value in named.items():
        leaves = jax.tree.leaves(value, is_leaf=leaf)
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            wanted = f"known: inside jit, vmap and grad {remedy}"
            _checks.reject(name, wanted, "traced")


def _chained(head: list, rest: Iterator) -> Iterator:
    yield from head
    yield from rest


def _as_arrays(samples: Any) -> Any:
    """Samples with a leading axis of time as NumPy arrays; None for an iterable."""
    pair = isinstance(samples, tuple) and len(samples) == 2
    if not pair and not isinstance(samples, Sample):
        alone = isinstance(samples, str | bytes | dict) or (
            isinstance(samples, np.ndarray | jax.Array) and samples.ndim == 0
        )
        if not isinstance(samples, Iterable) or alone:
            wanted = "a Sample, (inputs, targets) or iterable"
            _checks.reject("samples", wanted, _checks.shown(samples))
        return None
    found = timed(arrays(samples))
    if found.target.shape[0] == 0:
        _checks.reject("samples", "at least one sample", "empty")
    return found


def as_sample(item: Any) -> Sample:
    """One step of an iterable, copied: a `Sample`, or an (input, target) pair."""
    found = arrays(item, copy=True)
    vectors = [np.atleast_1d(part) for part in (found.input, found.target)]
    return eqx.tree_at(lambda s: (s.input, s.target), found, tuple(vectors))


def _sliced(whole: Sample, most: Callable[[], int]) -> Iterator[Sample]:
    start = 0
    while start < whole.target.shape[0]:
        stop = start + most()
        yield _cut(whole, start, stop)
        start = stop


def _batched(
    items: Iterator, most: Callable[[], int], position: int, patience: float | None
) -> Iterator[Sample]:
    error = None
    while error is None:
        chunk: list[Any] = []
        began = time.monotonic()
        try:
            for item in islice(items, most()):
                chunk.append(as_sample(item))
                if patience is not None and time.monotonic() - began > patience:
                    break
        except BaseException as raised:  # what came before is not lost
            error = raised
        if not chunk:
            break
        shapes = [jax.tree.map(np.shape, item) for item in chunk]
        for k, other in enumerate(shapes):
            _same_shape(shapes[0], other, position + k)
        yield jax.tree.map(lambda *leaves: np.stack(leaves), *chunk)
        position += len(chunk)
    if error is not None:
        raise error


def _same_shape(expected: Any, got: Any, position: int) -> None:
    if got == expected:
        return
    parts = [field.name for field in dataclasses.fields(got)]
    said = lambda s: [(name, getattr(s, name)) for name in parts]
    words = lambda s: " and ".join(f"{n} {v}" for n, v in said(s) if v is not None)
    here = f"{words(got)} at item {position}"
    _checks.reject("samples", f"of one shape, {words(expected)}", here)


def _cut(samples: Any, start: int, stop: int) -> Sample:
    return jax.tree.map(lambda leaf: leaf[start:stop], samples)


def _padded(part: Sample, size: int) -> Sample:
    missing = size - part.target.shape[0]
    if missing == 0:
        return part
    return jax.tree.map(
        lambda leaf: np.pad(leaf, [(0, missing)] + [(0, 0)] * (leaf.ndim - 1)), part
    )


def state_dtype(state: Any) -> Any:
    """The floating-point dtype of a state."""
    return np.result_type(*[leaf.dtype for leaf in floats(state)])


def floats(tree: Any) -> list[Any]:
    """The floating-point arrays of a tree."""
    return [
        leaf
        for leaf in jax.tree.leaves(tree)
        if isinstance(leaf, jax.Array | np.ndarray | np.generic)
        and jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
