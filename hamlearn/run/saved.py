"""One file a checkpoint, one for all records: whole or refused by name."""

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from .. import _checks
from .records import Piece, from_frames, to_frame

MAGIC = b"hamlearn-checkpoint"
"""The first word of a checkpoint."""
FORMAT = 2
"""How a checkpoint is written; 1 was a `checkpoint.json` beside three kinds of file."""
RECORDS = "records.bin"

Found = TypeVar("Found")


class UnusableError(Exception):
    """What is wrong with a file, as the end of a sentence."""


@dataclass(frozen=True)
class Saved:
    """A checkpoint: what it says about itself, and a pickled state."""

    index: dict[str, Any]
    state: bytes

    def write(self, file: Path) -> None:
        """Write all of it, or leave what was there.

        A line with the format, a length and a SHA-256 of the rest; a line of JSON;
        the state.
        """
        rest = json.dumps(self.index).encode() + b"\n" + self.state
        digest = hashlib.sha256(rest).hexdigest()
        draft = file.with_name(file.name + ".part")
        try:
            with draft.open("wb") as stream:
                stream.write(MAGIC + f" {FORMAT} {len(rest)} {digest}\n".encode())
                stream.write(rest)
                _to_disk(stream)
            os.replace(draft, file)
        finally:
            draft.unlink(missing_ok=True)

    @classmethod
    def read(cls, file: Path) -> "Saved":
        """**Raises:** `UnusableError` for what is not a whole checkpoint."""
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UnusableError(f"cannot be read ({error.strerror})") from error
        rest = _body(data)
        line, _, state = rest.partition(b"\n")
        index = json.loads(line)
        if name_of(index["samples"]) != file.name:
            raise UnusableError(f"holds {name_of(index['samples'])}")
        return cls(index, state)


def _body(data: bytes) -> bytes:
    head, _, rest = data.partition(b"\n")
    words = head.split(b" ")
    if words[0] != MAGIC or len(words) != 4:
        short = len(head) < 100 and MAGIC.startswith(words[0])
        raise UnusableError("is truncated" if short else "is not a checkpoint")
    if words[1] != str(FORMAT).encode():
        known = words[1].isdigit() and int(words[1]) > FORMAT
        later = "is of a later version of hamlearn"
        raise UnusableError(later if known else "is damaged (in its first line)")
    if words[2] != str(len(rest)).encode():
        raise UnusableError("is truncated, or longer than it says")
    if words[3] != hashlib.sha256(rest).hexdigest().encode():
        raise UnusableError("is damaged (its checksum does not fit)")
    return rest


def name_of(samples: int) -> str:
    """The name of a checkpoint after that many samples."""
    return f"state-{samples}.ckpt"


def files(path: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first."""
    found = [f for f in path.glob("state-*.ckpt") if f.stem[6:].isdigit()]
    return sorted(found, key=lambda f: int(f.stem[6:]), reverse=True)


@dataclass(frozen=True)
class End:
    """How far the records are whole: their length in bytes and a hash of them all."""

    size: int = 0
    hash: Any = field(default_factory=hashlib.sha256)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"bytes": self.size, "sha256": self.hash.hexdigest()}


class Journal:
    """The records of a run, in one file that only grows."""

    def __init__(self, path: Path):
        self.file = path / RECORDS

    def append(self, pieces: list[Piece], end: End) -> End:
        """Write `pieces` from `end` on, over what an interruption left behind."""
        data = to_frame(pieces) if pieces else b""
        with self.file.open("r+b" if self.file.exists() else "w+b") as stream:
            stream.truncate(end.size)
            stream.seek(end.size)
            stream.write(data)
            _to_disk(stream)
        total = end.hash.copy()
        total.update(data)
        return End(end.size + len(data), total)

    def read(self, known: dict[str, Any]) -> tuple[list[Piece], End]:
        """The records as they were when `known` was written.

        **Raises:** `UnusableError` where they are no longer.
        """
        try:
            with self.file.open("rb") as stream:
                data = stream.read(known["bytes"])
        except OSError as error:
            raise UnusableError(f"needs `{RECORDS}` ({error.strerror})") from error
        end = End(len(data), hashlib.sha256(data))
        if len(data) != known["bytes"]:
            raise UnusableError(f"needs more records than `{RECORDS}` holds")
        if end.as_dict() != known:
            raise UnusableError(f"needs records that are damaged in `{RECORDS}`")
        return from_frames(data), end


def newest(path: Path, also: Callable[[Saved], Found]) -> tuple[Saved, Found]:
    """(the last usable checkpoint of a folder, what `also` finds in it).

    Warns of every later one that it passes over.

    **Raises:** `ValueError` where there is none, with what is wrong with each.
    """
    wrong = []
    for file in files(path):
        try:
            saved = Saved.read(file)
            found = also(saved)
        except UnusableError as error:
            wrong.append(f"`{file.name}` {error}")
            continue
        if wrong:
            text = f"In {path} {'; '.join(wrong)}: `{file.name}` is taken instead."
            warnings.warn(text, UserWarning, stacklevel=4)
        return saved, found
    got = f"{path}, where {'; '.join(wrong)}" if wrong else f"{path}, without one"
    _checks.reject("checkpoint", "a folder with a whole checkpoint", got)


def _to_disk(stream: Any) -> None:
    stream.flush()
    os.fsync(stream.fileno())
