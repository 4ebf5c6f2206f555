"""Which column is time, which are numbers, and the numbers in them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NoReturn

import numpy as np

from .. import _checks
from .._types import Float
from ._cells import empty, like_number
from ._dates import clock, date, read_stamps
from ._spacing import MOST, spacing
from ._text import Columns

Number = Callable[[str], float | None]

_UNNAMED = re.compile(r"(unnamed: ?\d+)?", re.IGNORECASE)
_TIME = re.compile(
    r"(date|time|datetime|timestamp|t|when|year|month|day|date[ _]?time|time[ _]?stamp)"
    r"([ _]*[(\[/].*|[ _](utc|local|s|sec|ms|h|hours|days|seconds))?",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r".*[(\[/]\s*([\w µ]+?)\s*[)\]]?")


@dataclass(frozen=True)
class Timed:
    """Times of rows and what they are in; `order`: of the rows, from the oldest."""

    times: Float[np.ndarray, "rows"]
    unit: str
    first: str = ""
    order: slice = field(default_factory=lambda: slice(None))
    remarks: tuple[str, ...] = ()


def without_index(found: Columns) -> Columns:
    """The columns without one that counts the rows and has no name."""
    cells = found.cells[0] if len(found.cells) > 1 else []
    counted = any(
        cells == [str(k) for k in range(first, first + len(cells))] for first in (0, 1)
    )
    named = any(found.names)
    if not (cells and counted and named and _UNNAMED.fullmatch(found.names[0])):
        return found
    remark = "the column that counts the rows left out"
    return replace(found.without(0), remarks=(*found.remarks, remark))


def column_number(found: Columns, option: str, column: str | int) -> int:
    """The place, from 0, of a column asked for by its name or its number from 1."""
    word = str(column).strip()
    lower = [name.lower() for name in found.names]
    for names, wanted in ((found.names, word), (lower, word.lower())):
        if wanted in names:
            return names.index(wanted)
    if word.isdigit() and int(word) in found.numbers:
        return found.numbers.index(int(word))
    _checks.reject(option, f"one of {_listed(found)}", repr(column))


def time_column(found: Columns, time: str | int | None, number: Number) -> int | None:
    """The column of stamps; None where rows are evenly spaced."""
    if time is not None:
        if time == "none" and "none" not in found.names:
            return None
        return column_number(found, "time", time)
    if len(found.cells) == 1:
        return 0 if _dated(found.cells[0]) else None
    named = [k for k, name in enumerate(found.names) if _TIME.fullmatch(name)]
    for k in [*named, *range(len(found.cells))]:
        if _dated(found.cells[k]):
            return k
    if named:
        return named[0]
    values = np.array([_or_nan(number(cell)) for cell in found.cells[0]])
    rising = np.diff(values) > 0
    if not rising.size:
        return None
    nearly = len(found.cells) == 2 and np.mean(rising) > 0.9
    return 0 if rising.all() or nearly else None


def timed(found: Columns, at: int | None, number: Number) -> tuple[Columns, Timed]:
    """(the columns without rows that say nothing, the times of the rest).

    **Raises:** `ValueError` naming the row of a stamp that cannot be read, comes twice
    or stands before its time.
    """
    count = len(found.rows)
    if at is None:
        return found, Timed(np.arange(count, dtype=float), "samples")
    blank = [all(map(empty, cells)) for cells in zip(*found.cells, strict=True)]
    kept = [k for k in range(count) if not blank[k]]
    cut = lambda cells: [cells[k] for k in kept]
    rows, cells = cut(found.rows), [cut(column) for column in found.cells]
    found = replace(found, rows=rows, cells=cells)
    stamps = [cell.strip() for cell in found.cells[at]]
    hours = _clocks(found, at)
    if hours is not None:
        stamps = [f"{a} {b.strip()}" for a, b in zip(stamps, hours, strict=True)]
    times, unit = read_stamps(stamps, number)
    bad = ~np.isfinite(times)
    if bad.any():
        k = int(np.argmax(bad))
        wanted = f"with a number or a date in every row of {_name(found, at)}"
        _refuse(found, k, wanted, stamps[k])
    order = slice(None)
    remarks: tuple[str, ...] = ()
    if len(times) > 1 and np.all(np.diff(times) < 0):
        order, remarks = slice(None, None, -1), ("turned round, the newest came first",)
    _check_rising(found, at, times[order], stamps[order], found.rows[order])
    first = stamps[order][0] if unit == "s" else ""
    if unit == "time units":
        unit = _unit(found, at) or unit
    return found, Timed(times, unit, first, order, remarks)


def only_numbers(found: Columns, at: int | None, number: Number) -> int:
    """The one column with numbers beside the stamps.

    **Raises:** `ValueError` where there are several, or none.
    """
    others = [k for k in range(len(found.cells)) if k != at]
    if len(others) > 1:
        first = lambda cells: next((c for c in cells if not empty(c)), "")
        others = [k for k in others if like_number(first(found.cells[k]))]
    if len(others) == 1:
        return others[0]
    if not others:
        found.refuse("with a column of numbers", found.place)
    _checks.reject("column", f"one of {_listed(found)}", "not given")


def numbers_of(
    found: Columns, column: int, number: Number
) -> Float[np.ndarray, "rows"]:
    """A column's numbers, NaN where nothing is written.

    **Raises:** `ValueError` naming the row of what is no number.
    """
    cells = found.cells[column]
    values = [number(cell) for cell in cells]
    for k, value in enumerate(values):
        if value is None or np.isinf(value):
            wanted = f"of numbers in {_name(found, column)}"
            _refuse(found, k, f"{wanted} (leave a cell empty for a gap)", cells[k])
    found_any = np.array(values, float)
    if not np.isfinite(found_any).any():
        wanted = f"of numbers in {_name(found, column)}"
        found.refuse(wanted, f"{found.place}, which has none there")
    return found_any


def _refuse(found: Columns, k: int, wanted: str, cell: str) -> NoReturn:
    got = f"one with {cell.strip()!r} in row {found.rows[k]} of {found.place}"
    found.refuse(wanted, got)


def _check_rising(found, at, times, stamps, rows) -> None:
    """Every stamp after the one before, and no more gap than can be held."""
    steps = np.diff(times)
    at_which = lambda k: (
        f"{stamps[k]!r} in row {rows[k]} of {found.place} after {stamps[k - 1]!r} in "
        f"row {rows[k - 1]}"
    )
    if np.any(steps <= 0):
        k = int(np.argmax(steps <= 0)) + 1
        way = "mend the row, or choose `time`: another column, or none to count rows"
        wanted = f"with rising stamps in {_name(found, at)} ({way})"
        found.refuse(wanted, f"one with {at_which(k)}")
    if len(times) > 2 and spacing(times)[1][-1] > MOST * len(times) + 1000:
        k = int(np.argmax(steps)) + 1
        way = "part the file there, or choose `time` none to count rows"
        wanted = f"with at most {MOST} missing rows for every row ({way})"
        found.refuse(wanted, f"one with {at_which(k)}")


def _clocks(found: Columns, at: int) -> list[str] | None:
    """The column of times of day that stands right behind a column of days."""
    if at + 1 >= len(found.cells):
        return None
    days, hours = found.cells[at], found.cells[at + 1]
    of_days = _dated(days) and ":" not in days[0]
    return hours if of_days and clock(hours[0]) is not None else None


def _dated(cells: list[str]) -> bool:
    """Whether a column has dates, or times of day."""
    first = next((cell.strip() for cell in cells if not empty(cell)), "")
    if like_number(first) and date(first) is not None:  # 20241231
        return all(date(cell) is not None for cell in cells if not empty(cell))
    return date(first) is not None or clock(first) is not None


def _unit(found: Columns, at: int) -> str:
    """The unit that a column of times names: of "t (s)", or of a row of units."""
    if found.units and found.units[at]:
        return found.units[at].strip("()[] ")
    bracket = _IN_BRACKETS.fullmatch(found.names[at])
    return bracket.group(1) if bracket else ""


def _name(found: Columns, column: int) -> str:
    name = found.names[column]
    return f"column {name}" if name else f"column {found.numbers[column]}"


def _listed(found: Columns) -> str:
    if any(found.names):
        return _checks.listed(name for name in found.names if name)
    return ", ".join(map(str, found.numbers))


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
