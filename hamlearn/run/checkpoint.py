"""Saving a running stream to a directory, and going on from there."""

import time
import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import equinox as eqx
import jax

from .. import _checks
from ..laws.base import State
from ..networks.portable import from_bytes, to_bytes
from .fingerprint import Fingerprint
from .records import Piece, Records
from .saved import End, Journal, Saved, files, name_of, newest
from .seen import Seen


@dataclass(frozen=True)
class At:
    """Where a run is: its state, after how many samples, and which ones they were."""

    state: State
    position: int
    seen: Seen


@dataclass(frozen=True)
class _Last:
    """What the last checkpoint holds."""

    position: int
    pieces: int
    end: End


class Checkpoint:
    """Writes state and records of a stream; does nothing without a path.

    A folder holds the two last `state-N.ckpt`, each written aside and moved into
    place, and all records in one file that only grows. An interruption, whenever it
    comes, leaves a whole checkpoint.
    """

    def __init__(
        self,
        path: str | Path | None,
        every: tuple[int, float],
        fingerprint: Fingerprint | None,
    ):
        self.path = None if path is None else Path(path)
        self.samples, self.seconds = every
        self.fingerprint = fingerprint
        self._journal = None if self.path is None else Journal(self.path)
        self._last: _Last | None = None
        self._clock = time.monotonic()

    def first(self, at: At, records: Records) -> None:
        """Save before the first sample: what cannot be saved fails before the work.

        **Raises:** `ValueError` over an older run.
        """
        if self.path is None:
            return
        for old in [*files(self.path), *self.path.glob("checkpoint.json")]:
            got = f"{self.path} with {old.name} of a run"
            wanted = "a new folder (`resume` goes on with the run in an old one)"
            _checks.reject("checkpoint", wanted, got)
        self._write(at, records)

    def maybe(self, at: At, records: Records) -> None:
        """Save when enough samples have passed, or enough time."""
        if self._last is None:
            return
        late = time.monotonic() - self._clock >= self.seconds
        if late or at.position - self._last.position >= self.samples:
            self.now(at, records)

    def now(self, at: At, records: Records) -> None:
        """Save, unless nothing has happened since the last time.

        A full disk costs the checkpoint, not the run: it warns, and tries again the
        next time.
        """
        if self._last is None or at.position == self._last.position:
            return
        try:
            self._write(at, records)
        except OSError as error:
            self._clock = time.monotonic()
            text = f"The checkpoint after {at.position} samples was not saved: {error}."
            warnings.warn(text, UserWarning, stacklevel=2)

    def _write(self, at: At, records: Records) -> None:
        assert self.path is not None
        assert self._journal is not None
        assert self.fingerprint is not None
        last = self._last or _Last(-1, 0, End())
        end = self._journal.append(records.pieces[last.pieces :], last.end)
        data, missing = to_bytes(at.state)
        index = {
            "samples": at.position,
            "records": end.as_dict(),
            "missing": missing,
            "fingerprint": self.fingerprint.as_dict(),
            "seen": at.seen.sums,
        }
        Saved(index, data).write(self.path / name_of(at.position))
        # Only now do the records count as written, also where an interruption comes.
        self._last = _Last(at.position, len(records.pieces), end)
        kept = {name_of(at.position), name_of(last.position)}
        self._clock = time.monotonic()
        for old in files(self.path):
            if old.name not in kept:
                old.unlink(missing_ok=True)

    def restore(self, template: State) -> tuple[At, Records]:
        """Where the last whole checkpoint is, and the records up to there.

        **Arguments:** `template`: the state of this run before its first sample.

        **Raises:** `ValueError` when there is none, or it is of another run.
        """
        assert self.path is not None
        assert self._journal is not None
        assert self.fingerprint is not None
        fingerprint, journal = self.fingerprint, self._journal

        def records_of(saved: Saved) -> tuple[list[Piece], End]:
            fingerprint.check(saved.index["fingerprint"])
            return journal.read(saved.index["records"])

        saved, (pieces, end) = newest(self.path, records_of)
        position, seen = saved.index["samples"], Seen(tuple(saved.index["seen"]))
        self._last = _Last(position, len(pieces), end)
        state = _filled(template, from_bytes(saved.state), self.path)
        return At(state, position, seen), Records(pieces)


def _filled(template: State, state: State, path: Path) -> State:
    """Arrays from a checkpoint, functions of this process."""
    like = lambda s: [leaf for leaf in jax.tree.leaves(s) if eqx.is_array(leaf)]
    kinds = lambda s: [(leaf.shape, leaf.dtype) for leaf in like(s)]
    if kinds(state) != kinds(template):
        _checks.reject("checkpoint", "of the same law and network", str(path))
    arrays = iter(like(state))
    put = lambda leaf: next(arrays) if eqx.is_array(leaf) else leaf
    return jax.tree.map(put, template)


def load_state(path: str | Path) -> State:
    """The state of the last checkpoint in a folder, to give to `stream`.

    Where that one is damaged, it warns and takes the one before.

    **Raises:** `ValueError` when there is none, or when its network holds a function
    that cannot be found by its name (a lambda, say; `resume` can do without). A
    checkpoint is a pickle: open only your own.
    """
    _checks.instance("path", path, (str, PathLike))
    saved, _ = newest(Path(path), lambda saved: None)
    for name in saved.index["missing"]:
        wanted = "of functions that can be imported, or given to `resume`"
        _checks.reject("checkpoint", wanted, f"one with `{name}`")
    return from_bytes(saved.state)
