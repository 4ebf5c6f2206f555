"""Numbers of the pages on which law to take: tables, and sentences with blanks."""

import re
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from ._numbers_read import Said, dot, record, rows, the
from ._tables import grid, table


def two(value: float) -> str:
    """.92, 2.2, 15"""
    return re.sub(r"^0\.", ".", f"{value:.2g}")


def recurrent() -> str:
    """Cosines with the exact gradient, by frequency and gain."""
    found = rows("alignment_recurrent.jsonl")
    gains = sorted({r["gain"] for r in found})
    omegas = sorted({r["omega_tau"] for r in found})

    def cell(law: str, gain: float, omega: float) -> str:
        each = the(found, gain=gain, omega_tau=omega)["cosines"][law]
        return f"{dot(median(each))} ({dot(min(each))})"

    lines = [
        (f"{law}, gain {gain:g}", *[cell(law, gain, omega) for omega in omegas])
        for gain in gains
        for law in found[0]["medians"]
    ]
    return table(("law", *[f"omega tau {omega:g}" for omega in omegas]), lines)


#: Laws of the benchmark of quality, by what they are called in the code.
LEARNED = {
    "flip": "sign flip", "gle": "`GLE`", "rflo": "`RFLO`", "snap1": "`SnAp1`",
    "bptt": "`BPTT`, 16 samples", "rtrl": "`RTRL`", "frozen": "frozen recurrence",
}  # fmt: skip


def learned() -> str:
    """Losses on a network to mimic, and on bits to remember."""
    made, tasks = rows("quality-cpu.json"), ("teacher", "add")
    floors = [the(made, task=task, law="frozen")["floors"] for task in tasks]
    lines = [
        ("the mean answer", *[dot(each["constant"], 4) for each in floors]),
        ("four linear taps", *[dot(each["linear"], 4) for each in floors]),
    ]
    for law, name in LEARNED.items():
        losses = [the(made, task=task, law=law)["loss"] for task in tasks]
        lines.append((name, *[dot(loss, 4) for loss in losses]))
    return table(("", "a network to mimic", "bits to remember"), lines)


#: Laws of the benchmark of slow networks, by what they are called in the code.
SLOW = {
    "RTRL": "`RTRL`", "sliding BPTT, 16": "`SlidingBPTT(window=16)`",
    "hops, 5": "`Hops(order=5)`", "spatial trace": "`SpatialTrace`",
    "SnAp-1": "`SnAp1`", "RFLO, symmetric": "`EProp` (`RFLO`, symmetric)",
    "instantaneous": "`Instantaneous`", "sign flip": "sign flip",
    "frozen": "frozen recurrence",
}  # fmt: skip


def slow() -> str:
    """Losses with the weights held over that of RTRL."""
    found = [r | {"law": SLOW[r["law"]]} for r in rows("hops.json")]
    edge = lambda row: " (edge)" if row["at the edge"] else ""
    return grid(found, "law", "task", lambda r: two(r["over RTRL"]) + edge(r))


def parts() -> str:
    """Losses where a part of what is asked is known."""
    parts = ("neither", "first", "second", "one number", "one bit", "one cue")
    lines = [
        (row["task"], name, dot(row["floors"][name], 3))
        for row in rows("task_floors.json")
        for name in parts
        if name in row["floors"]
    ]
    return table(("task", "what is known", "loss"), lines)


def digits() -> str:
    """Accuracy on digits by rows of predictors that have no network."""
    row = the(rows("task_floors.json"), task="digits by rows")
    low, middle, high = (dot(v, 3) for v in sorted(row["frozen recurrence"]))
    lines = [(name, dot(value)) for name, value in row["floors"].items()]
    lines.append(("frozen recurrence", f"{middle} ({low} to {high})"))
    return table(("", "accuracy"), lines)


#: (task, what is said of it, the laws in its blanks).
SLOW_SAID: tuple[tuple[Any, ...], ...] = (
    ("chain", "`Hops(order=5)` ({} of `RTRL`)", "hops, 5"),
    ("chain", "`SlidingBPTT(window=16)` {} |", "sliding BPTT, 16"),
    ("chain", "`EProp` {}, `SnAp1` {},", "RFLO, symmetric", "SnAp-1"),
    ("chain", "`SpatialTrace` {}, sign flip {} |", "spatial trace", "sign flip"),
    ("dense", "`SnAp1` ({}), `EProp` or `RFLO` ({})", "SnAp-1", "RFLO, symmetric"),
    ("dense", "`Hops` and `SlidingBPTT` {} |", ("hops, 5", "sliding BPTT, 16")),
    ("dense", "`Instantaneous` {}, `SpatialTrace` {} |", "instantaneous",
     "spatial trace"),
    ("sparse", "`Hops` or `SlidingBPTT` ({})", ("hops, 5", "sliding BPTT, 16")),
    ("sparse", "`SpatialTrace` {}, `EProp` {}, `SnAp1` {} |", "spatial trace",
     "RFLO, symmetric", "SnAp-1"),
    ("sparse", "sign flip {}, `Instantaneous` {} |", "sign flip", "instantaneous"),
)  # fmt: skip


TABLES: dict[str, Callable[[], str]] = {
    "recurrent": recurrent,
    "learned": learned,
    "slow": slow,
    "parts": parts,
    "digits": digits,
}


def sentences() -> Iterator[tuple[str, Said]]:
    """(page, its sentences)."""
    yield "choosing.md", _choosing()
    yield "theory/causal.md", _causal()


def _choosing() -> Said:
    made = record("hops.json")
    exact = [r for r in made["rows"] if r["law"] == "RTRL"]
    losses = [r["median"] for r in exact]
    return [
        ("{} samples of a random input", f"{made['samples']:,}"),
        ("medians of {} seeds", str(len(exact[0]["frozen"]))),
        (
            "Losses over the variance are {} to {} for `RTRL`",
            dot(min(losses)),
            dot(max(losses)),
        ),
    ]


def _causal() -> Said:
    slow_rows = rows("hops.json")

    def over(laws: tuple[str, ...], task: str) -> str:
        """Least to greatest over laws and tasks, one number where all are alike."""
        found = sorted(
            r["over RTRL"]
            for r in slow_rows
            if r["law"] in laws and r["task"].startswith(task)
        )
        return " to ".join(dict.fromkeys(map(two, (found[0], found[-1]))))

    said = [
        (page, *[over(law if isinstance(law, tuple) else (law,), task) for law in laws])
        for task, page, *laws in SLOW_SAID
    ]
    fast = [
        r["medians"]
        for r in rows("alignment_recurrent.jsonl")
        if r["omega_tau"] == 0.2 and r["gain"] < 1
    ]
    among = lambda *laws: [each[law] for each in fast for law in laws]
    points, traces = among("recurrent backprop", "sign flip"), among("RFLO", "SnAp-1")
    trace = the(
        rows("memory_cue.json"), task="trace conditioning, 40", law="exact traces"
    )
    spiking = {
        r["law"]: r["cooled"]["median"]
        for r in rows("memory_spiking.json")
        if r["task"] == "evidence, 7 cues"
    }
    return [
        *_memory(),
        *said,
        ("cosines {} to {} at", dot(min(points)), dot(max(points))),
        ("traces {} to {} |", dot(min(traces)), dot(max(traces))),
        (
            "a skill of {} while it learns and of {} with",
            dot(trace["accuracy"]["median"]),
            dot(trace["held"]["median"]),
        ),
        (
            "it is {} (median of five, the worst {})",
            dot(trace["cooled"]["median"]),
            dot(trace["cooled"]["min"]),
        ),
        (
            "wrong in {} of trials, once the step size has decayed | readout "
            "alone {} |",
            dot(1 - spiking["e-prop"], 3),
            dot(1 - spiking["frozen"]),
        ),
    ]


def _memory() -> Said:
    """Right answers on tasks with distractors."""
    found = rows("memory_cue.json") + rows("memory_stack.json")

    def right(task: str, law: str, digits: int = 2) -> str:
        return dot(the(found, task=task, law=law)["accuracy"]["median"], digits)

    cue, copy = "cue, lag 128", "copy, 5 of 8 after 5"
    flag, late = "flag, lag 32", "late flag (3), lag 8"
    return [
        ("cue after 128 samples {};", right(cue, "exact traces")),
        ("copies of five symbols {} |", right(copy, "exact traces", 3)),
        (
            "credit of one step {}, frozen {} on that cue",
            right(cue, "immediate, RMSprop"),
            right(cue, "frozen"),
        ),
        (
            "flag over 32 samples {}, late flag {} (",
            right(flag, "shared poles, exact"),
            right(late, "shared poles, exact"),
        ),
        (
            "error sent down at the same sample {} and {}; one gated layer {} and {} |",
            right(flag, "instantaneous between"),
            right(late, "instantaneous between"),
            right(flag, "one gated layer, exact"),
            right(late, "one gated layer, exact"),
        ),
        (
            "flag over 32 samples {} |",
            right("three layers, flag, lag 32", "three layers, mean slopes", 3),
        ),
    ]
