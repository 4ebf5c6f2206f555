"""Sections of the report on what laws learn."""

from typing import Any

from ._tables import Record, grid, size, table


def quality(record: Record) -> list[str]:
    """Losses of laws by tasks, then each task by itself."""
    rows = record["rows"]
    tasks = {row["task"]: row for row in rows}
    best = {
        task: min(
            r["loss"] for r in rows if r["task"] == task and r["loss"] is not None
        )
        for task in tasks
    }
    floors = dict.fromkeys(name for row in tasks.values() for name in row["floors"])

    def cell(row: Record) -> str:
        text = _number(row["loss"], ".4f")
        return f"**{text}**" if row["loss"] == best[row["task"]] else text

    of = lambda name: [
        _number(row["floors"].get(name), ".4f") for row in tasks.values()
    ]
    text = [
        "Forecasts of a series one sample ahead (heartbeat, mackey-glass, lorenz), a "
        "recurrent network to mimic (teacher), and bits to remember over four and six "
        "samples (add): losses before each sample teaches, the median over seeds, the "
        "best in bold; step sizes found by the same search on another part with other "
        "seeds. `linear` is least squares on four values, fitted beforehand.",
        grid(rows, "law", "task", cell, [(f"*{name}*", *of(name)) for name in floors]),
        "`frozen` learns the readout alone: what a law gains over it is what learning "
        "the recurrence is worth. Cosines are with the exact gradient.",
    ]
    head = (
        "law", "loss", "over seeds", "cosine", "between neurons", "µs per sample",
        "step size", "diverged", "network",
    )  # fmt: skip
    for task in tasks:
        mine = [row for row in rows if row["task"] == task]
        mine.sort(key=lambda row: row["loss"] or float("inf"))
        text.append(f"**{task}**, {mine[0]['samples']:,} samples scored")
        text.append(table(head, [_row(row) for row in mine]))
    return text


def _row(row: Record) -> tuple[Any, ...]:
    losses = [loss for loss in row["losses"] if loss is not None]
    return (
        row["law"],
        _number(row["loss"], ".4f"),
        f"{min(losses):.4f} .. {max(losses):.4f}" if losses else "",
        _number(row["cosine"], ".2f"),
        _number(row["cosine_recurrent"], ".2f"),
        _number(row["us_per_sample"], ".3g"),
        row["step_size"],
        f"{row['diverged']} of {len(row['losses'])}",
        row["note"],
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def hops(record: Record) -> list[str]:
    edge = lambda row: " (edge)" if row["at the edge"] else ""
    return [
        f"A student learns from {record['samples']:,} samples to answer as a slow "
        "teacher of its kind does. Losses with the weights held, on fresh samples, "
        f"over that of RTRL: medians of {len(record['rows'][0]['frozen'])} seeds. Step "
        "sizes were chosen on other seeds; (edge): at the end of their grid.",
        grid(record["rows"], "law", "task", lambda r: f"{r['over RTRL']:.2f}{edge(r)}"),
    ]


def cue(record: Record) -> list[str]:
    """One diagonal layer."""
    return [
        "A cue to be named after a lag, a stimulus that foretells an outcome, symbols "
        "to be copied, all among distractors: one diagonal layer of 16 modes (copy: "
        "32), its rivals on the same layer, and dense networks of 32 neurons. The "
        "share of right answers (trace conditioning: 1 less the loss over that of a "
        "constant) in the last fifth of one pass, from before each taught anything: "
        f"the median of {len(record['seeds'])} seeds, the worst in brackets. Step "
        "sizes were chosen on other seeds; (edge): at the end of their grid.",
        _accuracy(record),
        *_held(record),
    ]


def stack(record: Record) -> list[str]:
    """A gate before the memory."""
    return [
        "A value comes with every sample, and a flag says which one is to be kept "
        "(late: the one three samples after it), so that a layer has to gate what the "
        "next one remembers; a second symbol is to be compared with a first. Right "
        "answers as above.",
        _accuracy(record),
        *_held(record),
    ]


def spiking(record: Record) -> list[str]:
    return [
        "Which side had more cues, by 100 spiking neurons, half of them with adaptive "
        f"thresholds: {record['rows'][0]['samples']:,} samples of one stream, an "
        "update per sample, each trial from rest. Right answers as above.",
        _accuracy(record),
        *_held(record),
    ]


def memory_cost(record: Record) -> list[str]:
    rows = []
    for r in record["rows"]:
        others = ", ".join(
            f"{r['us'][name]:.4g} ({name}: {ratio:.2f} times)"
            for name, ratio in r["ratio"].items()
        )
        rows.append((r["case"], f"{next(iter(r['us'].values())):.4g}", others))
    return [
        "Exact credit, time per sample through `scan`, float32, on one core, beside "
        "the same network without it: one layer, readout included, whose recurrence "
        "gets no gradient or does not learn; two layers with K shared poles beside the "
        "rule with instantaneous error between them. The machine had other work.",
        table(("case", "µs", "µs of others, and how many times as long"), rows),
    ]


def _accuracy(record: Record, score: str = "accuracy") -> str:
    edge = lambda row: " (edge)" if row.get("at the edge") else ""
    shown = lambda row: "{median:.3f} ({min:.3f})".format(**row[score])
    return grid(record["rows"], "law", "task", lambda row: shown(row) + edge(row))


def _held(record: Record) -> list[str]:
    """The same with the weights held, where it was measured."""
    rows = [row for row in record["rows"] if "held" in row]
    if not rows:
        return []
    text = "The weights held as they are at the end of the pass, on a fresh stream"
    if len(rows) < len(record["rows"]):
        text += " (laws and tasks that are missing here ran with one fixed step size"
        text += ", on stacks over 60,000 samples)"
    found = [f"{text}:", _accuracy(record | {"rows": rows}, "held")]
    cooled = [row for row in rows if "cooled" in row]
    if cooled:
        found += [
            "The same after a fifth of the pass more, in which the step size falls to "
            "a hundredth:",
            _accuracy(record | {"rows": cooled}, "cooled"),
        ]
    return found


def add(record: Record) -> list[str]:
    first, second = record["rows"][0]["lags"]
    rows = [
        (r["law"], f"{r['mean']:.3f}", _number(r.get("spread"), ".3f"))
        for r in record["rows"]
    ]
    return [
        f"Two bits to be added after {first} and {second} samples: cross-entropy of "
        "the last tenth of "
        f"{record['rows'][0]['steps']:,} samples, mean and spread over seeds. "
        "Floors know neither bit, one, or both.",
        table(("law", "cross-entropy", "spread"), rows),
    ]


def gap(record: Record) -> list[str]:
    rows = [
        {**r, "case": f"{r['signal']}, {r['start']}", "column": f"c = {r['speed']:g}"}
        for r in record["rows"]
        if r["law"] == "flip"
    ]
    return [
        "Five neurons track a signal; the action of the sign flip over that of the "
        f"true optimum, medians of {len(rows[0]['runs'])} seeds, from a random start "
        "(cold) or after five units of learning (settled).",
        grid(rows, "case", "column", lambda row: f"{row['median']:.2f}"),
    ]


def track(record: Record) -> list[str]:
    rows = [row for row in record["rows"] if "signal" in row]
    units = [row["rmse_over_std"] for row in record["rows"] if "unit" in row]
    tenths = list(rows[0]["worst_tenth"])
    return [
        "`hl.track`: its error over that of repeating the last recorded value, in the "
        f"worst tenth of a run and the worst of {record['seeds']} seeds, by the number "
        f"of neurons; it is to stay below {record['limit']}. In units of time and "
        f"value from 1e-6 to 1e6 the error over the standard deviation is "
        f"{min(units):.4g} to {max(units):.4g}.",
        table(
            ("signal", "samples", *[f"{n} neurons" for n in tenths]),
            [
                (
                    r["signal"],
                    f"{r['samples']:,}",
                    *[r["worst_tenth"][n] for n in tenths],
                )
                for r in rows
            ],
        ),
    ]


def echo(record: Record) -> list[str]:
    first = record["rows"][0]
    rows = [
        (
            r["potential"], r["dtype"], r["memory"], size(r["scratch_bytes"]),
            f"{r['seconds']:.2f}", f"{r['error']:.1e}",
        )
        for r in record["rows"]
    ]  # fmt: skip
    return [
        f"The gradient of a window of {first['samples']:,} samples of "
        f"{first['neurons']} oscillators, its states kept, recomputed from "
        "checkpoints, or played back. Errors are relative to the stored run in double "
        "precision; where one is near 1, the motion is chaotic and the gradient lost.",
        table(("potential", "precision", "states", "scratch", "s", "error"), rows),
    ]
