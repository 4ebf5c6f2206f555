"""One section of the report a record."""

from collections.abc import Sequence
from typing import Any

from . import _findings, _sections_laws
from ._tables import Record, growth, size, slope, spread, table, us


def cost(record: Record) -> list[str]:
    rows = [
        (
            row["neurons"],
            row["law"],
            f"not run: {row['not_run']}" if "not_run" in row else us(row),
            spread(row, "ratio_to_forward_outer"),
            spread(row, "ratio_to_floor"),
            size(row.get("state_bytes")),
            size(row.get("scratch_bytes")),
            "" if "not_run" in row else f"{row['compile_s']:.1f}",
        )
        for row in record["rows"]
    ]
    head = (
        "n", "law", "µs per sample", "/ forward + outer", "/ plain-JAX floor",
        "carried", "scratch", "compile s",
    )  # fmt: skip
    return [
        "One sample on a complete network of n neurons. The reference is the forward "
        "pass with one outer product added to the "
        "weights; the floor is the same law written by hand in plain JAX. `bptt`, "
        "`bptt-sqrt` and `bptt-diffrax` are the gradient of a stream "
        "(`hl.exact_gradient`), no law; their scratch is for the window of one call, "
        "which is shorter for larger n.",
        table(head, rows),
        growth(record, "n"),
        *over(record["rows"]),
        *_sections_laws.traffic(),
    ]


def over(rows: Sequence[Record]) -> list[str]:
    """Which laws miss a bound: 2.0 on the reference from n = 512, 1.3 on floors."""
    kept, missed = 0, []
    for row in rows:
        for label, bound, names in (
            ("forward_outer", 2.0, ("flip", "gle")),
            ("floor", 1.3, None),
        ):
            ratio = row.get(f"ratio_to_{label}")
            counts = names is None or (row["law"] in names and row["neurons"] >= 512)
            if ratio is None or not counts:
                continue
            kept += ratio["median"] <= bound
            if ratio["median"] > bound:
                over = f"{ratio['median']:.2f}"
                missed.append((row["neurons"], row["law"], over, f"{bound} ({label})"))
    text = (
        "Bounds: flip and GLE at most 2.0 times the reference from n = 512 on, every "
        f"law at most 1.3 times its floor. {kept} of {kept + len(missed)} are kept"
    )
    if not missed:
        return [text + "."]
    return [text + "; missed are", table(("n", "law", "ratio", "bound"), missed)]


def length(record: Record) -> list[str]:
    lengths = sorted({row["samples"] for row in record["rows"]})
    names = list(dict.fromkeys(row["law"] for row in record["rows"]))
    total = {
        (row["law"], row["samples"]): row["state_bytes"] + row["scratch_bytes"]
        for row in record["rows"]
    }
    rows = [
        (name, *[size(total[name, t]) for t in lengths], slope(record, name))
        for name in names
    ]
    head = ("law", *[f"T = {t:,}" for t in lengths], "exponent")
    return [
        _findings.length(record),
        "State and scratch of one compiled program, n = 32. What comes in and goes out "
        "once per sample (inputs, targets, reported losses) is not counted. "
        "`bptt-diffrax` is `diffeqsolve` with its recursive checkpointing.",
        table(head, rows),
    ]


def sparse(record: Record) -> list[str]:
    rows = [
        (
            f"{row['edges']:,}",
            row["law"],
            f"not run: {row['not_run']}" if "not_run" in row else us(row),
            spread(row, "ratio_to_forward"),
            spread(row, "ratio_to_forward_outer"),
            spread(row, "ratio_to_three_passes"),
            size(row.get("state_bytes")),
            row.get("carried_per_edge", ""),
            row.get("used_per_edge", ""),
        )
        for row in record["rows"]
    ]
    head = (
        "edges", "law", "µs per sample", "/ forward", "/ forward + outer",
        "/ three passes", "carried", "bytes per edge", "with scratch",
    )  # fmt: skip
    solved = [
        (
            f"{row['edges']:,}",
            f"{row['iterations']:.0f}",
            f"{row['ratio_to_forward_outer']['median'] / row['iterations']:.2f}",
        )
        for row in record["rows"]
        if "iterations" in row
    ]
    text = [
        "Ten edges per neuron. The references are of the same graph: an acyclic one "
        "for GLE and STLP. Three passes are the forward product, the transposed one "
        "and one update. Bytes per edge count the graph itself too; with scratch: "
        "arguments, results and scratch of one compiled call. `hops` carries two "
        "traces, `spatial` errors over one edge, `bptt` a window of 4.",
        table(head, rows),
        growth(record, "edges"),
    ]
    if solved:
        text += [
            "Conjugate gradients in STLP, the iterations of both projections counted:",
            table(("edges", "iterations", "one / forward + outer"), solved),
        ]
    return text


def batch(record: Record) -> list[str]:
    timed = [
        (
            row["neurons"],
            row["batch"],
            row["law"],
            us(row),
            spread(row, "ratio_to_bptt_sqrt"),
        )
        for row in record["rows"]
        if "us_per_sample" in row  # a run cut short holds those of memory beside
    ]
    return [
        _findings.batch(record),
        "Time of one step of all streams; BPTT updates once per window, the others "
        "once per sample.",
        table(("n", "streams", "law", "µs per step", "/ √T-checkpointed BPTT"), timed),
        "Memory (state and scratch): the longest window at which √T-checkpointed BPTT "
        "needs less than the local law. A trace is one number per edge and stream, a "
        "checkpoint one per neuron and stream.",
        table(
            ("n", "streams", "law", "it needs", "BPTT needs less up to"), _won(record)
        ),
    ]


def _won(record: Record) -> list[tuple[Any, ...]]:
    rows, memory = [], record.get("memory", [])
    for local in (row for row in memory if row["window"] is None):
        same = [
            row
            for row in memory
            if row["law"] == "bptt-sqrt"
            and (row["neurons"], row["batch"]) == (local["neurons"], local["batch"])
        ]
        less = [row["window"] for row in same if row["bytes"] < local["bytes"]]
        upto = f"T = {max(less):,}" if less else "never (of those tried)"
        key = (local["neurons"], local["batch"], local["law"])
        rows.append((*key, size(local["bytes"]), upto))
    return rows


def roofline(record: Record) -> list[str]:
    rates = record["rates"]
    copy = rates["copy_bytes_per_s"]["median"] / 1e9
    matmul = rates["matmul_flop_per_s"]["median"] / 1e9
    arrays = lambda row, name: f"{row[name]:.3g}" if name in row else ""
    rows = [
        (
            row["neurons"],
            row["streams"],
            row["law"],
            arrays(row, "must_move"),
            arrays(row, "moves"),
            f"{row['bytes_per_s']['median'] / 1e9:.2f}",
            f"{100 * row['share_of_copy']['median']:.0f} %",
            f"{100 * row['share_of_matmul']['median']:.0f} %",
        )
        for row in record["rows"]
    ]
    head = (
        "n", "networks", "law", "must move", "moves", "GB/s", "of copy", "of matmul",
    )  # fmt: skip
    return [
        "Bytes are those of each array once for every time it must be read or written, "
        "all updates in one pass; many networks learn at once, each with its own "
        "weights and stream. *Must move*: such arrays per step; *moves*: those that "
        "XLA counts in its program, where copies of a call count too. "
        f"Measured here: copy {copy:.1f} GB/s, matmul {matmul:.0f} Gflop/s. Shares "
        "above 100 %: a copy writes as much as it reads, a law reads more than it "
        "writes, and what stays in a cache is faster than both.",
        table(head, rows),
    ]


def peers(record: Record) -> list[str]:
    rows = []
    for row in record["rows"]:
        ratio = over_peer(row, record["rows"])
        errors = f"{row['gradient_error']:.2g}", f"{row['recurrent_error']:.2g}"
        rows.append((row["neurons"], row["law"], us(row), *errors, ratio))
    names = ", ".join(f"{k} {v}" for k, v in record.get("peers", {}).items())
    return [
        f"{names}; the gradient of a stream with the weights held (1024 samples, fewer "
        "for exact RTRL of large networks), and its error relative to exact BPTT: of "
        "all weights, and of the recurrent ones. The last column is the time of "
        "hamlearn's law over that of a peer's with the same recurrent gradient: below "
        "one, hamlearn is faster.",
        table(
            ("n", "law", "µs per sample", "error", "recurrent", "hamlearn / peer"), rows
        ),
    ]


def over_peer(row: Any, rows: Sequence[Any]) -> str:
    """hamlearn's time over that of a peer's `row`, empty where it lacks the law."""
    told = []
    for same in _same_law(row, rows):
        how = same["law"].partition(", ")[2]
        told.append(f"{_median(same) / _median(row):.2f}{f' ({how})' if how else ''}")
    return ", ".join(told)


def _same_law(row: Any, rows: Sequence[Any]) -> list[Any]:
    """hamlearn's rows of the law that `row`, a peer's, has under its own name."""
    found = []
    if row["law"].startswith("hamlearn"):
        return found
    for one in rows:
        if not one["law"].startswith("hamlearn") or one["neurons"] != row["neurons"]:
            continue
        through_time = [r["law"].endswith("bptt") for r in (one, row)]
        near = abs(one["recurrent_error"] - row["recurrent_error"]) < 1e-4
        if near and through_time[0] == through_time[1]:
            found.append(one)
    return found


def _median(row: Any) -> float:
    return row["us_per_sample"]["median"]
