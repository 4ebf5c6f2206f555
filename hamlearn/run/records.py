"""What a run keeps: thinned infos, and exact sums of losses a chunk."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..signals.signal import Sample


class Piece(eqx.Module):
    """What one chunk leaves behind."""

    start: int
    rows: dict[str, np.ndarray]
    sums: np.ndarray
    last_target: np.ndarray


class Records:
    """Infos of every k-th sample by name, and per chunk the sums for mean losses."""

    def __init__(self):
        self.pieces: list[Piece] = []
        self._files: list[str] = []
        self._saved = 0

    def add(
        self, block: Sample, infos: Any, count: int, position: int, every: int
    ) -> None:
        """Take in a chunk of `count` samples that starts at `position`."""
        if count == 0:
            return
        keep = slice(-position % every, count, every)
        target = np.asarray(block.target)[:count]
        rows = {name: leaf[keep] for name, leaf in named_leaves(infos).items()}
        rows["target"] = target[keep]
        rows["sample"] = position + np.arange(count)[keep]
        before = self.pieces[-1].last_target if self.pieces else target[0]
        sums = _sums(target, before, infos.loss, block.weight)
        self.pieces.append(Piece(position, rows, sums, target[-1]))

    def drop_from(self, position: int) -> None:
        """Forget chunks that start at `position` or later."""
        self.pieces = [piece for piece in self.pieces if piece.start < position]

    def arrays(self) -> dict[str, np.ndarray]:
        """All rows, one array a name."""
        return _joined(self.pieces)

    def sums(self) -> np.ndarray:
        """One row a chunk: see `_sums`."""
        if not self.pieces:
            return np.zeros((1, 5))
        return np.stack([piece.sums for piece in self.pieces])

    def save(self, path: Path, position: int) -> list[str]:
        """Write what is not on disk yet; the names of all files so far."""
        fresh = self.pieces[self._saved :]
        if fresh:
            name = f"records-{position}.npz"
            extra = {
                "__sums": np.stack([piece.sums for piece in fresh]),
                "__last": fresh[-1].last_target,
            }
            np.savez(path / name, **(extra | _joined(fresh)))  # pyright: ignore[reportArgumentType]
            self._files.append(name)
            self._saved = len(self.pieces)
        return list(self._files)

    @classmethod
    def load(cls, path: Path, files: list[str]) -> "Records":
        """The records in these files; each comes back as one piece."""
        records = cls()
        for file in files:
            with np.load(path / file) as data:
                names = [name for name in data.files if not name.startswith("__")]
                rows = {name: data[name] for name in names}
                # One row of sums a chunk survives; the pieces only carry them along.
                for k, sums in enumerate(data["__sums"]):
                    part = rows if k == 0 else {n: a[:0] for n, a in rows.items()}
                    records.pieces.append(Piece(0, part, sums, data["__last"]))
        records._files, records._saved = list(files), len(records.pieces)
        return records


def _sums(target, before, loss, weight) -> np.ndarray:
    """(weight, loss, |y|^2/2, |y - last y|^2/2, y...), each summed over a chunk."""
    count = target.shape[0]
    batch = int(np.prod(target.shape[1:-1]))
    weight = np.ones(count) if weight is None else np.asarray(weight)[:count]
    weight = weight.reshape(count, -1).mean(axis=1).astype(np.float64)
    rows = np.concatenate([before[None], target]).astype(np.float64)
    rows = rows.reshape(count + 1, -1)
    halves = [
        (weight @ a**2).sum() / (2 * batch) for a in (rows[1:], np.diff(rows, axis=0))
    ]
    total = [weight.sum(), np.sum(loss, dtype=np.float64), *halves]
    return np.array([*total, *(weight @ rows[1:])])


def _joined(pieces: list[Piece]) -> dict[str, np.ndarray]:
    names = pieces[0].rows if pieces else ()
    return {name: np.concatenate([p.rows[name] for p in pieces]) for name in names}


def named_leaves(info: Any) -> dict[str, Any]:
    """The arrays of an info by the names of its fields."""
    arrays = eqx.filter(info, eqx.is_array_like)
    leaves, _ = jax.tree_util.tree_flatten_with_path(arrays)
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    return {name(path).removeprefix("more."): leaf for path, leaf in leaves}
