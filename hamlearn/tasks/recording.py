"""Recorded series, read from a text file or a data frame."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np

from .. import _checks
from .._types import Bool, Float
from ._cells import reader
from ._frames import Frame, Series, columns_of_frame
from ._reading import (
    column_number,
    numbers_of,
    only_numbers,
    time_column,
    timed,
    without_index,
)
from ._spacing import spacing
from ._text import Columns, columns_of
from ._units import Units
from .paired import Paired
from .tracking import Tracking, recorded


@dataclass(frozen=True, repr=False)
class Recording:
    """Columns of numbers at rising times. Prints as what was understood of the file.

    **Attributes:**

    - `name`; `columns`: their names, in the order asked for; `units`: as many.
    - `times`: in `time_unit`; `values`: NaN where nothing was written.
    - `first`: the first stamp as it was written, empty where rows have none.
    - `source`: the file; `remarks`: what it had beyond the plain case.
    """

    name: str
    columns: tuple[str, ...]
    units: tuple[str, ...]
    times: Float[np.ndarray, "rows"]
    values: Float[np.ndarray, "rows columns"]
    time_unit: str
    first: str
    source: str
    remarks: tuple[str, ...]

    @property
    def interval(self) -> float:
        """Time between neighbours, the mean without gaps."""
        return spacing(self.times)[0]

    @property
    def held(self) -> int:
        """Samples of the even grid that nothing was recorded at, in some column."""
        return int(np.sum(~self.even()[1].all(axis=1)))

    def even(
        self,
    ) -> tuple[Float[np.ndarray, "time columns"], Bool[np.ndarray, "time columns"]]:
        """(values one an interval, which were recorded): the others hold the last."""
        _, place = spacing(self.times)
        written = np.isfinite(self.values)
        known = np.zeros((place[-1] + 1, len(self.columns)), bool)
        known[place] = written
        values = np.zeros(known.shape)
        values[place] = np.where(written, self.values, 0.0)
        at = np.where(known, np.arange(len(known))[:, None], 0)
        at = np.maximum.accumulate(at, axis=0)
        at = np.maximum(at, np.argmax(known, axis=0))  # before the first: the first
        return np.take_along_axis(values, at, axis=0), known

    def tracking(self, *, dt: float | None = None) -> Tracking:
        """The first column as a signal to track; see `recorded`."""
        known, column = np.isfinite(self.values[:, 0]), self.columns[0]
        unit = f"{column} ({self.units[0]})" if self.units[0] else column
        return recorded(
            self.name,
            self.times[known],
            self.values[known, 0],
            dt=dt,
            unit=unit,
            time_unit=self.time_unit,
            source=f"{self.source}, column {column or self.name}",
        )

    def paired(
        self,
        *,
        inputs: int,
        labels: bool = False,
        classes: int | None = None,
        units: Units | None = None,
    ) -> Paired:
        """The first columns as inputs, the others as targets of the same row.

        In `units`, by default of what the first half of each column shows. What was not
        recorded holds its last value as an input, and is not asked.

        **Arguments:** `inputs`: how many columns are inputs; `labels`: whether the one
        target is a class, 0, 1, ..., for `cross_entropy` and `accuracy`; `classes`: how
        many there are, by default the largest and one more.
        """
        values, known = self.even()
        half = len(values) // 2
        units = Units.of(values[:half], known[:half]) if units is None else units
        scaled = units.scaled(values)
        target, asked = scaled[:, inputs:], known[:, inputs:].all(axis=1)
        if labels:
            target = _labels(self, values[:, inputs:])
        return Paired(
            self.name,
            scaled[:, :inputs],
            target,
            classes=classes,
            weight=None if asked.all() else asked.astype(float),
            units=units,
            source=self.source,
        )

    @property
    def pace(self) -> str:
        """How often there is a row, in words."""
        if self.time_unit == "samples":
            return "evenly spaced"
        if self.time_unit == "s" and self.interval >= 3600:
            return f"every {self.interval / 3600:.4g} h"
        return f"every {self.interval:.6g} {self.time_unit}"

    def __repr__(self) -> str:
        since = f", first {self.first}" if self.first else ""
        named = _checks.listed(name or "1" for name in self.columns)
        held = f"samples held over gaps: {self.held:,}"
        below = "; ".join([held if self.held else "no gaps", *self.remarks])
        plural = "" if len(self.columns) == 1 else "s"
        return (
            f"read {self.source}: {len(self.times):,} rows {self.pace}{since}; "
            f"column{plural} {named}\n     {below}"
        )


def _labels(recording: Recording, target: np.ndarray) -> np.ndarray:
    names = recording.columns[-target.shape[1] :]
    whole = target == np.rint(target)
    if target.shape[1] != 1 or not whole.all() or target.min() < 0:
        bad = target[~whole | (target < 0)]
        got = f"{bad[0]:g} in column {names[0]}" if bad.size else _checks.listed(names)
        _checks.reject("columns", "one target of labels 0, 1, ... at the end", got)
    return target[:, 0].astype(int)


if TYPE_CHECKING:
    FrameLike: TypeAlias = Frame | Series
else:  # `read` says what is wrong with it
    FrameLike = Any


def read(
    source: str | Path | FrameLike,
    *columns: str | int,
    time: str | int | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> Recording:
    """Columns of a text file or of a data frame, with the times of their rows.

    Found out: the delimiter (comma, semicolon, tab, bar, blanks) and the decimal mark;
    names and units in the first rows; what stands before them, `#` lines and blank
    ones are left out, as is an index without a name; thousands in groups; words for
    "no value"; numbers or dates as stamps, of any usual form, the day first where that
    is the only way to read the column.

    **Arguments:**

    - `source`: a path; or a data frame or series of pandas, polars or the like, whose
      index is a column too where it has a name, dates, spans of time (in seconds) or
      numbers that are not whole. Rows of a frame are counted from 0.
    - `columns`: by name, or number from 1; by default the only one with numbers.
    - `time`: the column of stamps, by default one of dates, of a name such as "time",
      or the first one if it rises; "none" where rows are evenly spaced.
    - `delimiter`: a character, "tab" or "space"; `decimal`: "." or ",".

    **Raises:** `ValueError` naming row and value and what to do; `FileNotFoundError`.
    """
    found = without_index(_opened(source, delimiter, decimal))
    number = reader(found.decimal)
    at = time_column(found, time, number)
    found, stamps = timed(found, at, number)
    chosen = [column_number(found, "column", column) for column in columns]
    chosen = chosen or [only_numbers(found, at, number)]
    values = [numbers_of(found, k, number)[stamps.order] for k in chosen]
    if len(found.rows) < 2:
        wanted = "with at least two samples"
        found.refuse(wanted, f"{found.place}, which has {len(found.rows)}")
    plain = found.place if isinstance(source, str | Path) else "frame"
    return Recording(
        Path(plain).stem,
        tuple(found.names[k] for k in chosen),
        tuple(found.units[k] if found.units else "" for k in chosen),
        stamps.times[stamps.order],
        np.stack(values, axis=1),
        stamps.unit,
        stamps.first,
        found.place,
        (*found.remarks, *stamps.remarks),
    )


def from_csv(
    path: str | Path,
    *,
    column: str | int | None = None,
    time: str | int | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    dt: float | None = None,
) -> Tracking:
    """A column of a text file as a signal to track; arguments as for `read`.

    **Arguments:** `dt`: of the grid to run on, as for `recorded`.
    """
    columns = () if column is None else (column,)
    options: Any = {"time": time, "delimiter": delimiter, "decimal": decimal}
    return read(Path(path), *columns, **options).tracking(dt=dt)


def from_frame(
    frame: FrameLike,
    *,
    column: str | int | None = None,
    time: str | int | None = None,
    dt: float | None = None,
) -> Tracking:
    """A column of a data frame as a signal to track; arguments as for `read`."""
    columns = () if column is None else (column,)
    return read(frame, *columns, time=time).tracking(dt=dt)


def is_frame(data: object) -> TypeGuard[FrameLike]:
    """Whether `read` takes it for a data frame or a series."""
    return isinstance(data, Frame | Series)


def _opened(source: Any, delimiter: str | None, decimal: str | None) -> Columns:
    if isinstance(source, str | Path):
        return columns_of(Path(source), delimiter, decimal)
    if isinstance(source, Series) and not isinstance(source, Frame):
        source = source.to_frame()
    if not isinstance(source, Frame):
        got = type(source).__name__
        _checks.reject("source", "a path, a data frame or a series", f"a {got}")
    return columns_of_frame(source)
