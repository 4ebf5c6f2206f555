"""Data frames as columns, of pandas, polars or whatever behaves like them."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .. import _checks
from ._dates import date
from ._text import FRAME, Columns


@runtime_checkable
class Frame(Protocol):
    """Columns by name, and a way to leave."""

    @property
    def columns(self) -> Iterable[Any]: ...
    def __getitem__(self, name: Any) -> Any: ...
    def to_dict(self) -> Any: ...


@runtime_checkable
class Series(Protocol):
    """One column of a frame."""

    def to_frame(self) -> Any: ...


@runtime_checkable
class _Indexed(Protocol):
    @property
    def index(self) -> Any: ...


def columns_of_frame(frame: Frame) -> Columns:
    """The columns of a data frame, before them an index with a name or with times."""
    names = [str(name) for name in frame.columns]
    columns = [frame[name] for name in frame.columns]
    if isinstance(frame, _Indexed):
        name = getattr(frame.index, "name", None)
        if name is not None or _timed(frame.index):
            free = "time" if "time" not in names else "index"
            names = [free if name is None else str(name), *names]
            columns = [frame.index, *columns]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        wanted = "a frame whose columns and index have names of their own"
        _checks.reject("source", wanted, f"one with two called {twice[0]}")
    cells = [_cells(column) for column in columns]
    spans = [np.asarray(column[:1]).dtype.kind == "m" for column in columns]
    units = ["s" if span else "" for span in spans] if any(spans) else []
    rows = list(range(len(cells[0]) if cells else 0))
    numbers = list(range(1, len(cells) + 1))
    return Columns(names, units, numbers, cells, rows, ".", FRAME)


def _timed(index: Any) -> bool:
    """Whether an index without a name says when, and not which row: dates, of a time
    zone too, spans of time, or numbers that are not whole."""
    first = np.asarray(index[:1])
    if first.dtype.kind in "mMf":
        return True
    texts = first.dtype.kind in "OUT" and first.size > 0
    return texts and date(str(first[0])) is not None


def _cells(column: Any) -> list[str]:
    """A column as text that reads back to the same numbers and dates."""
    values = np.asarray(column)
    if values.dtype.kind == "M":
        days = values.astype("datetime64[D]")
        whole = np.all((days == values) | np.isnat(values))
        values = days if whole else values.astype("datetime64[us]")
    elif values.dtype.kind == "m":
        values = values / np.timedelta64(1, "s")
    elif values.dtype.kind == "b":
        values = values.astype(int)
    return ["" if value is None else str(value) for value in values.tolist()]
