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
        data, missing = to_bytes(state)
        (self.path / name).write_bytes(data)
        index = {"samples": position, "state": name, "records": pieces}
        index["missing"] = missing
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

    **Raises:** `ValueError` when there is none, or when its network holds a function
    that cannot be found by its name (a lambda, say; `resume` can do without). A
    checkpoint is a pickle: open only your own.
    """
    index = _index(path)
    for name in index["missing"]:
        wanted = "of functions that can be imported, or given to `resume`"
        _checks.reject("checkpoint", wanted, f"one with `{name}`")
    return _saved(path, index)


def restore(
    path: str | Path, template: State, fingerprint: Fingerprint | None
) -> tuple[State, Records, int]:
    """(state, records, samples seen) of the last checkpoint in `path`.

    **Raises:** `ValueError` when there is none, or it is of another run.
    """
    index = _index(path)
    assert fingerprint is not None
    fingerprint.check(index["fingerprint"])
    state = _saved(path, index)
    like = lambda s: [leaf for leaf in jax.tree.leaves(s) if eqx.is_array(leaf)]
    kinds = lambda s: [(leaf.shape, leaf.dtype) for leaf in like(s)]
    if kinds(state) != kinds(template):
        _checks.reject("checkpoint", "of the same law and network", str(path))
    # Arrays from there, functions of this process.
    arrays = iter(like(state))
    put = lambda leaf: next(arrays) if eqx.is_array(leaf) else leaf
    state = jax.tree.map(put, template)
    return state, Records.load(Path(path), index["records"]), index["samples"]


def _index(path: str | Path) -> dict[str, Any]:
    file = Path(path) / "checkpoint.json"
    if not file.exists():
        _checks.reject("checkpoint", "a directory with a `checkpoint.json`", str(path))
    return json.loads(file.read_text())


def _saved(path: str | Path, index: dict[str, Any]) -> State:
    return from_bytes((Path(path) / index["state"]).read_bytes())
