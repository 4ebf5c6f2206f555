"""Figures and claims of the papers, redrawn and checked.

Each module has `run(out, *, quick=False)`, which draws its figures into the directory
`out` as PNG files and gives one `Claim` after the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from ._claim import Claim as Claim
from ._page import page

#: What can be reproduced: one module each.
NAMES = ("nilp", "stlp", "gle", "echo", "mnist1d")


def about(name: str) -> str:
    """What is reproduced: which parameters are published, which had to be found."""
    return (import_module(f"{__name__}.{name}").__doc__ or "").strip() + "\n"


def reproduce(name: str, out: Path, *, quick: bool = False) -> Iterator[Claim]:
    """Draw the figures of `name` into `out/name` and yield its claims."""
    module = import_module(f"{__name__}.{name}")
    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    yield from module.run(folder, quick=quick)


def everything(out: Path, *, quick: bool = False) -> Iterator[tuple[str, Claim]]:
    """All that is drawn without downloads in minutes, as (name, claim).

    MNIST-1D comes from its committed curve; `reproduce("mnist1d", out)` trains.
    """
    for name in NAMES:
        if name != "mnist1d":
            yield from ((name, claim) for claim in reproduce(name, out, quick=quick))
    folder = Path(out) / "mnist1d"
    folder.mkdir(parents=True, exist_ok=True)
    curve = import_module(f"{__name__}._mnist1d_curve")
    yield from (("mnist1d", claim) for claim in curve.run(folder))


def write_page(out: Path, claims: Mapping[str, Sequence[Claim]]) -> Path:
    """One HTML page, figures inside, of claims and of what was drawn into `out`."""
    path = Path(out) / "index.html"
    text = page(claims, Path(out), {name: about(name) for name in claims})
    path.write_text(text, encoding="utf-8")
    return path
