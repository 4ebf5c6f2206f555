"""What stands in a cell of a text file: a number, or nothing, in any country's way."""

import re
from collections.abc import Callable, Iterable

from .. import _checks

#: What is written where there is no value.
NOTHING = frozenset(
    [
        "nan",
        "na",
        "n/a",
        "n.a.",
        "#n/a",
        "#na",
        "<na>",
        "nat",
        "null",
        "(null)",
        "none",
        "nil",
        "missing",
        "-",
        "--",
        "---",
        "?",
        ".",
    ]
) | {""}
_SPACES = re.compile("[\\s\u00a0\u2009\u202f]")
_LIKE = re.compile(r"[+-]?[\d.,']*\d[\d.,']*([eE][+-]?\d+)?")
_GROUPS = {
    mark: re.compile(rf"[+-]?\d{{1,3}}(?:[{other}'\s]\d{{3}})+(?:{mark}\d*)?")
    for mark, other in ((r"\.", ","), (",", r"\."))
}
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def empty(cell: str) -> bool:
    """Whether there is no value, or a word that says so."""
    return cell.strip().lower() in NOTHING


def like_number(cell: str) -> bool:
    """Whether a number stands there, whatever the decimal mark."""
    plain = _SPACES.sub("", cell).replace("\u2212", "-")
    return _LIKE.fullmatch(plain) is not None or plain.lower().lstrip("+-") == "inf"


def reader(decimal: str) -> Callable[[str], float | None]:
    """cell -> its number, NaN where there is none, None where it is something else."""

    def number(cell: str) -> float | None:
        if decimal == "." or ("," not in cell and "." not in cell):
            found = _float(cell)
            if found is not None:
                return found
        if empty(cell):
            return float("nan")
        cell = cell.strip().replace("\u2212", "-")
        if _GROUPS[r"\." if decimal == "." else ","].fullmatch(cell):
            other = "," if decimal == "." else "."
            cell = _SPACES.sub("", cell).replace(other, "").replace("'", "")
        elif decimal == "," and "." in cell:
            return None
        return _float(cell.replace(decimal, "."))

    return number


def _float(cell: str) -> float | None:
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def decimal_mark(rows: Iterable[list[str]], delimiter: str | None) -> str:
    """The decimal mark that the cells show: "." or ",".

    **Raises:** `ValueError` where "1,234" may be either of two numbers.
    """
    either, long = "", False
    for cell in (cell for row in rows for cell in row):
        core = _SPACES.sub("", cell).lstrip("+-\u2212")
        if not _LIKE.fullmatch(core):
            continue
        commas, dots = core.count(","), core.count(".")
        long = long or (not commas and not dots and len(core) > 4)
        if commas and dots:
            return "," if core.rindex(",") > core.rindex(".") else "."
        if commas == 1 and _EITHER.fullmatch(core):
            either = either or cell
        elif commas:
            return "," if commas == 1 else "."
        elif dots == 1 and not re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", core):
            return "."
    if not either or delimiter == ",":
        return "."
    if long or delimiter == ";":
        return ","
    wanted = f"'.' or ',', because {either!r} may be either of two numbers"
    _checks.reject("decimal", wanted, "not given")
