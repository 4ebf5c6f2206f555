"""Text files as columns of cells: what parts them, their names, where they begin."""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .. import _checks
from ._cells import decimal_mark, empty, like_number
from ._dates import clock, date

_DELIMITERS = ("\t", ";", "|", ",")
_WORDS = {"\t": "tabs", ";": "';'", "|": "'|'", ",": "','", None: "spaces"}
_BLANKS = {"tab": "\t", "\\t": "\t", "space": None, " ": None}

_GROUPED = re.compile(r"\s*[+-]?\d{1,3}( \d{3})+([.,]\d*)?\s*")

Row = tuple[int, list[str]]
#: The `place` of columns that come from no file.
FRAME = "the frame"


@dataclass(frozen=True)
class Columns:
    """Cells by column, not read yet.

    **Attributes:** `names`: empty where there is none; `units`: as many, or none at
    all; `numbers`: by which each column is asked for, from 1; `cells`: a list per
    column; `rows`: where each stands, as a person counts; `decimal`; `place`: the file;
    `remarks`: what was understood beyond the plain case.
    """

    names: list[str]
    units: list[str]
    numbers: list[int]
    cells: list[list[str]]
    rows: list[int]
    decimal: str
    place: str
    remarks: tuple[str, ...] = ()

    def without(self, column: int) -> "Columns":
        """The same without one column; the others keep their numbers."""
        cut = lambda a: [*a[:column], *a[column + 1 :]]
        names, units, numbers = map(cut, (self.names, self.units, self.numbers))
        rest = self.rows, self.decimal, self.place, self.remarks
        return Columns(names, units, numbers, cut(self.cells), *rest)

    def refuse(self, wanted: str, got: str) -> NoReturn:
        """**Raises:** `ValueError` that says what it has to be: a file, or a frame."""
        frame = self.place == FRAME
        name, kind = ("source", "a frame") if frame else ("path", "a file")
        _checks.reject(name, f"{kind} {wanted}", got)


def columns_of(path: Path, delimiter: str | None, decimal: str | None) -> Columns:
    """The columns of a text file.

    **Raises:** `ValueError` naming the row that does not fit, and `FileNotFoundError`.
    """
    if decimal is not None and (not isinstance(decimal, str) or decimal not in ".,"):
        _checks.reject("decimal", "'.' or ','", _checks.shown(decimal))
    if delimiter is not None and not isinstance(delimiter, str):
        wanted = "one character, 'tab' or 'space'"
        _checks.reject("delimiter", wanted, _checks.shown(delimiter))
    numbered, comment = _lines(_text(path), path.name)
    if delimiter is None:
        mark = _delimiter([line for _, line in numbered], decimal)
    else:
        mark = _BLANKS.get(delimiter, delimiter)
        if mark is not None and len(mark) != 1:
            wanted = "one character, 'tab' or 'space'"
            _checks.reject("delimiter", wanted, repr(delimiter))
        if mark is not None and not any(mark in line for _, line in numbered):
            wanted = f"a character that {path.name} has"
            _checks.reject("delimiter", wanted, repr(delimiter))
    heads, body, wide = _even(_split(numbered, mark), path.name, mark)
    if not body:
        _checks.reject("path", "a file with numbers", f"{path.name}, which has none")
    names, units, before = _names(heads, wide)
    if not heads and comment:
        named = [cell.strip() for cell in _cut(comment, mark)]
        names = named if len(named) == wide and _words(named) else names
    if decimal is None:
        decimal = decimal_mark((cells for _, cells in body), mark)
    remarks = []
    if mark != "," and wide > 1 and delimiter is None:
        remarks.append(f"cells parted by {_WORDS[mark]}")
    if decimal == ",":
        remarks.append("decimal comma")
    if before:
        remarks.append(f"{before} lines before the names left out")
    return Columns(
        names or [""] * wide,
        units,
        list(range(1, wide + 1)),
        [list(column) for column in zip(*(cells for _, cells in body), strict=True)],
        [number for number, _ in body],
        decimal,
        path.name,
        tuple(remarks),
    )


def _text(path: Path) -> str:
    if path.is_dir():
        _checks.reject("path", "a file", f"the folder {path}")
    data = path.read_bytes()
    marks = (b"\xff\xfe", b"\xfe\xff")
    if not data.startswith(marks) and b"\0" in data:
        _checks.reject("path", "a text file", f"{path.name}, which is none")
    for code in ("utf-16",) if data.startswith(marks) else ("utf-8-sig", "cp1252"):
        try:
            return data.decode(code)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _lines(text: str, file: str) -> tuple[list[tuple[int, str]], str]:
    """(lines with their numbers, the last remark before them): no blank ones."""
    kept, comment = [], ""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare.startswith("#") and not empty(bare):
            comment = comment if kept else bare.lstrip("# ")
        elif bare.strip(",;\t| \"'") and not bare.lower().startswith("sep="):
            kept.append((number, line))
    if not kept:
        _checks.reject("path", "a CSV file with values", f"{file}, which is empty")
    return kept, comment


def _cut(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])


def _split(lines: list[tuple[int, str]], delimiter: str | None) -> list[Row]:
    if delimiter is None:
        return [(number, line.split()) for number, line in lines]
    source = (f"{line}\n" for _, line in lines)
    found = csv.reader(source, delimiter=delimiter, skipinitialspace=True)
    return [(lines[found.line_num - 1][0], cells) for cells in found]


def _delimiter(lines: list[str], decimal: str | None) -> str | None:
    """What parts the cells of most lines alike, which is not the `decimal` that is
    given; a comma also where nothing does."""
    some, comma = lines[:200], ";" if decimal == "," else ","
    for mark in _DELIMITERS:
        if mark == decimal:
            continue
        counts = Counter(len(_cut(line, mark)) for line in some)
        width, often = counts.most_common(1)[0]
        if width > 1 and 2 * often > len(some):
            heads = [line for line in some if _words(_cut(line, mark))]
            # Names without a comma above numbers with one: a decimal comma.
            decimals = mark == "," and width == 2 and heads
            return ";" if decimals and not any("," in head for head in heads) else mark
    alike = {len(line.split()) for line in some}
    whole = date(some[-1]) is not None or all(map(_GROUPED.fullmatch, some))
    return comma if whole or len(alike) > 1 or alike == {1} else None


def _even(
    rows: list[Row], file: str, mark: str | None
) -> tuple[list[Row], list[Row], int]:
    """(what stands above the values, the rows of values, how many columns)."""
    wide = Counter(len(cells) for _, cells in rows).most_common(1)[0][0]
    words = [_words(cells) for _, cells in rows]
    above = words.index(False) if False in words else len(rows)
    heads, body = rows[:above], rows[above:]
    if wide > 1 and body and all(not c[-1].strip() for _, c in rows if len(c) == wide):
        # A mark at the end of every line parts nothing.
        cut = lambda row: (row[0], row[1][:-1] if len(row[1]) == wide else row[1])
        heads, body, wide = list(map(cut, heads)), list(map(cut, body)), wide - 1
    for number, cells in body:
        if len(cells) != wide:
            got = f"one with {len(cells)} in row {number} of {file}"
            way = f" parted by {_WORDS.get(mark, repr(mark))}" if mark != "," else ""
            _checks.reject("path", f"a file of {wide} columns{way} in every row", got)
    return heads, body, wide


def _names(heads: list[Row], wide: int) -> tuple[list[str], list[str], int]:
    """(names, units, how many lines above them): of the last rows that are as wide as
    the values, or one less, as where row names have no head."""
    fits = [len(cells) == wide for _, cells in heads]
    fits[-1:] = [len(cells) in (wide, max(wide - 1, 1)) for _, cells in heads[-1:]]
    first = len(fits) - [*reversed(fits), False].index(False)
    filled = [[""] * (wide - len(cells)) + cells for _, cells in heads[first:]]
    names, units, *_ = [[cell.strip() for cell in row] for row in filled] + [[], []]
    return names, units, first


def _words(cells: list[str]) -> bool:
    """Whether a row has words and no values."""
    return not any(map(_is_value, cells)) and not all(map(empty, cells))


def _is_value(cell: str) -> bool:
    return like_number(cell) or date(cell) is not None or clock(cell) is not None
