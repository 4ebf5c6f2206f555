"""Markdown tables, and numbers in words."""

from collections.abc import Callable, Sequence
from typing import Any

from ._measure import exponent

Record = dict[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def grid(
    rows: Sequence[Record],
    down: str,
    across: str,
    cell: Callable[[Record], Any],
    floors: Sequence[Sequence[Any]] = (),
) -> str:
    """A table of `cell(row)`: values of `down` by rows, of `across` by columns."""
    columns = list(dict.fromkeys(row[across] for row in rows))
    cells = {(row[down], row[across]): cell(row) for row in rows}
    names = dict.fromkeys(row[down] for row in rows)
    body = [[name, *[cells.get((name, c), "") for c in columns]] for name in names]
    return table([down, *map(str, columns)], [*body, *floors])


def us(row: Record) -> str:
    """Median and middle half."""
    v = row["us_per_sample"]
    return f"{v['median']:.3g} ({v['low']:.3g} .. {v['high']:.3g})"


def spread(row: Record, name: str) -> str:
    """A ratio with its middle half, empty where there is none."""
    return _around(row.get(name), "low", "high")


def extremes(row: Record, name: str) -> str:
    """A median with its least and greatest value, empty where there is none."""
    return _around(row.get(name), "min", "max")


def _around(v: Record | None, low: str, high: str) -> str:
    return "" if v is None else f"{v['median']:.2f} ({v[low]:.2f} .. {v[high]:.2f})"


def size(count: float | None) -> str:
    """Bytes in words."""
    if count is None:
        return ""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def growth(record: Record, name: str) -> str:
    """The exponents of a record, worked out where its run was cut short."""
    found = record["exponents"] or _exponents(record["rows"], name)
    rows = [(law, f"{value:.2f}") for law, value in found.items() if value is not None]
    return table(
        ("law", f"exponent of the time in {name}, over the larger sizes"), rows
    )


def _exponents(rows: list[Record], name: str) -> dict[str, float | None]:
    key = {"n": "neurons"}.get(name, name)
    done = [row for row in rows if "not_run" not in row]
    found = {}
    for law in dict.fromkeys(row["law"] for row in done):
        mine = [row for row in done if row["law"] == law]
        sizes = [row[key] for row in mine]
        found[law] = exponent(sizes, [r["us_per_sample"]["median"] for r in mine])
    return found


def slope(record: Record, name: str) -> str:
    value = record["exponents"].get(name)
    return "" if value is None else f"{value:.2f}"
