"""What the measurements found: a sentence of a record, with its numbers."""

from ._tables import Record, size

LOCAL = ("flip", "gle", "rflo", "snap1")


def cost(record: Record) -> str:
    """At the largest size that all local laws have, and where exact RTRL ends."""
    done = [r for r in record["rows"] if "not_run" not in r]
    largest = max(r["neurons"] for r in done if r["law"] in LOCAL)
    shown = [r for r in done if r["law"] in LOCAL and r["neurons"] == largest]
    ratios = [r["ratio_to_forward_outer"]["median"] for r in shown]
    exact = [r for r in done if r["law"] == "rtrl"][-1]
    return (
        f"A sample of a local law on {largest} neurons takes {min(ratios):.2f} to "
        f"{max(ratios):.2f} times the forward pass with one outer product "
        f"({', '.join(r['law'] for r in shown)}), one of exact RTRL on "
        f"{exact['neurons']} already {exact['ratio_to_forward_outer']['median']:.0f} "
        f"times, {exact['us_per_sample']['median'] / 1e3:.3g} ms."
    )


def length(record: Record) -> str:
    """Which memory is flat, and how that of BPTT grows."""
    exponents = {k: v for k, v in record["exponents"].items() if v is not None}
    flat = [k for k, v in exponents.items() if abs(v) < 0.01]
    top = max(r["samples"] for r in record["rows"])
    need = {
        r["law"]: size(r["state_bytes"] + r["scratch_bytes"])
        for r in record["rows"]
        if r["samples"] == top
    }
    return (
        f"The memory of {len(flat)} laws that update at every sample is flat up to "
        f"{top:,} samples ({need['snap1']} for snap1); that of BPTT grows as "
        f"T^{exponents['bptt']:.2f} (to {need['bptt']}), with √T checkpoints as "
        f"T^{exponents['bptt-sqrt']:.2f}."
    )


def batch(record: Record) -> str:
    """Where checkpointed BPTT is smaller than the trace of SnAp-1."""
    trace = {
        (r["neurons"], r["batch"]): r["bytes"]
        for r in record["memory"]
        if r["law"] == "snap1"
    }
    root = [r for r in record["memory"] if r["law"] == "bptt-sqrt"]
    less = [r for r in root if r["bytes"] < trace[r["neurons"], r["batch"]]]
    top = max(r["window"] for r in root)
    at_top = sum(r["window"] == top for r in less)
    most = [r for r in record["rows"] if r["law"] == "snap1"][-1]
    return (
        f"√T-checkpointed BPTT needs less memory than one trace per edge (snap1) in "
        f"{len(less)} of {len(root)} cases, {at_top or 'none'} of them at T = {top:,}; "
        f"with {most['batch']} streams on {most['neurons']} neurons a step of snap1 "
        f"takes {most['ratio_to_bptt_sqrt']['median']:.1f} times as long."
    )


def quality(record: Record) -> str:
    """On which tasks a law is better than the taps fitted beforehand."""
    won, lost = [], []
    for task in dict.fromkeys(row["task"] for row in record["rows"]):
        rows = [
            r for r in record["rows"] if r["task"] == task and r["loss"] is not None
        ]
        best = min(rows, key=lambda row: row["loss"])
        (won if best["loss"] < best["floors"]["linear"] else lost).append(task)
    return (
        f"Four linear taps fitted beforehand beat every law on {len(lost)} of "
        f"{len(won) + len(lost)} tasks ({', '.join(lost)}) and lose on "
        f"the other {len(won)} ({', '.join(won)})."
    )


def cue(record: Record) -> str:
    """At the longest lag."""
    task = "cue, lag 128"
    right = {r["law"]: r["accuracy"] for r in record["rows"] if r["task"] == task}
    return (
        f"Exact traces on a diagonal layer name a {task.replace(', lag', ' after')} "
        f"samples in {100 * right['exact traces']['median']:.0f} % of cases (the worst "
        f"seed {100 * right['exact traces']['min']:.0f} %), the same layer without "
        f"traces in {100 * right['immediate, RMSprop']['median']:.0f} % and frozen in "
        f"{100 * right['frozen']['median']:.0f} %."
    )


def hops(record: Record) -> str:
    """Losses over that of RTRL, least and greatest over the tasks."""

    def span(law: str) -> str:
        over = [r["over RTRL"] for r in record["rows"] if r["law"] == law]
        return f"{min(over):.2f} to {max(over):.2f}"

    return (
        "In slow networks, what is learned with five hops has "
        f"{span('hops, 5')} times the loss of RTRL, with symmetric RFLO "
        f"{span('RFLO, symmetric')}, with the sign flip {span('sign flip')}."
    )
