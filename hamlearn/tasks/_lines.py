"""Values from lines as they come, before it is known how many there are."""

from collections.abc import Iterable, Iterator

from .. import _checks
from ._cells import empty, like_number, reader


def values_of(
    lines: Iterable[str],
    *,
    column: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> Iterator[float]:
    """One value per line; NaN where a word says that there is none.

    Blank lines and those that begin with # are left out, as are names above the values.

    **Arguments:** `column`: by number from 1, or by name; by default the last one;
    `delimiter`: by default a tab, semicolon, bar, comma or blanks, as the first line
    has it; `decimal`: "." or ",".

    **Raises:** `ValueError` naming the line of what is no number.
    """
    number, names, at = reader(decimal or "."), None, -1
    marks = {"tab": "\t", "space": None}
    mark, found = marks.get(delimiter or "", delimiter), delimiter is not None
    for row, line in enumerate(lines, 1):
        line = line.strip("\n\r")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not found:
            marked = [m for m in "\t;|," if m in line and m != decimal]
            mark, found = (marked or [None])[0], True
        cells = [cell.strip() for cell in line.split(mark)]
        if names is None:
            above = not any(like_number(c) or empty(c) for c in cells)
            names = cells if above else []
            if above:
                continue
        if at < 0 and column is not None:
            at = _place(column, names, len(cells))
        cell = cells[at] if at < len(cells) else ""
        value = number(cell)
        if value is None or abs(value) == float("inf"):
            wanted = "a number in every line (a word such as NA where there is none)"
            _checks.reject("standard input", wanted, f"{cell!r} in line {row}")
        yield value


def _place(column: str, names: list[str], wide: int) -> int:
    if column in names:
        return names.index(column)
    if column.isdigit() and 1 <= int(column) <= wide:
        return int(column) - 1
    known = _checks.listed(names) or f"1 to {wide}"
    _checks.reject("column", f"one of {known}", repr(column))
