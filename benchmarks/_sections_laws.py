"""Sections of the report on single laws: precision, locality, plain JAX, traffic."""

from ._tables import Record, extremes, grid, size, spread, table, us


def traffic() -> list[str]:
    """What memory allows, in arrays of n^2 numbers read or written per step."""
    head = ("arrays of n^2 numbers", "reference", "flip", "GLE", "RFLO")
    rows = [
        ("W read: forward, and transposed", 1, 2, 2, 1),
        ("W read and written", 2, 2, 2, 2),
        ("costate or trace read and written", 0, 2, 0, 2),
        ("sum", 3, 6, 4, 5),
        ("sum / reference", "1", "2", "1.33", "1.67"),
        ("read once more by a loop of its own", 0, 1, 0, 1),
        ("sum / reference, with that", "1", "2.33", "1.33", "2"),
        ("bytes at n = 512, float32", *[size(4 * 512**2 * k) for k in (3, 7, 4, 6)]),
    ]
    text = (
        "Large networks are bound by memory. Counting arrays of n^2 numbers, the flip "
        "is at 2.0 times the reference where weights and costates are updated in one "
        "loop, as on a GPU; XLA's default on a CPU makes two loops of it, the second "
        "of which reads the costates again. "
        "Caches move the ratio both ways: it is less where arithmetic is the bound, "
        "and more where the weights of the reference fit a cache and twice as many "
        "numbers do not."
    )
    return [text, table(head, rows)]


def precision(record: Record) -> list[str]:
    rows = []
    for row in record["rows"]:
        if "not_run" in row:
            rows.append((row["law"], f"not run: {row['not_run']}", *[""] * 4))
            continue
        rows.append(
            (
                row["law"],
                us(row),
                spread(row, "ratio_to_float32"),
                f"{size(row['peak_bytes'])}, {size(row['peak_bytes_float32'])}",
                f"{row['loss']:.4g}, {row['loss_float32']:.4g}",
                "yes" if row["holds"] else "no",
            )
        )
    head = (
        "law", "µs per sample", "/ float32", "peak: bfloat16, float32",
        "mean loss: bfloat16, float32", "holds (5 %)",
    )  # fmt: skip
    return [
        f"bfloat16 for all numbers, n = {record['rows'][0]['neurons']}. A CPU without "
        "such arithmetic converts back and forth; small updates of large weights are "
        "rounded away on any device.",
        table(head, rows),
    ]


def audit(record: Record) -> list[str]:
    yes = lambda value: {True: "yes", False: "no", None: "-"}.get(value, value)
    number = lambda value: "-" if value is None else f"{value:.3g}"
    rows = [
        (
            row["law"],
            yes(row["local_in_space"]),
            yes(row["local_in_time"]),
            yes(row["causal"]),
            number(row["per_node"]),
            number(row["per_edge"]),
            yes(row["weight_transport"]),
        )
        for row in record["rows"]
    ]
    head = (
        "law", "local in space", "local in time", "causal", "numbers per node",
        "per edge", "weight transport",
    )  # fmt: skip
    return [
        "By perturbing every stored number, on a ring or row of 14 neurons (`hamlearn "
        "audit`); numbers beside state and weights.",
        table(head, rows),
    ]


def door(record: Record) -> list[str]:
    """What a call of `hl.stream` and of `hl.scan` costs."""
    columns = {
        "stream_over_scan": "`stream` / `scan`",
        "fixed_ms": "fixed ms of a call of `stream`",
        "fixed_beyond_ms": "the same beyond filling its memory",
        "scan_over_floor": "`scan` / plain JAX",
        "seeds": "8 seeds by `vmap` / 8 times one",
    }
    timed = [row for row in record["rows"] if "scan_us" in row]
    shown = {k: v for k, v in columns.items() if any(k in row for row in timed)}
    rows = [
        (
            row["law"],
            row["neurons"],
            row["batch"],
            f"{row['scan_us']['median']:.3g}",
            *[extremes(row, name) for name in shown],
        )
        for row in timed
    ]
    beyond = (
        "; beyond filling its memory: less one `init` and one pass over the samples"
        if "fixed_beyond_ms" in shown
        else ""
    )
    head = ("law", "neurons", "streams", "µs per sample, `scan`", *shown.values())
    return [
        "What a user gets, second calls: `hl.scan` is the loop inside, `hl.stream` the "
        "front door with its clock, records and checks. The fixed part is what a call "
        f"takes before and after the samples{beyond}. Brackets are least and most over "
        "rounds.",
        table(head, rows),
    ]


def plain(record: Record) -> list[str]:
    """Ratios to plain JAX of the gradients and approximations, single and batched."""
    shown = []
    for row in record["rows"]:
        floor = row["floor_us"]["median"]
        shown.append(
            (
                row["law"],
                row["neurons"],
                row["batch"],
                f"{floor:.3g}",
                f"{row['ours_us']['median']:.3g}",
                extremes(row, "ratio"),
            )
        )
    head = ("law", "n", "streams", "plain JAX, µs", "hamlearn, µs", "ratio (range)")
    return [
        "Each law beside the same equations written by hand (scan and grad, an einsum "
        "of the sensitivities, traces), results held equal. "
        "Processor time per sample, one core.",
        table(head, shown),
    ]


def program(record: Record) -> list[str]:
    """Kernels and passes over the weights that a GPU would run."""
    rows = [
        tuple(
            row[k]
            for k in (
                "neurons", "networks", "law", "kernels", "arrays_moved", "passes"
            )
        )
        for row in record["rows"]
    ]  # fmt: skip
    head = ("n", "networks", "law", "kernels", "passes", "counted")
    return [
        f"Not timed: counted in what XLA compiles for one, {record['target']}, without "
        "one at hand. "
        "A pass reads or writes one array of n x n numbers per network, once per step; "
        "the last column is the count that shares of the bandwidth go by, a pass for "
        "each product and one for all updates. XLA joins the updates of weights and "
        "costates into one kernel, for the flip with the transposed product.",
        table(head, rows),
    ]


def kill(record: Record) -> list[str]:
    """Runs ended at random points and gone on with."""
    same = lambda row: "the same" if row["same"] else "another"
    return [
        f"{len(record['kills'])} times a process that learns was ended at a random "
        "sample, some while its disk was full, and `hl.resume` went on from what was "
        "saved. At the end state, records and losses are compared bit for bit with "
        "those of a run that nobody disturbed, by law and by where the samples came "
        "from:",
        grid(
            record["ends"], "law", "source", lambda r: f"{same(r)}, {r['kills']} kills"
        ),
    ]
