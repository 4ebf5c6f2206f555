"""Saving a running stream to a directory, and going on from there."""

import json
import os
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from .. import _checks
from ..laws.base import State
from .fingerprint import Fingerprint
from .portable import from_bytes, to_bytes
from .records import Records


class Checkpoint:
    """Writes state and records of a stream; does nothing without a path.

    A directory holds `state-N.pickle` and the records in `records-N.npz` pieces;
    `checkpoint.json` names what belongs together and is replaced last, in one move,
    so that an interruption leaves the previous checkpoint whole.
    """

    def __init__(
        self, path: str | Path | None, every: int, fingerprint: Fingerprint | None
    ):
        self.path = None if path is None else Path(path)
        self.every = every
        self.fingerprint = fingerprint
        self.last: int | None = None

    def maybe(self, state: State, records: Records, position: int) -> None:
        """Save when `every` samples have passed since the last time."""
        if position - (self.last or 0) >= self.every:
            self.now(state, records, position)

    def now(self, state: State, records: Records, position: int) -> None:
        """Save, unless nothing has happened since the last time."""
        if self.path is None or position == self.last:
            return
        assert self.fingerprint is not None
        self.path.mkdir(parents=True, exist_ok=True)
        pieces = records.save(self.path, position)
        name = f"state-{position}.pickle"
        (self.path / name).write_bytes(to_bytes(state))
        index = {"samples": position, "state": name, "records": pieces}
        index["fingerprint"] = self.fingerprint.as_dict()
        draft = self.path / "checkpoint.json.part"
        draft.write_text(json.dumps(index, indent=2))
        os.replace(draft, self.path / "checkpoint.json")
        for old in self.path.glob("state-*.pickle"):
            if old.name != name:
                old.unlink()
        self.last = position


def load_state(path: str | Path) -> State:
    """The state of the last checkpoint in a directory, to give to `stream`.

    **Raises:** `ValueError` when there is none. A checkpoint is a pickle: open only
    your own.
    """
    index = _index(path)
    return from_bytes((Path(path) / index["state"]).read_bytes())


def restore(
    path: str | Path, template: State, fingerprint: Fingerprint | None
) -> tuple[State, Records, int]:
    """(state, records, samples seen) of the last checkpoint in `path`.

    **Raises:** `ValueError` when there is none, or it is of another run.
    """
    index = _index(path)
    assert fingerprint is not None
    fingerprint.check(index["fingerprint"])
    state = load_state(path)
    shapes = lambda s: jax.tree.map(
        lambda a: (a.shape, a.dtype), eqx.filter((s.x, s.w, s.credit, s.update), eqx.is_array)
    )
    if shapes(state) != shapes(template):
        _checks.reject("checkpoint", "of the same law and network", str(path))
    # Functions of this process, arrays of that one.
    arrays = eqx.filter(state, eqx.is_array)
    state = eqx.combine(arrays, eqx.filter(template, eqx.is_array, inverse=True))
    return state, Records.load(Path(path), index["records"]), index["samples"]


def _index(path: str | Path) -> dict[str, Any]:
    file = Path(path) / "checkpoint.json"
    if not file.exists():
        _checks.reject("checkpoint", "a directory with a `checkpoint.json`", str(path))
    return json.loads(file.read_text())
