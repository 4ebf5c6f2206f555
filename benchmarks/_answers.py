"""The questions that the measurements are there for, answered with their numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hamlearn.jobs.comparison import trivial_floor

from ._tables import Record, size

LOCAL = ("flip", "gle", "rflo", "snap1")


def answers(records: dict[str, Record], folder: Path) -> list[str]:
    """A list of sentences, of what is there."""
    found = []
    if "cost" in records:
        found += [_cost(records["cost"]), _wall(records["cost"])]
    if "length" in records:
        found.append(_length(records["length"]))
    if "batch" in records:
        found.append(_batch(records["batch"]))
    if "quality" in records:
        found += _quality(records["quality"])
    found += _known(folder)
    return ["## In short", "\n".join(f"- {line}" for line in found if line)]


def _cost(record: Record) -> str:
    """At the largest size that all local laws have."""
    rows = [r for r in record["rows"] if r["law"] in LOCAL and "not_run" not in r]
    if not rows:
        return ""
    n = max(r["neurons"] for r in rows)
    parts = [
        f"{r['law']} {r['ratio_to_forward_outer']['median']:.2f}"
        for r in rows
        if r["neurons"] == n
    ]
    return (
        f"**What does locality cost?** At n = {n} a sample takes this many times the "
        f"forward pass with one outer product: {', '.join(parts)}."
    )


def _wall(record: Record) -> str:
    rtrl = [r for r in record["rows"] if r["law"] == "rtrl"]
    done = [r for r in rtrl if "not_run" not in r]
    if not done:
        return ""
    last = done[-1]
    stop = next((r for r in rtrl if "not_run" in r), None)
    then = f"; at n = {stop['neurons']} {stop['not_run']}" if stop else ""
    return (
        f"**The wall of exact RTRL:** {last['us_per_sample']['median'] / 1e3:.3g} ms a "
        f"sample at n = {last['neurons']}, "
        f"{last['ratio_to_forward_outer']['median']:.0f} times the reference, and "
        f"{size(last['state_bytes'])} carried{then}."
    )


def _length(record: Record) -> str:
    exponents = record["exponents"]
    flat = [k for k, v in exponents.items() if v is not None and abs(v) < 0.01]
    grows = [f"{k} T^{v:.2f}" for k, v in exponents.items() if k not in flat and v]
    top = max(r["samples"] for r in record["rows"])
    return (
        f"**What does it buy?** An update every sample, and memory that does not grow: "
        f"flat up to {top:,} samples for {', '.join(flat)}; {', '.join(grows)}."
    )


def _batch(record: Record) -> str:
    """Where checkpointed BPTT is smaller than the trace of SnAp-1."""
    memory = record.get("memory", [])
    wins, loses = [], []
    if not memory:
        return ""
    for r in memory:
        if r["law"] != "bptt-sqrt":
            continue
        local = next(
            m["bytes"]
            for m in memory
            if m["law"] == "snap1"
            and (m["neurons"], m["batch"]) == (r["neurons"], r["batch"])
        )
        at = f"(n {r['neurons']}, {r['batch']} streams, T {r['window']:,})"
        (wins if r["bytes"] < local else loses).append(at)
    return (
        "**When does checkpointed BPTT need less memory than a trace an edge** "
        f"(SnAp-1)? In {len(wins)} of {len(wins) + len(loses)} cases: "
        f"{', '.join(wins) or 'none'}. A trace is one number an edge and stream, a "
        "checkpoint one a neuron and stream: many streams of large networks favour "
        "BPTT, single streams without end the local laws."
    )


def _quality(record: Record) -> list[str]:
    found = []
    for task in dict.fromkeys(row["task"] for row in record["rows"]):
        rows = {r["law"]: r for r in record["rows"] if r["task"] == task}
        usable = [r for r in rows.values() if r["loss"] is not None]
        if not usable:
            continue
        best = min(usable, key=_loss)
        parts = [f"{r['law']} {r['loss']:.3f}" for r in sorted(usable, key=_loss)]
        linear, (name, value) = best["floors"]["linear"], trivial_floor(best["floors"])
        found.append(
            f"**Which law when? {task}:** {', '.join(parts)}; {name} {value:.3f}, "
            f"least squares on four values {linear:.3f}. "
            + (
                "No law beats the linear predictor that was fitted beforehand."
                if best["loss"] > linear
                else f"{best['law']} beats the linear predictor."
            )
        )
        diverged = [f"{k} {r['diverged']}" for k, r in rows.items() if r["diverged"]]
        if diverged:
            found.append(f"Runs that diverged on {task}: {', '.join(diverged)}.")
    return found


def _loss(row: Record) -> float:
    return row["loss"]


def _known(folder: Path) -> list[str]:
    """Where the local laws lose, from the older records."""
    found = []
    path = folder / "add_task_6_10.jsonl"
    if path.exists():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        shown = ", ".join(f"{r['law']} {r['mean']:.3f}" for r in rows)
        found.append(
            "**Where local laws lose: credit over many steps.** The add task with lags "
            f"6 and 10, cross-entropy of the last tenth: {shown}."
        )
    path = folder / "two_point_gap.jsonl"
    if path.exists():
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found.append(
            "**And jumps.** Cost of the sign flip over the true optimum, median of "
            f"seeds: {_gaps(rows)}."
        )
    return found


def _gaps(rows: list[dict[str, Any]]) -> str:
    flips = [r for r in rows if r["law"] == "flip"]
    return ", ".join(
        f"{r['signal']} ({r['start']}, c = {r['speed']:g}) "
        f"x{np.median([run['ratio'] for run in r['runs']]):.2g}"
        for r in flips
    )
