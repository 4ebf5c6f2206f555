"""`hamlearn audit`: which laws are local in space and time, and causal."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from . import shared

if TYPE_CHECKING:
    from ..run.tables import Table


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "audit",
        help="measure which laws are local in space and time",
        description="Perturb every number that each law carries and see what changes: "
        "is it local in space (within one edge, or as many as the law is given "
        "exchanges), local in time (nothing stored has an axis of time), causal, what "
        "does it store beside state and weights, does it need weight transport. "
        "Measured on a ring or a row of 14 neurons; `hops` is the number of edges "
        "found, - where something belongs to no place.",
    )
    command.add_argument(
        "laws", nargs="*", metavar="LAW", help="only laws whose name starts so"
    )
    command.add_argument("--json", action="store_true", help="one JSON object per law")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import jax

    from ..analysis.laws import audited_laws
    from ..analysis.locality import COLUMNS, locality
    from ..run.patience import Patience

    jax.config.update("jax_enable_x64", True)
    laws = audited_laws()
    for word in arguments.laws:
        if not any(_asked(name, [word]) for name in laws):
            shared.choice("LAW", word, laws)
    names = [name for name in laws if _asked(name, arguments.laws)]
    width = max(map(len, [*names, "law"]))
    with Patience("audit", len(names)) as patience:
        for k, name in enumerate(names):
            patience.at(name)
            table = locality({name: laws[name]}, progress=False)
            if arguments.json:
                text = table.only(*COLUMNS).to_json()
            else:
                # One row at a time, as each takes a moment: the heads' width is fixed.
                head, text = _lines(table, width)
                text = f"{head}\n{text}" if k == 0 else text
            with patience.aside():
                print(text, flush=True)
    if not arguments.json:
        print("measured by perturbation, bit by bit", file=sys.stderr)
    return 0


def _asked(name: str, starts: list[str]) -> bool:
    """Whether a law is among those asked for, all of them where none is named."""
    return name.lower().startswith(tuple(start.lower() for start in starts) or "")


def _lines(table: "Table", width: int) -> tuple[str, str]:
    """(heads, row) of a table of one law."""
    from ..run.tables import heads, lines

    widest = lambda name: max(len(_WIDEST), *map(len, name.split("_")))
    sizes = [width, *map(widest, table.columns[1:])]
    *top, row = lines([*heads(table.columns), table.cells()[0]], sizes)
    return "\n".join(top), row


_WIDEST = "58.3"  # of all numbers
