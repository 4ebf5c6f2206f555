"""Stamps of a column of time: numbers, or dates in any usual way of writing them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np

from .. import _checks
from .._types import Float

_CLOCK = r"(\d{1,2}):(\d\d)(?::(\d\d(?:[.,]\d+)?))?\s*([AaPp]\.?[Mm]\.?)?"
_TIME = re.compile(_CLOCK)
_PARTS = re.compile(rf"(\w+)[-/. ]+(\w+)(?:[-/. ,]+(\d{{1,4}}))?\.?(?:[T ,]+{_CLOCK})?")
_COMPACT = re.compile(r"(1[89]|20|21)\d\d(0[1-9]|1[0-2])[0-3]\d(\d{4}(\d\d)?)?")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_EPOCH = datetime(1970, 1, 1)


def clock(cell: str) -> float | None:
    """Seconds since midnight of 13:05, 13:05:59.5 or 1:05 pm."""
    found = _TIME.fullmatch(cell.strip())
    return None if found is None else _seconds(*found.groups())


def date(cell: str) -> float | None:
    """Seconds since 1970 of a date in the order of year, month, day, or any that can
    be read in one way."""
    for way in (_iso, _compact, _year_first, _named, _either):
        found = way(cell)
        if found is not None:
            return found
    return None


def read_stamps(
    cells: list[str], number: Callable[[str], float | None]
) -> tuple[Float[np.ndarray, "rows"], str]:
    """(times, their unit): by the first way of reading that takes the first cell.

    What cannot be read so is NaN.

    **Raises:** `ValueError` where days and months cannot be told apart.
    """
    if all(_COMPACT.fullmatch(cell.strip()) for cell in cells):
        return _all(cells, _digits), "s"
    if number(cells[0]) is not None:
        return _all(cells, number), "time units"
    if clock(cells[0]) is not None:
        return _all(cells, clock), "s"
    for way in (_iso, _year_first, _named):
        if way(cells[0]) is not None:
            return _all(cells, way), "s"
    return _days_and_months(cells), "s"


def _all(cells: list[str], read: Callable[[str], float | None]) -> np.ndarray:
    found = (read(cell) for cell in cells)
    return np.array([np.nan if time is None else time for time in found], float)


def _days_and_months(cells: list[str]) -> np.ndarray:
    """What has the day or the month first, told by days beyond 12, the dot that goes
    with days first, or the order of the rows."""
    days = _all(cells, lambda cell: _ordered(cell, "dmy"))
    months = _all(cells, lambda cell: _ordered(cell, "mdy"))
    bad = [int(np.isnan(times).sum()) for times in (days, months)]
    if bad[0] != bad[1] or re.match(r"\s*\d+\.\d+\.", cells[0]):
        return days if bad[0] <= bad[1] else months
    rising = [bool(np.all(np.diff(times) > 0)) for times in (days, months)]
    if rising[0] != rising[1]:
        return days if rising[0] else months
    if np.array_equal(np.diff(days), np.diff(months), equal_nan=True):
        return days  # the same, or all within one day
    wanted = "a column of dates such as 2024-12-31, in which days and months differ"
    _checks.reject("time", wanted, f"one with {cells[0].strip()!r}, which may be two")


def _iso(cell: str) -> float | None:
    try:
        found = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    return _since(found) if found.tzinfo is None else found.timestamp()


def _since(time: datetime) -> float:
    return (time - _EPOCH).total_seconds()


def _compact(cell: str) -> float | None:
    return _digits(cell) if _COMPACT.fullmatch(cell.strip()) else None


def _digits(cell: str) -> float | None:
    """20241231, 202412312359 or 20241231235959."""
    cell = cell.strip()
    form = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(cell))
    try:
        return None if form is None else _since(datetime.strptime(cell, form))
    except ValueError:
        return None


def _ordered(cell: str, order: str) -> float | None:
    """Numbers in an order such as "dmy", a clock behind them or not; or year-month."""
    found = _PARTS.fullmatch(cell.strip().rstrip("Z"))
    if found is None:
        return None
    *parts, hour, minute, second, half = found.groups()
    if parts[2] is None and order == "ymd":
        parts[2] = "1"
    if not all(part and part.isdigit() for part in parts):
        return None
    value = dict(zip(order, parts, strict=True))
    if (order == "ymd" and len(value["y"]) != 4) or len(value["y"]) not in (2, 4):
        return None
    return _made(value["y"], int(value["m"]), value["d"], hour, minute, second, half)


def _year_first(cell: str) -> float | None:
    return _ordered(cell, "ymd")


def _named(cell: str) -> float | None:
    """5 Jan 2024, 05-Jan-24, January 5, 2024: months in English."""
    found = _PARTS.fullmatch(cell.strip())
    if found is None:
        return None
    first, second, year, *rest = found.groups()
    if first[:3].lower() in _MONTHS and year is None and len(second) == 4:
        first, second, year = "1", first, second
    if first[:3].lower() in _MONTHS:
        first, second = second, first
    month = second[:3].lower()
    if month not in _MONTHS or year is None or not first.isdigit():
        return None
    return _made(year, _MONTHS.index(month) + 1, first, *rest)


def _either(cell: str) -> float | None:
    day, month = _ordered(cell, "dmy"), _ordered(cell, "mdy")
    return month if day is None else day


def _made(year, month, day, hour, minute, second, half) -> float | None:
    years = int(year) + (0 if len(year) > 2 else 1900 if int(year) > 69 else 2000)
    seconds = 0.0 if hour is None else _seconds(hour, minute, second, half)
    try:
        start = datetime(years, month, int(day))
    except ValueError:
        return None
    return None if seconds is None else _since(start + timedelta(seconds=seconds))


def _seconds(hour, minute, second, half) -> float | None:
    hours, minutes = int(hour), int(minute)
    seconds = float((second or "0").replace(",", "."))
    if half is not None:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.lower().startswith("p") else 0)
    if hours > 24 or minutes > 59 or seconds >= 61:
        return None
    return 3600.0 * hours + 60 * minutes + seconds
