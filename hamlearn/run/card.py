"""A result in words: what learned, on what, how well and how fast."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..laws.base import AbstractLaw
from ..laws.held import WeightsHeld
from .tables import bytes_text, duration_text, pace_text


def card(result: Any) -> str:
    """A `Result` as lines of a name and what it is."""
    rows = [
        ("law", law_text(result.law.chosen(result.state))),
        ("network", describe(result.network)),
        ("samples", _span(result.samples, result.dt)),
        *_loss_rows(result.loss, result.losses),
        ("speed", _speed(result)),
        ("state", bytes_text(result.state_bytes)),
    ]
    if result.diverged is not None:
        rows.append(("diverged", str(result.diverged)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def law_text(law: AbstractLaw) -> str:
    """A law by its title, with its answers and their settings."""
    inside = law.law if isinstance(law, WeightsHeld) else law
    return f"{law.title}({', '.join(_settings(inside))})"


def describe(thing: Any) -> str:
    """A module by name with its settings, short enough for a card."""
    name, fields = type(thing).__name__, _fields(thing)
    if "graph" in fields:
        return f"{name}({thing.graph!r})"
    inside = ", ".join(_settings(thing))
    return f"{name}({inside})" if inside else name


def _settings(thing: Any) -> Iterator[str]:
    """Parts, numbers and named functions of a module; not its other arrays."""
    for name in _fields(thing):
        value = getattr(thing, name)
        for key, one in (value if isinstance(value, dict) else {name: value}).items():
            text = _shown(one)
            if text is not None:
                yield f"{key}={text}"


def _shown(value: Any) -> str | None:
    if isinstance(value, eqx.Module):
        return describe(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number or (isinstance(value, jax.Array) and value.ndim == 0):
        return f"{float(value):.6g}"
    name = getattr(value, "__name__", None) if callable(value) else None
    return None if name == "<lambda>" else name


def _fields(thing: Any) -> list[str]:
    known = dataclasses.is_dataclass(thing)
    return [field.name for field in dataclasses.fields(thing)] if known else []


def _span(samples: int, dt: float | None) -> str:
    if dt is None:
        return f"{samples} solver steps"
    return f"{samples:,} of dt = {dt:g} ({samples * dt:g} units of time)"


def _loss_rows(loss: np.ndarray, losses: dict[str, float]) -> list[tuple[str, str]]:
    if loss.size == 0:
        return []
    tenth = max(loss.shape[0] // 10, 1)
    first, last = loss[:tenth].mean(), loss[-tenth:].mean()
    rows = [("loss", f"first tenth {first:.4g}, last {last:.4g}")]
    trivial = [
        f"{name} {value:.4g}" for name, value in losses.items() if name != "loss"
    ]
    if trivial:
        rows.append(("trivial", "loss of predicting " + ", ".join(trivial)))
    return rows


def _speed(result: Any) -> str:
    if result.us_per_sample is not None:
        return pace_text(result.us_per_sample)
    why = "few chunks, compiling included" if result.dt else "compiling included"
    return f"not measured ({duration_text(result.seconds)} in all, {why})"


def pace(clock: list[tuple[int, float]]) -> float | None:
    """Median µs per sample over the samples of chunks that did not wait to compile.

    A chunk is computed while the one before is looked at: the first waits to compile,
    the last but one for a rest of another length, after which the last seems to take
    no time. None for fewer than four chunks.

    **Arguments:** `clock`: (samples, seconds) at the start and after every chunk.
    """
    steps = np.diff(np.array(clock), axis=0)
    if len(steps) < 4:
        return None
    steps = steps[1:-1]
    count = np.maximum(steps[:, 0], 1)
    each = steps[:, 1] / count
    order = np.argsort(each)
    seen = np.cumsum(count[order])
    return float(each[order][np.searchsorted(seen, seen[-1] / 2)]) * 1e6
