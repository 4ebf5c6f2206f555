"""Reading a signal from a user's CSV file."""

import csv
from datetime import datetime
from pathlib import Path

import numpy as np

from .. import _checks
from .tracking import Tracking, recorded


def from_csv(
    path: str | Path, *, column: str | int | None = None, dt: float | None = None
) -> Tracking:
    """A signal from a CSV file: values alone, or times and values.

    A header is recognised by its text. With two columns the first is time: numbers,
    or ISO 8601 dates (then in seconds). With more, `column` names the value column
    by its header or its number from 1. Times may be uneven; rows with an empty or
    NaN value are gaps, over which the last value is held.

    **Raises:** `ValueError` naming the row and the text where a number is missing,
    and `FileNotFoundError`.
    """
    path = Path(path)
    rows = _rows(path)
    header = _header(rows)
    body, first = (rows[1:], 2) if header else (rows, 1)
    chosen = _chosen(column, header, len(rows[0]))
    values = np.array(
        [_number(row[chosen], first + k, path.name) for k, row in enumerate(body)]
    )
    times, time_unit = _times(body, first, path.name)
    known = np.isfinite(values)
    name = header[chosen].strip() if header else path.stem
    return recorded(
        path.stem,
        times[known],
        values[known],
        dt=dt,
        unit=name if header else "",
        time_unit=time_unit,
        source=f"{path.name}, column {name}",
    )


def _rows(path: Path) -> list[list[str]]:
    """The cells of all rows that are not empty, all of one width."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    if not rows:
        _checks.reject("path", "a CSV file with values", f"{path.name}, which is empty")
    width = max(len(row) for row in rows)
    for k, row in enumerate(rows):
        if len(row) != width:
            got = f"one with {len(row)} in row {k + 1} of {path.name}"
            _checks.reject("path", f"a file of {width} columns in every row", got)
    return rows


def _header(rows: list[list[str]]) -> list[str] | None:
    """The first row, if it is the names of columns: text above a row of numbers."""
    if any(_parsed(cell) is not None for cell in rows[0]) or len(rows) < 2:
        return None
    dated = len(rows[0]) > 1 and _date(rows[0][0]) is not None
    return None if dated else rows[0]


def _chosen(column: str | int | None, header: list[str] | None, width: int) -> int:
    """The number, from 0, of the column with the values."""
    names = [name.strip() for name in header or ()]
    if column is None:
        if width > 2:
            named = ", ".join(names) or f"1 to {width}"
            _checks.reject("column", f"one of {width} columns ({named})", None)
        return width - 1
    if column in names:
        return names.index(str(column))
    if str(column).isdigit() and 1 <= int(column) <= width:
        return int(column) - 1
    wanted = f"one of {', '.join(names)}" if names else f"a number from 1 to {width}"
    _checks.reject("column", wanted, repr(column))


def _number(cell: str, row: int, file: str) -> float:
    cell = cell.strip()
    if cell.lower() in ("", "nan", "na", "null", "none"):
        return float("nan")
    value = _parsed(cell)
    if value is None or np.isinf(value):
        got = f"one with {cell!r} in row {row} of {file}"
        _checks.reject("path", "a file of numbers in the value column", got)
    return value


def _times(body: list[list[str]], first: int, file: str) -> tuple[np.ndarray, str]:
    """(times, their unit): of the first column where there is another for values."""
    if len(body[0]) == 1:
        return np.arange(len(body), dtype=float), "samples"
    stamps = [row[0].strip() for row in body]
    read, unit = (_parsed, "time units")
    if _parsed(stamps[0]) is None:
        read, unit = (_date, "s")
    times = [read(stamp) for stamp in stamps]
    for k, time in enumerate(times):
        if time is None or not np.isfinite(time):
            got = f"one with {stamps[k]!r} in row {first + k} of {file}"
            wanted = "a file of numbers or ISO dates in the time column"
            _checks.reject("path", wanted, got)
    return np.array(times, dtype=np.float64), unit


def _parsed(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _date(cell: str) -> float | None:
    try:
        return (datetime.fromisoformat(cell) - datetime(1970, 1, 1)).total_seconds()
    except TypeError:
        return datetime.fromisoformat(cell).timestamp()
    except ValueError:
        return None
