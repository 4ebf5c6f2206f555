"""Names on the command line: those that nobody knows are refused."""

import sys
from collections.abc import Iterable
from typing import NoReturn


def chosen(option: str, asked: Iterable[str] | None, known: Iterable[str]) -> list[str]:
    """The names that were asked for, in the order in which they are known.

    Without any, all of them. Names that are not known end the program.
    """
    known = list(known)
    if asked is None:
        return known
    asked = list(asked)
    unknown = [name for name in asked if name not in known]
    if unknown:
        refuse(option, unknown, known)
    return [name for name in known if name in asked]


def refuse(option: str, unknown: Iterable[str], known: Iterable[str]) -> NoReturn:
    """End the program, as argparse does, with the names that are known."""
    print(
        f"{option} takes {', '.join(known)}, not {', '.join(unknown)}", file=sys.stderr
    )
    raise SystemExit(2)
