"""The `hamlearn` command: one file per command, each parses, calls, prints and saves.

What a command needs is imported where it runs, so that `hamlearn --help` is there at
once: it imports no JAX.
"""

import argparse
import sys
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from . import audit, compare, conform, evaluate, reproduce, track

_WHOLE: Any = {"break_on_hyphens": False, "break_long_words": False}

_ABOUT = "Learning as dynamics: laws of learning from one Lagrangian or Hamiltonian."
_EXAMPLES = """examples:
  hamlearn compare                      a map: which law for which problem
  hamlearn compare --task series.csv    laws forecast your own series
  hamlearn compare --task series.csv --save net.npz
  hamlearn evaluate net.npz other.csv   what was learned, on another file
  hamlearn track --target sine          follow a signal, and draw what happened
  hamlearn audit                        which laws are local in space and time
  hamlearn conform cells.py:Cell        your own network under every law
  hamlearn reproduce all                figures and claims of the papers

`hamlearn COMMAND --help` lists the options of a command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    **Returns:** the exit status: 0, 1 where a run diverged, 2 for bad arguments, 130
    where it was interrupted.
    """
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 0
    try:
        return arguments.run(arguments)
    except (ValueError, OSError) as error:
        print(f"hamlearn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hamlearn: interrupted before there was anything", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hamlearn",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=_Examples,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show it and leave")
    commands = parser.add_subparsers(
        title="commands",
        dest="command",
        metavar="COMMAND",
        prog="hamlearn",
        parser_class=cast(Any, partial(argparse.ArgumentParser, formatter_class=_Help)),
    )
    for command in (track, compare, evaluate, audit, conform, reproduce):
        command.add_arguments(commands)
    return parser


class _Help(argparse.HelpFormatter):
    """Help whose words are never broken, at hyphens neither."""

    def _split_lines(self, text, width):
        return textwrap.wrap(" ".join(text.split()), width, **_WHOLE)

    def _fill_text(self, text, width, indent):
        lines = self._split_lines(text, width - len(indent))
        return "\n".join(indent + line for line in lines)


class _Examples(_Help):
    """The same, above examples that stand as they are."""

    def _fill_text(self, text, width, indent):
        return text


class _Version(argparse.Action):
    """Prints the version, which takes a while to look up."""

    def __call__(self, parser, namespace, values, option_string=None):
        from importlib.metadata import version

        print(version("hamlearn"))
        parser.exit()
