"""What several commands do: words for objects, pictures, versions."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def choice(option: str, word: str, known: Iterable[str], more: str = "") -> None:
    """**Raises:** `ValueError` for a word that is not known, with those that are."""
    known = list(known)
    if word not in known:
        wanted = f"one of {', '.join(known)}{more}"
        raise ValueError(f"`{option}` must be {wanted}, but is {word!r}.")


def width() -> int:
    """Columns of the terminal, 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def picture(draw: Callable[[], Any], path: Path) -> list[Path]:
    """`draw()`, saved at `path`; nothing, with a word, where matplotlib is missing."""
    try:
        figure = draw()
    except ImportError as error:
        print(f"hamlearn: {error}", file=sys.stderr)
        return []
    figure.savefig(path, dpi=150)
    return [path]


def versions() -> dict[str, str]:
    """What a record was made with."""
    found = {name: version(name) for name in ("hamlearn", "jax", "jaxlib")}
    return found | {"python": platform.python_version()}


def add_out(add: Any, what: str) -> None:
    """`--out` and `--json`, the same for all commands that save."""
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="default ./out")
    add("--json", action="store_true", help=f"print {what}, nothing else")
