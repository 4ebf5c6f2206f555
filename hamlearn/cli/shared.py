"""What several commands do: words for objects, pictures, versions."""

import argparse
import os
import platform
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ..tasks import Recording


def choice(option: str, word: str, known: Iterable[str], more: str = "") -> None:
    """**Raises:** `ValueError` for a word that is not known, with those that are."""
    known = list(known)
    if word not in known:
        from .. import _checks

        _checks.reject(option, f"one of {_checks.listed(known)}{more}", repr(word))


def add_reading(add: Any) -> None:
    """How to read a file, where what is found out is not what is meant."""
    add("--column", help="value column of a file, by name or number")
    add("--time", metavar="COLUMN", help="column of times; none: evenly spaced rows")
    add("--delimiter", metavar="C", help="between cells: a character, tab or space")
    add("--decimal", choices=(".", ","), help="decimal mark")


def is_file(word: str) -> bool:
    """Whether a word means a file of data: by how it ends, or because it is there."""
    usual = (".csv", ".tsv", ".txt", ".dat")
    return Path(word).suffix.lower() in usual or Path(word).is_file()


def without_file(arguments: argparse.Namespace, option: str, *more: str) -> None:
    """**Raises:** `ValueError` where no file is read, but it is said how to."""
    for name in ("column", "time", "delimiter", "decimal", *more):
        if getattr(arguments, name) is not None:
            wanted = f"`--{option}` must be a file where `--{name}` is given"
            raise ValueError(f"{wanted}, but is {getattr(arguments, option)}.")


def recording(arguments: argparse.Namespace, path: str, *columns: str) -> "Recording":
    """The file at `path`, once it is said how it was understood."""
    from ..tasks import read

    found = read(
        path,
        *columns,
        time=arguments.time,
        delimiter=arguments.delimiter,
        decimal=arguments.decimal,
    )
    print(found, file=sys.stderr if arguments.json else sys.stdout, flush=True)
    return found


@runtime_checkable
class Readable(Protocol):
    """What gives lines."""

    def readline(self) -> str: ...


class Lines:
    """Lines of a stream as they come, ended by Ctrl-C or SIGTERM as by its end.

    A signal while a line is waited for ends the wait; otherwise what has come is
    worked on first, and no further line is taken.
    """

    def __init__(self, source: Readable):
        self.source, self.stopped, self._waits = source, False, False

    def __enter__(self) -> "Lines":
        kinds = signal.SIGINT, signal.SIGTERM
        self._before = [(kind, signal.signal(kind, self._stop)) for kind in kinds]
        return self

    def __exit__(self, *error: object) -> None:
        for kind, before in self._before:
            signal.signal(kind, before)

    def __iter__(self) -> Iterator[str]:
        while not self.stopped:
            try:
                self._waits = True
                line = self.source.readline()
                self._waits = False
            except KeyboardInterrupt:
                return
            if not line:
                return
            yield line

    def _stop(self, number: int, frame: object) -> None:
        self.stopped = True
        if self._waits:
            self._waits = False
            raise KeyboardInterrupt


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
    _close(figure)
    return [path]


def _close(figure: Any) -> None:
    from matplotlib import pyplot

    pyplot.close(figure)


def versions() -> dict[str, str]:
    """What a record was made with."""
    found = {name: version(name) for name in ("hamlearn", "jax", "jaxlib")}
    return found | {"python": platform.python_version()}


def add_save(add: Any, what: str) -> None:
    """`--save`, for what has been learned."""
    add("--save", type=_file, metavar="NET.npz", help=f"write {what} there")


def add_out(add: Any, what: str) -> None:
    """`--out` and `--json`, the same for all commands that save."""
    add("--out", type=_folder, default="out", metavar="DIR", help="default ./out")
    add("--json", action="store_true", help=f"print {what}, nothing else")


def _folder(word: str) -> Path:
    """A folder that is there or can be made: no run is to end at one that cannot."""
    there = Path(word).absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        wanted = "a folder that can be written to"
        raise argparse.ArgumentTypeError(f"must be {wanted}, but is {word!r}")
    return Path(word)


def _file(word: str) -> Path:
    """A file that can be made, or written over."""
    path = Path(word)
    if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
        wanted = "a file that can be written to"
        raise argparse.ArgumentTypeError(f"must be {wanted}, but is {word!r}")
    _folder(str(path.parent))
    return path
