"""Edges of graphs by rule, by chance or out of a file: all of it NumPy."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from .._types import Int
from .edges import distinct_draws

Ends = tuple[Int[np.ndarray, "edges"], Int[np.ndarray, "edges"]]


def between_layers(sizes: Sequence[int]) -> Ends:
    """(senders, receivers) of layers that send to all of the next."""
    starts = np.concatenate([[0], np.cumsum(sizes)])
    layers = [np.arange(*ends) for ends in pairwise(starts)]
    pairs = list(pairwise(layers))
    receivers = np.concatenate([np.repeat(b, a.size) for a, b in pairs])
    return np.concatenate([np.tile(a, b.size) for a, b in pairs]), receivers


def thin_layers(sizes: Sequence[int], in_degree: int, rng: np.random.Generator) -> Ends:
    """The same of layers whose nodes hear `in_degree` of the one before, or all."""
    width = np.asarray(sizes)
    starts = np.cumsum(width) - width
    choices = np.repeat(width[:-1], width[1:])
    degree = np.minimum(choices, in_degree)
    first = np.repeat(np.repeat(starts[:-1], width[1:]), degree)
    receivers = np.repeat(np.arange(width[0], width.sum()), degree)
    return first + distinct_draws(rng, choices, degree), receivers


def anywhere(n: int, in_degree: int, acyclic: bool, rng: np.random.Generator) -> Ends:
    """The same of nodes that hear `in_degree` others, or of lower number."""
    nodes = np.arange(n)
    choices = nodes if acyclic else np.full(n, n - 1)
    degree = np.minimum(choices, in_degree)
    receivers = np.repeat(nodes, degree)
    senders = distinct_draws(rng, choices, degree)
    if not acyclic:
        senders = senders + (senders >= receivers)  # skip the node itself
    return senders, receivers


def small_world(
    n: int, in_degree: int, rewired: float, rng: np.random.Generator
) -> Ends:
    """The same of nodes on a ring that hear the nearest, some of them replaced.

    Drawn anew is how many are replaced, then which others are heard in their place.
    """
    nodes = np.arange(n)
    far = in_degree // 2
    near = np.concatenate([np.arange(-far, 0), np.arange(1, in_degree - far + 1)])
    senders = (nodes[:, None] + near) % n
    replaced = rng.random((n, in_degree)) < rewired
    # Of the nodes that are no neighbours, in the order of their distance.
    count = replaced.sum(1)
    drawn = distinct_draws(rng, np.full(n, n - 1 - in_degree), count)
    away = in_degree - far + 1 + drawn
    senders[replaced] = (np.repeat(nodes, count) + away) % n
    return senders.ravel(), np.repeat(nodes, in_degree)


def of_file(path: str | Path) -> Ends:
    """(senders, receivers) out of a list of edges.

    **Raises:** `ValueError` for what is no table of integers with two columns.
    """
    path, wanted = Path(path), "a list of edges, two node numbers in a line"
    found = np.load(path) if path.suffix == ".npy" else _text(path, wanted)
    if found.ndim != 2 or found.shape[1] < 2:
        _checks.reject("path", wanted, f"{path} with an array of shape {found.shape}")
    return found[:, 0], found[:, 1]


def _text(path: Path, wanted: str) -> Any:
    with path.open() as lines:
        told = (line for line in lines if line.strip() and line[0] not in "#%")
        comma = "," if "," in next(told, "") else None
    try:
        return np.loadtxt(
            path, np.int64, comments=("#", "%"), delimiter=comma, usecols=(0, 1),
            ndmin=2,
        )  # fmt: skip
    except ValueError as error:
        _checks.reject("path", wanted, f"{path} ({error})")
