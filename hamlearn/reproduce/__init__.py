"""Figures and claims of the papers, redrawn and checked.

Each module has `run(out, *, quick=False)`, which draws its figures into the directory
`out` as PNG files and gives one `Claim` after the other.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ._claim import Claim as Claim

#: What can be reproduced: one module each.
NAMES = ("nilp", "stlp", "gle", "mnist1d")


def about(name: str) -> str:
    """What is reproduced: which parameters are published, which had to be found."""
    return (import_module(f"{__name__}.{name}").__doc__ or "").strip() + "\n"


def reproduce(name: str, out: Path, *, quick: bool = False) -> Iterator[Claim]:
    """Draw the figures of `name` into `out/name` and yield its claims."""
    module = import_module(f"{__name__}.{name}")
    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    yield from module.run(folder, quick=quick)
