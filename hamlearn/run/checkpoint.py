"""Saving a running stream to a directory, and going on from there."""

import json
import os
from pathlib import Path
from typing import Any

import equinox as eqx

from .. import _checks
from .records import Records


class Checkpoint:
    """Writes state and records of a stream; does nothing without a path.

    A directory holds `state-N.eqx` and the records in `records-N.npz` pieces;
    `checkpoint.json` names what belongs together and is replaced last, in one move,
    so that an interruption leaves the previous checkpoint whole.
    """

    def __init__(self, path: str | Path | None, every: int):
        self.path = None if path is None else Path(path)
        self.every = every
        self.last: int | None = None

    def maybe(self, state: Any, records: Records, position: int) -> None:
        """Save when `every` samples have passed since the last time."""
        if position - (self.last or 0) >= self.every:
            self.now(state, records, position)

    def now(self, state: Any, records: Records, position: int) -> None:
        """Save, unless nothing has happened since the last time."""
        if self.path is None or position == self.last:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        pieces = records.save(self.path, position)
        name = f"state-{position}.eqx"
        eqx.tree_serialise_leaves(self.path / name, state)
        index = {"samples": position, "state": name, "records": pieces}
        draft = self.path / "checkpoint.json.part"
        draft.write_text(json.dumps(index, indent=2))
        os.replace(draft, self.path / "checkpoint.json")
        for old in self.path.glob("state-*.eqx"):
            if old.name != name:
                old.unlink()
        self.last = position


def restore(path: str | Path, template: Any) -> tuple[Any, Records, int]:
    """(state, records, samples seen) of the last checkpoint in `path`.

    **Raises:** `ValueError` when there is none, or its state is not like `template`.
    """
    path = Path(path)
    if not (path / "checkpoint.json").exists():
        _checks.reject("checkpoint", "a directory with a `checkpoint.json`", str(path))
    index = json.loads((path / "checkpoint.json").read_text())
    try:
        state = eqx.tree_deserialise_leaves(path / index["state"], template)
    except (RuntimeError, ValueError, EOFError) as error:
        wanted = f"of the same rule and network ({str(error).splitlines()[0]})"
        _checks.reject("checkpoint", wanted, str(path))
    return state, Records.load(path, index["records"]), index["samples"]
