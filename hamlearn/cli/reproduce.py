"""`hamlearn reproduce`: the figures and claims of a paper."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import shared

if TYPE_CHECKING:
    from ..papers import Claim

PAPERS = "nilp, stlp, gle, echo or mnist1d"


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "reproduce",
        help="redraw the figures of a paper and check its claims",
        description="Redraw the figures of a paper and check its claims.",
    )
    command.add_argument(
        "name",
        metavar="NAME",
        help=f"{PAPERS}; all: every one of them that takes minutes, as one HTML page",
    )
    shared.add_out(command.add_argument, "one JSON object per claim")
    command.add_argument("--quick", action="store_true", help="shorter, for a look")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import jax

    from ..papers import NAMES, about, write_page
    from ..run.patience import Patience

    shared.choice("NAME", arguments.name, (*NAMES, "all"))
    jax.config.update("jax_enable_x64", True)
    found: dict[str, list[Claim]] = {}
    if arguments.name != "all":
        print(about(arguments.name), file=sys.stderr)
    if not arguments.json:
        print(f"{'claim':<34} {'measured':>11} {'expected':>16}  verdict")
    with Patience(f"reproduce {arguments.name}") as patience:
        for name, claim in _claims(arguments):
            found.setdefault(name, []).append(claim)
            with patience.aside():
                _show(claim, as_json=arguments.json)
            patience.hear(f"after {claim.name}")
    claims = [claim for each in found.values() for claim in each]
    surprises = sum(not claim.within_bound for claim in claims)
    where = f"figures in {arguments.out / arguments.name}"
    if arguments.name == "all":
        where = f"page at {write_page(arguments.out, found)}"
    print(
        f"{len(claims)} claims checked, {surprises} outside the expected bounds (!); "
        f"{where}",
        file=sys.stderr,
    )
    return 0


def _claims(arguments: argparse.Namespace) -> Iterator[tuple[str, "Claim"]]:
    """(name of the paper, claim), as they are found."""
    from ..papers import everything, reproduce

    out: Path = arguments.out
    if arguments.name == "all":
        yield from everything(out, quick=arguments.quick)
        return
    for claim in reproduce(arguments.name, out, quick=arguments.quick):
        yield arguments.name, claim


def _show(claim: "Claim", *, as_json: bool) -> None:
    if as_json:
        print(claim.to_json(), flush=True)
        return
    mark = " " if claim.within_bound else "!"
    figures = f"{claim.value:>11.4g} {claim.bound():>16}"
    print(f"{claim.name:<34} {figures} {mark}{claim.verdict}", flush=True)
