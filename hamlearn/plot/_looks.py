"""How a law is drawn: in one colour, with one mark, in every figure."""

from collections.abc import Iterable
from dataclasses import dataclass

from ._style import COLOURS

_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", "--", ":", "-.")
#: Known laws by a short name; each has the look of its place.
_KNOWN = (
    "flip", "gle", "rtrl", "stlp", "le", "snap1", "bptt",
    "instantaneous", "rflo", "eprop", "uoro", "kfrtrl", "vle", "frozen",
    "nla", "feedbackalignment", "recurrentbackprop", "snap2", "snap3",
    "immediate", "hops", "diagonal", "stack", "atonce", "spatial",
)  # fmt: skip
_ALIASES = {
    "hamiltonianlearning": "flip", "signflip": "flip", "diagonalrtrl": "diagonal",
    "hoptraces": "hops", "spatialtrace": "spatial", "frozenrecurrence": "frozen",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """A colour, a mark and the dashes of a line, as matplotlib calls them."""

    colour: str
    mark: str
    dashes: str


def looks(names: Iterable[str]) -> dict[str, Look]:
    """How each of several laws is drawn, no two alike.

    A law has the same look everywhere, whatever else is drawn. Names of no known law,
    and a second variant of one, take looks that are free, in other colours first.

    **Arguments:** `names`: titles of laws, or their names on the command line: `BPTT`,
    `e-prop`, `Hamiltonian learning, SignFlip`.
    """
    names, places = list(dict.fromkeys(names)), {}
    for name in names:
        place = _place(name)
        if place is not None and place not in places.values():
            places[name] = place
    for name in names:
        if name not in places:
            places[name] = _free(set(places.values()), len(names))
    return {name: _look(places[name]) for name in names}


def _free(taken: set[int], more: int) -> int:
    """The first place that is free, of a colour that is free if there is one."""
    colours = {place % len(COLOURS) for place in taken}
    free = [k for k in range(len(_KNOWN) + more) if k not in taken]
    return min(free, key=lambda k: (k % len(COLOURS) in colours, k))


def _place(name: str) -> int | None:
    """The place of a known law; what follows a comma says more of it."""
    short = "".join(filter(str.isalnum, name.split(",")[0].lower()))
    short = _ALIASES.get(short, short)
    return _KNOWN.index(short) if short in _KNOWN else None


def _look(place: int) -> Look:
    count = len(COLOURS)
    turn, k = divmod(place, count)
    return Look(COLOURS[k], _MARKS[(k + turn) % count], _DASHES[turn % len(_DASHES)])
