"""How a law is drawn: in one colour, with one mark, in every figure."""

from collections.abc import Iterable
from dataclasses import dataclass

from ._style import COLOURS

_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", ":")
#: Known laws by a short name; each has the look of its place.
_KNOWN = (
    "flip", "gle", "rtrl", "stlp", "le", "snap1", "bptt",
    "instantaneous", "rflo", "eprop", "uoro", "kfrtrl", "vle", "frozen",
    "nla", "feedbackalignment", "recurrentbackprop", "snap2", "snap3",
)  # fmt: skip
_ALIASES = {"hamiltonianlearning": "flip"}


@dataclass(frozen=True)
class Look:
    """A colour, a mark and the dashes of a line, as matplotlib calls them."""

    colour: str
    mark: str
    dashes: str


def looks(names: Iterable[str]) -> dict[str, Look]:
    """How each of several laws is drawn, no two alike.

    A law has the same look everywhere, whatever else is drawn. Names of no known law,
    and a second variant of one, take the first looks that are free.

    **Arguments:** `names`: titles of laws, or their names on the command line: `BPTT`,
    `e-prop`, `Hamiltonian learning, SignFlip`.
    """
    names, places = list(dict.fromkeys(names)), {}
    for name in names:
        place = _place(name)
        if place is not None and place not in places.values():
            places[name] = place
    free = (k for k in range(len(_KNOWN) + len(names)) if k not in places.values())
    rest = {name: next(free) for name in names if name not in places}
    return {name: _look((places | rest)[name]) for name in names}


def _place(name: str) -> int | None:
    """The place of a known law; what follows a comma says more of it."""
    short = "".join(filter(str.isalnum, name.split(",")[0].lower()))
    short = _ALIASES.get(short, short)
    return _KNOWN.index(short) if short in _KNOWN else None


def _look(place: int) -> Look:
    count = len(COLOURS)
    turn, k = divmod(place, count)
    return Look(COLOURS[k], _MARKS[(k + turn) % count], _DASHES[turn % len(_DASHES)])
