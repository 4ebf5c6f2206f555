"""Tables that print, and give their rows as plain dictionaries."""

import json
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

    def __repr__(self) -> str:
        lines = [self.columns, *self.cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        pad = lambda line: "  ".join(
            c.ljust(w) for c, w in zip(line, widths, strict=True)
        )
        return "\n".join([self.title, *(pad(line).rstrip() for line in lines)])


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
    return f"{value:.4g}" if isinstance(value, float) else str(value)
