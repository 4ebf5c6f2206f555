"""Tables that print, and give their rows as plain dictionaries."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, repr=False)
class Table:
    """What an analysis found.

    **Attributes:** `title`; `columns`: their names; `values`: one tuple a row.
    """

    title: str
    columns: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    def rows(self) -> list[dict[str, Any]]:
        """One dictionary a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.values]

    def to_json(self) -> str:
        """One JSON object a line; what is not finite is null."""
        return "\n".join(json.dumps(plain(row)) for row in self.rows())

    def only(self, *columns: str) -> "Table":
        """The same table with these columns alone."""
        rows = tuple(tuple(row[name] for name in columns) for row in self.rows())
        return Table(self.title, columns, rows)

    def cells(self) -> list[tuple[str, ...]]:
        """The values as they are shown."""
        return [tuple(map(_shown, row)) for row in self.values]

    def text(self, width: int = 100) -> str:
        """The table in at most `width` columns: what does not fit goes below.

        Heads are broken at their underscores.
        """
        cells = self.cells()
        sizes = [
            max(len(text) for text in (*name.split("_"), *(row[k] for row in cells)))
            for k, name in enumerate(self.columns)
        ]
        parts = [self.title]
        for chosen in _groups(self.columns, sizes, width):
            names = [self.columns[k] for k in chosen]
            rows = [[row[k] for k in chosen] for row in cells]
            parts += lines([*heads(names), *rows], [sizes[k] for k in chosen])
            parts.append("")
        return "\n".join(parts[:-1])

    def __repr__(self) -> str:
        return self.text()


def heads(names: Sequence[str]) -> list[list[str]]:
    """Column heads, a word a line, the last one on the last."""
    words = [name.split("_") for name in names]
    tall = max(map(len, words))
    filled = [[""] * (tall - len(head)) + head for head in words]
    return [list(line) for line in zip(*filled, strict=True)]


def lines(rows: Sequence[Sequence[str]], sizes: Sequence[int]) -> list[str]:
    """Rows with their cells padded to `sizes`."""
    pad = lambda row: "  ".join(c.ljust(w) for c, w in zip(row, sizes, strict=True))
    return [pad(row).rstrip() for row in rows]


def _groups(columns: Sequence[str], sizes: Sequence[int], width: int):
    """Columns that fit side by side; those that name a row stand in every group."""
    names = [k for k, name in enumerate(columns) if name in _NAMES]
    first = sum(sizes[k] + 2 for k in names)
    groups, used = [[*names]], first
    for k in range(len(columns)):
        if k in names:
            continue
        if used + sizes[k] > width and len(groups[-1]) > len(names):
            groups.append([*names])
            used = first
        groups[-1].append(k)
        used += sizes[k] + 2
    return groups


_NAMES = ("rule", "leaf")


def plain(value: Any) -> Any:
    """`value` for JSON: what is not finite, however deep inside, is None."""
    if isinstance(value, dict):
        return {name: plain(inside) for name, inside in value.items()}
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
