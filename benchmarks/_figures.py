"""Figures of the report."""

import dataclasses
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from hamlearn.jobs.comparison import trivial_floor
from hamlearn.plot import Look, looks

from . import _figures_three
from ._tables import Record

_TITLE: Any = {"loc": "left", "fontsize": 10}


def cost(record: Record) -> Figure:
    """Time and memory per sample against n."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    rows = [row for row in record["rows"] if "not_run" not in row]
    for name, look in looks(row["law"] for row in rows).items():
        mine = [row for row in rows if row["law"] == name]
        n = [row["neurons"] for row in mine]
        style = _style(look)
        left.plot(n, [r["us_per_sample"]["median"] for r in mine], label=name, **style)
        carried = [r["state_bytes"] + r["scratch_bytes"] for r in mine]
        right.plot(n, carried, **style)
    n = sorted({row["neurons"] for row in rows})
    base = [
        np.median([r["forward_outer_us"]["median"] for r in rows if r["neurons"] == m])
        for m in n
    ]
    left.plot(n, base, color="0.5", ls="--", label="forward + outer product")
    left.set_ylabel("time per sample (µs)")
    right.set_ylabel("state and scratch (bytes)")
    left.set_title("Time grows as the network does, that of RTRL faster", **_TITLE)
    right.set_title("What is carried, and scratch", **_TITLE)
    for axis in (left, right):
        axis.set_xlabel("neurons n, complete network")
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def length(record: Record) -> Figure:
    """Memory against T."""
    figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
    for name, look in looks(row["law"] for row in record["rows"]).items():
        mine = [row for row in record["rows"] if row["law"] == name]
        total = [row["state_bytes"] + row["scratch_bytes"] for row in mine]
        axis.plot([r["samples"] for r in mine], total, label=name, **_style(look))
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("samples T in one stream (n = 32)")
    axis.set_title("Memory is flat, but for that of BPTT", **_TITLE)
    axis.set_ylabel("state and scratch (bytes)")
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def sparse(record: Record) -> Figure:
    """Time per sample against edges."""
    figure, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
    rows = [row for row in record["rows"] if "not_run" not in row]
    for name, look in looks(row["law"] for row in rows).items():
        mine = [row for row in rows if row["law"] == name]
        values = [row["us_per_sample"]["median"] for row in mine]
        axis.plot([r["edges"] for r in mine], values, label=name, **_style(look))
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("edges, ten per neuron")
    axis.set_title("Time grows as the edges do", **_TITLE)
    axis.set_ylabel("time per sample (µs)")
    figure.legend(loc="outside right center", frameon=False, fontsize=9)
    return figure


def quality(record: Record) -> Figure:
    """Loss so far against samples, and against seconds."""
    tasks = list(dict.fromkeys(row["task"] for row in record["rows"]))
    figure, axes = plt.subplots(
        len(tasks), 2, figsize=(10, 3.6 * len(tasks)), squeeze=False,
        layout="constrained", sharey="row",
    )  # fmt: skip
    look = looks(row["law"] for row in record["rows"])
    for (left, right), task in zip(axes, tasks, strict=True):
        rows = [row for row in record["rows"] if row["task"] == task]
        for row in rows:
            curve = np.asarray(row["median_curve"])
            if not curve.size:
                continue
            mean = np.cumsum(curve) / np.arange(1, curve.size + 1)
            seen = (np.arange(curve.size) + 0.5) * row["samples"] / curve.size
            label = row["law"] if task == tasks[0] else None
            style = {**_style(look[row["law"]]), "marker": ""}
            left.plot(seen, mean, label=label, **style)
            right.plot(seen * row["us_per_sample"] / 1e6, mean, **style)
        for axis in (left, right):
            floors = rows[0]["floors"]
            axis.axhline(trivial_floor(floors)[1], color="0.4", ls="--", lw=1)
            axis.axhline(floors["linear"], color="0.4", ls=":", lw=1)
            axis.set_yscale("log")
        right.set_xscale("log")
        left.set_title(
            f"{task}; dashed: {trivial_floor(floors)[0]}, dotted: linear",
            **_TITLE,
        )
        left.set_ylabel("mean loss so far")
        left.set_xlabel("samples learned from")
        right.set_xlabel("seconds spent")
    figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def _style(look: Look) -> dict[str, Any]:
    style = {"color": look.colour, "ls": look.dashes, "marker": look.mark}
    return style | {"lw": 1.4, "ms": 4}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure of a record: how its file ends, what draws it, what it shows."""

    ending: str
    draw: Callable[[Record], Figure]
    alt: str


#: By the name of the part.
PICTURES: dict[str, tuple[Picture, ...]] = {
    "stlp-bptt-rtrl": (
        Picture(
            "",
            _figures_three.cost,
            "Time per sample against neurons, memory against the length of a stream",
        ),
        Picture(
            "-learning",
            _figures_three.learning,
            "Losses of STLP, BPTT, RTRL and others against samples and against seconds",
        ),
    ),
    "cost": (
        Picture("", cost, "Time per sample and memory against the number of neurons"),
    ),
    "length": (Picture("", length, "Memory against the length of the stream"),),
    "sparse": (Picture("", sparse, "Time per sample against the number of edges"),),
    "quality": (
        Picture(
            "",
            quality,
            "Mean loss so far against samples and against seconds, by task",
        ),
    ),
}
