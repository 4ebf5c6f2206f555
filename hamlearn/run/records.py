"""What a run keeps: thinned infos, and exact sums of losses a chunk."""

import io
import pickle
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

    def __init__(self, pieces: list[Piece] | None = None):
        self.pieces = [] if pieces is None else pieces

    def add(
        self, block: Sample, infos: Any, count: int, position: int, every: int
    ) -> None:
        """Take in a chunk of `count` samples that starts at `position`.

        Of none only the first is kept, for the names of its rows.
        """
        if count == 0 and self.pieces:
            return
        keep = slice(-position % every, count, every)
        target = np.asarray(block.target)[:count]
        rows = {name: leaf[keep] for name, leaf in named_leaves(infos).items()}
        rows["target"] = target[keep]
        rows["sample"] = position + np.arange(count)[keep]
        last = self.pieces[-1] if self.pieces else None
        before = np.asarray(block.target)[0] if last is None else last.last_target
        so_far = None if last is None else last.sums
        weight = None if block.weight is None else np.asarray(block.weight)[:count]
        sums = _sums(so_far, target, before, infos.loss, weight)
        ends = target[-1] if count else before
        self.pieces.append(Piece(position, rows, sums, ends))

    def drop_from(self, position: int) -> None:
        """Forget chunks that start at `position` or later."""
        self.pieces = [piece for piece in self.pieces if piece.start < position]

    def arrays(self) -> dict[str, np.ndarray]:
        """All rows, one array a name."""
        return _joined(self.pieces)

    def sums(self) -> np.ndarray:
        """See `_sums`."""
        return self.pieces[-1].sums if self.pieces else np.zeros(5)


def to_frame(pieces: list[Piece]) -> bytes:
    """Some pieces in a row as the bytes of one, with arrays of any type."""
    last = pieces[-1]
    whole = (pieces[0].start, _joined(pieces), last.sums, last.last_target)
    return pickle.dumps(whole, protocol=5)


def from_frames(data: bytes) -> list[Piece]:
    """The pieces in frames one behind the other."""
    pieces, stream = [], io.BytesIO(data)
    while stream.tell() < len(data):
        pieces.append(Piece(*pickle.load(stream)))
    return pieces


BLOCK = 2048
"""Samples whose sums are taken at once: what they need stays in the cache."""


def _sums(so_far, target, before, loss, weight) -> np.ndarray:
    """Sums up to the end of a chunk: (weight, loss, |y|^2/2, |y - last y|^2/2, y...).

    Added one after the other, so that they do not depend on where chunks end.
    """
    for start in range(0, target.shape[0], BLOCK):
        now = slice(start, start + BLOCK)
        part = None if weight is None else weight[now]
        so_far = _sums_of(so_far, target[now], before, loss[now], part)
        before = target[now][-1]
    return np.zeros(4 + before.size) if so_far is None else so_far


def _sums_of(so_far, target, before, loss, weight) -> np.ndarray:
    count, streams = target.shape[0], int(np.prod(target.shape[1:-1]))
    rows = np.empty((count + 1, 4 + before.size))
    rows[0] = 0.0 if so_far is None else so_far
    each, y = rows[1:], rows[1:, 4:]
    y[...] = target.reshape(count, -1)
    change = np.diff(y, axis=0, prepend=before.reshape(1, -1).astype(y.dtype))
    each[:, 0] = 1.0
    each[:, 1] = loss
    each[:, 2] = np.einsum("ij,ij->i", y, y) / (2 * streams)
    each[:, 3] = np.einsum("ij,ij->i", change, change) / (2 * streams)
    if weight is not None:
        mean = weight.astype(np.float64).mean(axis=tuple(range(1, weight.ndim)))
        each[:, 0] = mean
        each[:, 2:] *= mean[:, None]
    return np.add.reduce(rows, axis=0)


def _joined(pieces: list[Piece]) -> dict[str, np.ndarray]:
    names = pieces[0].rows if pieces else ()
    return {name: np.concatenate([p.rows[name] for p in pieces]) for name in names}


def named_leaves(info: Any) -> dict[str, Any]:
    """The arrays of an info by the names of its fields."""
    arrays = eqx.filter(info, eqx.is_array_like)
    leaves, _ = jax.tree_util.tree_flatten_with_path(arrays)
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    return {name(path).removeprefix("more."): leaf for path, leaf in leaves}
