"""Tables that print, and numbers, bytes and times in words: one place for all.

Figures have three significant digits and no exponents, in units that suit them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of values under named columns, which print and give plain dictionaries.

    **Attributes:**

    - `title`: above the table, of one or more lines.
    - `columns`: their names; `values`: one tuple a row.
    - `shown`: by column, how its values are written, such as `bytes_text`; the others
      as `value_text` writes them.
    - `foot`: below the table.
    """

    title: str
    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    shown: Mapping[str, Callable[[Any], str]] = field(default_factory=dict)
    foot: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.values]

    def to_json(self) -> str:
        """One JSON object a line; what is not finite is null."""
        return "\n".join(json.dumps(plain(row)) for row in self.rows())

    def only(self, *columns: str) -> "Table":
        """The same table with these columns alone."""
        rows = tuple(tuple(row[name] for name in columns) for row in self.rows())
        return Table(self.title, columns, rows, self.shown, self.foot)

    def cells(self) -> list[tuple[str, ...]]:
        """The values as they are shown."""
        writers = [self.shown.get(name, value_text) for name in self.columns]
        return [
            tuple(write(value) for write, value in zip(writers, row, strict=True))
            for row in self.values
        ]

    def right(self) -> tuple[bool, ...]:
        """By column, whether it holds numbers alone, which stand to the right."""
        kinds = [{_kind(v) for v in column} for column in self._by_column()]
        return tuple("number" in kind and "text" not in kind for kind in kinds)

    def text(self, width: int = 100) -> str:
        """The table in at most `width` columns: what does not fit goes below.

        Heads are broken at their underscores; the columns of text on the left stand
        in every part.
        """
        cells, right = self.cells(), self.right()
        sizes = [
            max(len(text) for text in (*name.split("_"), *(row[k] for row in cells)))
            for k, name in enumerate(self.columns)
        ]
        blocks = [
            "\n".join(
                lines(
                    [
                        *heads([self.columns[k] for k in chosen]),
                        *([row[k] for k in chosen] for row in cells),
                    ],
                    [sizes[k] for k in chosen],
                    [right[k] for k in chosen],
                )
            )
            for chosen in _groups(sizes, self._naming(), width)
        ]
        first = "\n".join(text for text in (self.title, blocks[0]) if text)
        return "\n\n".join(text for text in (first, *blocks[1:], self.foot) if text)

    def markdown(self) -> str:
        """The table alone, in Markdown."""
        rule = ["---:" if right else "---" for right in self.right()]
        split = heads(self.columns)
        names = [" ".join(filter(None, h)) for h in zip(*split, strict=True)]
        rows = [names, rule, *self.cells()]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def _by_column(self) -> list[tuple[Any, ...]]:
        return list(zip(*self.values, strict=True)) or [()] * len(self.columns)

    def _naming(self) -> int:
        """How many columns on the left say in text what a row is about."""
        named = [any(isinstance(v, str) for v in c) for c in self._by_column()]
        return min((*named, False).index(False), max(len(named) - 1, 0))

    def __repr__(self) -> str:
        return self.text()


def heads(names: Sequence[str]) -> list[list[str]]:
    """Column heads, a word per line, the last one on the last; "us" is µs."""
    words = [["µs" if word == "us" else word for word in n.split("_")] for n in names]
    tall = max(map(len, words))
    filled = [[""] * (tall - len(head)) + head for head in words]
    return [list(line) for line in zip(*filled, strict=True)]


def lines(
    rows: Sequence[Sequence[str]],
    sizes: Sequence[int],
    right: Sequence[bool] | None = None,
) -> list[str]:
    """Rows with their cells padded to `sizes`, on the left where `right` is true."""
    right = [False] * len(sizes) if right is None else right

    def padded(row: Sequence[str]) -> str:
        cells = zip(row, sizes, right, strict=True)
        return "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells)

    return [padded(row).rstrip() for row in rows]


def _groups(sizes: Sequence[int], named: int, width: int) -> list[list[int]]:
    """Columns that fit side by side; the first `named` stand in every group."""
    names = list(range(named))
    first = sum(sizes[k] + 2 for k in names)
    groups, used = [[*names]], first
    for k in range(named, len(sizes)):
        if used + sizes[k] > width and len(groups[-1]) > named:
            groups.append([*names])
            used = first
        groups[-1].append(k)
        used += sizes[k] + 2
    return groups


def plain(value: Any) -> Any:
    """`value` for JSON: what is not finite, however deep inside, is None."""
    if isinstance(value, dict):
        return {str(name): plain(inside) for name, inside in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inside) for inside in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def value_text(value: Any) -> str:
    """A cell: yes, no, - for None, numbers as `number_text`, the rest as it is."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return number_text(value) if isinstance(value, Real) else str(value)


def number_text(value: Real | float) -> str:
    """Three significant digits: 58.3, 0.0123, 1,230; whole numbers as they are.

    Where zeros would hide the digits, below 1e-4 and from 1e9, with an exponent.
    """
    if isinstance(value, Integral):
        return f"{int(value):,}"
    value = float(value)
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return f"{value:.3g}"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100:
        return f"{rounded:,.0f}"
    return f"{rounded:.10f}".rstrip("0").rstrip(".")


def brief_text(value: float) -> str:
    """Two significant digits, for narrow cells: .69, .0052, 12; <.001 below that."""
    if not abs(value) < float("inf"):
        return "diverged"
    if abs(value) < 1e-3:
        return "<.001"
    return f"{value:.2g}".removeprefix("0") if abs(value) < 10 else f"{value:.0f}"


def bytes_text(size: float | None) -> str:
    """Bytes in words: 512 B, 1.23 kB, 45.6 MB."""
    if size is None:
        return "-"
    names = ("B", "kB", "MB", "GB", "TB")
    return _scaled(size, [(name, 1e3**k) for k, name in enumerate(names)])


def duration_text(seconds: float | None) -> str:
    """A time in words: 45.6 µs, 1.23 s, 7.5 min."""
    if seconds is None:
        return "-"
    units = (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0))
    if seconds < 120:
        return _scaled(seconds, units)
    return _scaled(seconds, (("min", 60.0),) if seconds < 7200 else (("h", 3600.0),))


def pace_text(us: float | None) -> str:
    """The time of a sample, given in microseconds: 45.6 µs per sample."""
    return "-" if us is None else f"{duration_text(us * 1e-6)} per sample"


def _scaled(value: float, units: Sequence[tuple[str, float]]) -> str:
    """Three digits in the first unit in which they are less than a thousand."""
    if not abs(value) < float("inf"):
        return number_text(value)
    fits = (unit for unit in units if float(f"{value / unit[1]:.3g}") < 1000)
    name, size = next(fits, units[-1])
    return f"{number_text(float(value / size))} {name}"


def _kind(value: Any) -> str:
    if value is None:
        return "none"
    number = isinstance(value, Real) and not isinstance(value, bool)
    return "number" if number else "text"
