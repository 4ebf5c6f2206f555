"""One section of the report a record."""

from collections.abc import Sequence
from typing import Any

from . import _sections_laws
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
        "n", "law", "µs a sample", "/ forward + outer", "/ plain-JAX floor", "carried",
        "scratch", "compile s",
    )  # fmt: skip
    return [
        "## What locality costs: one sample on a complete network of n neurons",
        "The reference is the forward pass with one outer product added to the "
        "weights; the floor is the same law written by hand in plain JAX. Scratch of "
        "BPTT is for the window of one call, which is shorter for larger n.",
        table(head, rows),
        growth(record, "n"),
        over(record["rows"]),
        _sections_laws.traffic(),
    ]


def over(rows: Sequence[Record]) -> str:
    """Which laws miss a bound: 2.0 on the reference from n = 512, 1.3 on floors."""
    fine, missed = [], []
    for row in rows:
        for label, bound, names in (
            ("forward_outer", 2.0, ("flip", "gle")),
            ("floor", 1.3, None),
        ):
            ratio = row.get(f"ratio_to_{label}")
            counts = names is None or (row["law"] in names and row["neurons"] >= 512)
            if ratio is None or not counts:
                continue
            text = f"{row['law']} n={row['neurons']} {ratio['median']:.2f}"
            (fine if ratio["median"] <= bound else missed).append(f"{text} ({label})")
    kept = f"{len(fine)} of {len(fine) + len(missed)} bounds are kept"
    return (
        f"Bounds (flip and GLE at most 2.0 times the reference from n = 512 on, every "
        f"law at most 1.3 times its floor): {kept}."
        + (f" Missed: {'; '.join(missed)}." if missed else "")
    )


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
        "## Memory against the length of the stream (n = 32)",
        "State and scratch of one compiled program. What comes in and goes out once a "
        "sample (inputs, targets, reported losses) is not counted. `bptt-diffrax` is "
        "`diffeqsolve` with its recursive checkpointing.",
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
            size(row.get("state_bytes")),
        )
        for row in record["rows"]
    ]
    head = ("edges", "law", "µs a sample", "/ forward", "/ forward + outer", "carried")
    solved = [row for row in record["rows"] if "iterations" in row]
    each = ", ".join(
        f"{row['ratio_to_forward_outer']['median'] / row['iterations']:.2f} at "
        f"{row['edges']:,} edges ({row['iterations']:.0f} iterations)"
        for row in solved
    )
    text = ["The references are of the same graph: an acyclic one for GLE and STLP."]
    if solved:
        text.append(
            "One iteration of conjugate gradients in STLP, those of both projections "
            f"counted too, over forward + outer product: {each}."
        )
    title = "## Sparse graphs, ten edges a neuron"
    return [title, table(head, rows), *text, growth(record, "edges")]


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
        "## From where on checkpointed BPTT wins",
        "Time of one step of all streams; BPTT updates once a window, the others once "
        "a sample.",
        table(("n", "streams", "law", "µs a step", "/ √T-checkpointed BPTT"), timed),
        "Memory (state and scratch): the longest window at which √T-checkpointed BPTT "
        "needs less than the local law.",
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


#: What the audit calls the laws of `compare`.
AUDITED = {
    "flip": "Hamiltonian, sign flip", "gle": "GLE", "le": "LE", "stlp": "STLP",
    "bptt": "BPTT", "rtrl": "RTRL", "snap1": "SnAp-1", "eprop": "e-prop",
    "rflo": "RFLO, symmetric feedback", "uoro": "UORO", "kfrtrl": "KF-RTRL",
    "instantaneous": "instantaneous, 1 sweep",
}  # fmt: skip


def quality(record: Record, audit: Record | None = None) -> list[str]:
    text = [
        "## Quality at equal samples and equal time",
        "Forecasts of a series one sample ahead (heartbeat, mackey-glass, lorenz), a "
        "recurrent network to mimic (teacher), and bits to remember over four and six "
        "samples (add): losses before each sample teaches, the median over seeds; step "
        "sizes found by the same search on another part with other seeds. "
        "`frozen` learns the readout alone: what a law gains over it is what learning "
        "the recurrence is worth. Cosines are with the exact gradient; locality is as "
        "the audit below measured it.",
    ]
    local = {} if audit is None else {row["law"]: row for row in audit["rows"]}
    for task in dict.fromkeys(row["task"] for row in record["rows"]):
        rows = [row for row in record["rows"] if row["task"] == task]
        floors = ", ".join(f"{k} {v:.4f}" for k, v in rows[0]["floors"].items())
        text.append(f"**{task}** ({rows[0]['samples']:,} samples scored; {floors})")
        rows.sort(key=lambda row: row["loss"] or float("inf"))
        head = (
            "law", "loss", "over seeds", "cosine", "between neurons", "µs a sample",
            "step size", "diverged", "network", "local in space", "in time",
        )  # fmt: skip
        text.append(table(head, [_quality_row(row, local) for row in rows]))
    return text


def _quality_row(row: Record, local: dict[str, Any]) -> tuple[Any, ...]:
    audited = local.get(AUDITED.get(row["law"], ""), {})
    says = {True: "yes", False: "no", None: "-"}
    losses = [loss for loss in row["losses"] if loss is not None]
    between = f"{min(losses):.4f} .. {max(losses):.4f}" if losses else ""
    number = lambda v, form: "-" if v is None else format(v, form)
    return (
        row["law"],
        number(row["loss"], ".4f"),
        between,
        number(row["cosine"], ".2f"),
        number(row["cosine_recurrent"], ".2f"),
        number(row["us_per_sample"], ".3g"),
        row["step_size"],
        f"{row['diverged']} of {len(row['losses'])}",
        row["note"],
        says[audited.get("local_in_space")],
        says[audited.get("local_in_time")],
    )


def roofline(record: Record) -> list[str]:
    rates = record["rates"]
    copy = rates["copy_bytes_per_s"]["median"] / 1e9
    matmul = rates["matmul_flop_per_s"]["median"] / 1e9
    rows = [
        (
            row["neurons"],
            row["streams"],
            row["law"],
            f"{row['bytes_per_s']['median'] / 1e9:.2f}",
            f"{100 * row['share_of_copy']['median']:.0f} %",
            f"{100 * row['share_of_matmul']['median']:.0f} %",
        )
        for row in record["rows"]
    ]
    head = ("n", "networks", "law", "GB/s", "of copy", "of matmul")
    return [
        "## Against the device",
        "Bytes are those of each array once for every time it must be read or written, "
        "all updates in one pass; many networks learn at once, each with its own "
        "weights and stream. "
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
        "## Peers",
        f"{names}; the gradient of a stream with the weights held (1024 samples, fewer "
        "for exact RTRL of large networks), and its error relative to exact BPTT: of "
        "all weights, and of the recurrent ones. The last column is the time of "
        "hamlearn's law over that of a peer's with the same recurrent gradient: below "
        "one, hamlearn is faster.",
        table(
            ("n", "law", "µs a sample", "error", "recurrent", "hamlearn / peer"), rows
        ),
    ]


def over_peer(row: Any, rows: Sequence[Any]) -> str:
    """hamlearn's time over that of a peer's `row`, empty where it lacks the law."""
    same = _same_law(row, rows)
    return "" if same is None else f"{_median(same) / _median(row):.2f}"


def _same_law(row: Any, rows: Sequence[Any]) -> Any:
    """hamlearn's row of the law that `row`, a peer's, has under its own name."""
    if row["law"].startswith("hamlearn"):
        return None
    for one in rows:
        if not one["law"].startswith("hamlearn") or one["neurons"] != row["neurons"]:
            continue
        through_time = [r["law"].endswith("bptt") for r in (one, row)]
        near = abs(one["recurrent_error"] - row["recurrent_error"]) < 1e-4
        if near and through_time[0] == through_time[1]:
            return one
    return None


def _median(row: Any) -> float:
    return row["us_per_sample"]["median"]
