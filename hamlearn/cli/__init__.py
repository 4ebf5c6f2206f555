"""The `hamlearn` command: one file a command, each parses, calls, prints and saves."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from . import audit, compare, conform, reproduce, track


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status is 2 for bad arguments."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (ValueError, FileNotFoundError) as error:
        print(f"hamlearn {arguments.command}: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hamlearn", description="Learning as dynamics, from one Hamiltonian."
    )
    parser.add_argument("--version", action="version", version=version("hamlearn"))
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (track, compare, audit, conform, reproduce):
        command.add_arguments(commands)
    return parser
