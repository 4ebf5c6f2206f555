"""`hamlearn reproduce`: the figures and claims of a paper."""

import argparse
import sys
from pathlib import Path
from typing import Any

import jax

from ..reproduce import NAMES, Claim, about, reproduce


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "reproduce",
        help="redraw the figures of a paper and check its claims",
        description="Redraw the figures of a paper and check its claims.",
    )
    command.add_argument("name", choices=NAMES, help="which paper")
    command.add_argument("--out", type=Path, default=Path("out"), metavar="DIR")
    command.add_argument("--json", action="store_true", help="one JSON object a claim")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    jax.config.update("jax_enable_x64", True)
    claims: list[Claim] = []
    print(about(arguments.name), file=sys.stderr)
    if not arguments.json:
        print(f"{'claim':<34} {'measured':>11} {'expected':>16}  verdict")
    for claim in reproduce(arguments.name, arguments.out):
        claims.append(claim)
        if arguments.json:
            print(claim.to_json(), flush=True)
        else:
            mark = " " if claim.within_bound else "!"
            figures = f"{claim.value:>11.4g} {claim.bound():>16}"
            print(f"{claim.name:<34} {figures} {mark}{claim.verdict}", flush=True)
    surprises = sum(not claim.within_bound for claim in claims)
    where = arguments.out / arguments.name
    print(
        f"{len(claims)} claims checked, {surprises} outside the expected bounds (!); "
        f"figures in {where}",
        file=sys.stderr,
    )
    return 0
