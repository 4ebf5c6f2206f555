"""Results as the prose needs them: rows, claims by name, numbers as written."""

import json
import math
import re
from statistics import median
from typing import Any

from ._record import RESULTS

#: RMSE of predicting zero on a sine of amplitude a half.
ZERO = f"{math.sqrt(1 / 8):.3f}"
#: Sentences with blanks, and what stands in these.
Said = list[tuple[str, *tuple[str, ...]]]


def record(name: str) -> dict[str, Any]:
    """A file of results, whole."""
    return json.loads((RESULTS / name).read_text())


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a file of results."""
    if name.endswith(".jsonl"):
        lines = (RESULTS / name).read_text().splitlines()
        return [json.loads(line) for line in lines]
    return record(name)["rows"]


def the(found: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The one row with these values."""
    (row,) = [r for r in found if all(r.get(k) == v for k, v in wanted.items())]
    return row


def claims() -> dict[str, float]:
    """What `hamlearn reproduce all` measured of the claims of the papers, by name."""
    return {row["name"]: row["value"] for row in rows("claims.jsonl")}


def verdicts() -> dict[str, str]:
    """What was said of each of them."""
    return {row["name"]: row["verdict"] for row in rows("claims.jsonl")}


def dot(value: float, digits: int = 2) -> str:
    """.22"""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def power(value: float, digits: int = 0) -> str:
    """5.6e-4, 1e27"""
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def short(value: float) -> str:
    """1644, 91.7"""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def error(value: float) -> str:
    """.49, 3.8e-3"""
    return dot(value) if 0.095 <= value < 10 else power(value, 1)


def span(runs: list[float], digits: int = 1) -> str:
    """5.1 (4.0 to 9.0)"""
    return (
        f"{median(runs):.{digits}f} ({min(runs):.{digits}f} to {max(runs):.{digits}f})"
    )
