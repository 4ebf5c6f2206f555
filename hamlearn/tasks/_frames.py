"""Data frames as columns, of pandas, polars or whatever behaves like them."""

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ._text import Columns


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
    """The columns of a data frame, among them an index of dates or with a name."""
    found = {str(name): frame[name] for name in frame.columns}
    if isinstance(frame, _Indexed):
        index = frame.index
        dated = np.asarray(index[:1]).dtype.kind == "M"
        if dated or getattr(index, "name", None) is not None:
            found = {str(getattr(index, "name", None) or "time"): index} | found
    cells = [_cells(column) for column in found.values()]
    rows = list(range(len(cells[0]) if cells else 0))
    numbers = list(range(1, len(cells) + 1))
    return Columns(list(found), [], numbers, cells, rows, ".", "the frame")


def _cells(column: Any) -> list[str]:
    """A column as text that reads back to the same numbers and dates."""
    values = np.asarray(column)
    if values.dtype.kind == "M":
        return np.datetime_as_string(values.astype("datetime64[us]")).tolist()
    if values.dtype.kind == "b":
        values = values.astype(int)
    return ["" if value is None else str(value) for value in values.tolist()]
