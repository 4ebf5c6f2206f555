"""Markdown tables and figures in words."""

from collections.abc import Sequence
from typing import Any

Record = dict[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def us(row: Record) -> str:
    """Median and middle half."""
    v = row["us_per_sample"]
    return f"{v['median']:.3g} ({v['low']:.3g} .. {v['high']:.3g})"


def spread(row: Record, name: str) -> str:
    """A ratio with its middle half, empty where there is none."""
    if name not in row:
        return ""
    v = row[name]
    return f"{v['median']:.2f} ({v['low']:.2f} .. {v['high']:.2f})"


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
    shown = [
        f"{law} {value:.2f}"
        for law, value in record["exponents"].items()
        if value is not None
    ]
    return f"Exponent of the time in {name}, over the larger sizes: {', '.join(shown)}."


def slope(record: Record, name: str) -> str:
    value = record["exponents"].get(name)
    return "" if value is None else f"{value:.2f}"
