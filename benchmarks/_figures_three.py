"""Figures of STLP, BPTT and RTRL beside each other."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from hamlearn.plot import looks

from ._sections_three import KINDS, done, of, titled
from ._tables import Record


def cost(record: Record) -> Figure:
    """Time per sample against n, and what is held against the length of a stream."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for axis, (kind, title) in zip(axes, KINDS.items(), strict=False):
        for name, style in _styles(record).items():
            rows = done(of(record, "cost", kind=kind, law=name, dtype="float32"))
            if rows:
                us = [row["us_per_sample"]["median"] for row in rows]
                label = titled(name) if kind == "layers" else None
                axis.plot([row["neurons"] for row in rows], us, label=label, **style)
        axis.set(xscale="log", yscale="log", xlabel="neurons", title=title)
        axis.set_xscale("log", base=2)
    axes[0].set_ylabel("µs per sample")
    for name, style in _styles(record).items():
        rows = done(of(record, "stream", law=name))
        held = [row["state_bytes"] + row["scratch_bytes"] for row in rows]
        axes[2].plot([row["samples"] for row in rows], held, **style)
    axes[2].set(
        xscale="log", yscale="log", xlabel="samples in one stream",
        ylabel="carried and scratch (bytes)", title="32 neurons in layers",
    )  # fmt: skip
    figure.legend(loc="outside lower center", ncols=8, frameon=False, fontsize=9)
    return figure


def learning(record: Record) -> Figure:
    """Losses against samples and against seconds."""
    figure, axes = plt.subplots(
        2, 2, figsize=(10, 6.5), sharey="row", layout="constrained"
    )
    for (left, right), (kind, title) in zip(axes, KINDS.items(), strict=True):
        for name, style in _styles(record).items():
            for row in of(record, "learning", kind=kind, law=name):
                curve = np.asarray(row["curve"], float)
                seen = (np.arange(curve.size) + 0.5) * row["samples"] / curve.size
                style = {**style, "marker": ""}
                label = titled(name) if kind == "layers" else None
                left.plot(seen, curve, label=label, **style)
                right.plot(seen * row["us_per_sample"] / 1e6, curve, **style)
        left.set(yscale="log", xscale="log", ylabel="loss", title=title)
        right.set(xscale="log")
    axes[1][0].set_xlabel("samples learned from")
    axes[1][1].set_xlabel("seconds spent")
    figure.legend(loc="outside lower center", ncols=8, frameon=False, fontsize=9)
    return figure


def _styles(record: Record) -> dict[str, dict[str, Any]]:
    names = dict.fromkeys(row["law"] for row in record["rows"])
    found = looks(titled(name) for name in names)
    return {
        name: {
            "color": look.colour, "ls": look.dashes, "marker": look.mark, "lw": 1.4,
            "ms": 4,
        }
        for name, look in zip(names, found.values(), strict=True)
    }  # fmt: skip
