"""The section on STLP, BPTT and RTRL, and what it found."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from ._tables import Record, grid, growth, size, table

KINDS = {"layers": "Layers", "recurrent": "Recurrent"}
HEAD = {
    "stlp": "STLP", "hamiltonian": "Hamiltonian learning", "gle": "GLE", "hops": "hops",
    "bptt": "BPTT, stored", "bptt-sqrt": "BPTT, √T", "rtrl": "RTRL",
    "rtrl-blocks": "RTRL, in blocks",
}  # fmt: skip


def of(record: Record, what: str, **more: Any) -> list[Record]:
    """The rows of one kind of measurement."""
    wanted = {"what": what, **more}
    return [r for r in record["rows"] if all(r.get(k) == v for k, v in wanted.items())]


def done(rows: Sequence[Record]) -> list[Record]:
    """Those that were run."""
    return [row for row in rows if "not_run" not in row]


def three(record: Record) -> list[str]:
    """All of it, layers and the recurrent network side by side."""
    text = [
        "One network, one smooth stream, every law: rate neurons in three layers, or "
        "each hearing all, that follow a teacher of their kind; GLE has voltage "
        "neurons on the same graph with the same weights, STLP resting ones, with its "
        "slack where there are cycles. Times are those of `hl.scan`, and of "
        "`hl.stream` where it says so. *waits*: samples that an update waits for; "
        "BPTT has windows of 100, √T keeps no states but runs them again from "
        "checkpoints, RTRL in blocks has about as many samples as neurons. Cosines are "
        "with exact BPTT through the whole past, weights held. Losses: the mean over "
        "1000 samples, after 10,000 of them and after what one second allows, at the "
        "step size that served another network best; (edge): at the end of the grid.",
        *sentences(record),
    ]
    if record["environment"].get("device") == "cpu":
        text.append(
            "`--device gpu` measures the same on a GPU; none was at hand for this page."
        )
    for kind, title in KINDS.items():
        if of(record, "cost", kind=kind):
            text += [f"**{title}**, 32 neurons", _together(record, kind)]
            text += ["µs per sample, by n:", _by_size(record, kind)]
            text += [growth({"exponents": record["exponents"][kind]}, "n")] * bool(
                record.get("exponents", {}).get(kind)
            )
    return [*text, *_doubles(record), *_streams(record), *_many(record)]


def _us(row: Record) -> float:
    return row["us_per_sample"]["median"]


def titled(law: str) -> str:
    """How a law is called on the page."""
    return HEAD.get(law, law)


def _name(row: Record) -> str:
    return titled(row["law"])


def _number(value: Any, form: str = ".3g") -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return format(float(value), form)


def _together(record: Record, kind: str) -> str:
    cosines = {r["law"]: r["cosines"] for r in of(record, "alignment", kind=kind)}
    parts = list(dict.fromkeys(part for found in cosines.values() for part in found))
    layers = [part for part in parts if part != "weight" or len(parts) <= 3]
    losses = {r["law"]: r for r in of(record, "learning", kind=kind)}
    rows = []
    for row in done(of(record, "cost", kind=kind, neurons=32, dtype="float32")):
        loss, cosine = losses.get(row["law"]), cosines.get(row["law"], {})
        edge = " (edge)" if loss and loss["at_the_edge"] else ""
        late = lambda k, loss=loss: _number(loss and loss[k]["median"])
        against = row.get("ratio_to_bptt", {}).get("median")
        rows.append(
            (
                _name(row), f"{_us(row):.3g}", _number(against, ".2f"),
                size(row["state_bytes"]), size(row["scratch_bytes"]), row["waits"],
                *[_number(cosine.get(part), ".2f") for part in layers],
                late("equal_samples") + edge, late("equal_seconds"),
                f"{row['compile_s']:.1f}",
            )
        )  # fmt: skip
    head = (
        "law", "µs per sample", "/ BPTT", "carried", "scratch", "waits",
        *[f"cosine, {part}" for part in layers], "loss, equal samples",
        "equal seconds", "compile s",
    )  # fmt: skip
    return table(head, rows)


def _cell(row: Record) -> str:
    return f"not run: {row['not_run']}" if "not_run" in row else f"{_us(row):.3g}"


def _by_size(record: Record, kind: str) -> str:
    rows = of(record, "cost", kind=kind, dtype="float32")
    named = [{**row, "law": _name(row), "n": f"n = {row['neurons']}"} for row in rows]
    return grid(named, "law", "n", _cell)


def _doubles(record: Record) -> list[str]:
    single = {
        (r["kind"], r["neurons"], r["law"]): _us(r)
        for r in done(of(record, "cost", dtype="float32"))
    }
    rows = [
        {
            "law": _name(row),
            "case": f"{row['kind']}, n = {row['neurons']}",
            "over": _us(row) / single[key],
        }
        for row in done(of(record, "cost", dtype="float64"))
        if (key := (row["kind"], row["neurons"], row["law"])) in single
    ]
    if not rows:
        return []
    over = lambda row: f"{row['over']:.2f}"
    return ["Time in float64 over that in float32:", grid(rows, "law", "case", over)]


def _streams(record: Record) -> list[str]:
    rows = of(record, "stream")
    if not rows:
        return []
    found = [{**r, "law": _name(r), "T": f"T = {r['samples']:,}"} for r in rows]

    def part(cell: Callable[[Record], str]) -> str:
        told = lambda r: f"not run: {r['not_run']}" if "not_run" in r else cell(r)
        return grid(found, "law", "T", told)

    return [
        "`hl.stream` over streams of T samples, 32 neurons in layers; BPTT's window is "
        "all of the stream. µs per sample of a second call, and s of the first:",
        part(lambda r: f"{r['us_per_sample']:.3g} ({r['first_call_s']:.1f} s)"),
        "Carried and scratch together, and updates:",
        part(
            lambda r: f"{size(r['state_bytes'] + r['scratch_bytes'])}, {r['updates']:,}"
        ),
    ]


def _many(record: Record) -> list[str]:
    rows = of(record, "many")
    if not rows:
        return []
    shown = [
        (
            _name(r),
            f"not run: {r['not_run']}" if "not_run" in r else f"{_us(r):.3g}",
            "" if "not_run" in r else f"{_us(r) / r['networks']:.3g}",
        )
        for r in rows
    ]
    first = rows[0]
    return [
        f"{first['networks']} networks of {first['neurons']} neurons at once, each "
        "with its own weights and stream:",
        table(("law", "µs per step of all", "µs per network and sample"), shown),
    ]


def sentences(record: Record) -> list[str]:
    """What STLP buys, what it costs, and what both come to."""
    found = [_buys(record), _costs(record), _comes_to(record)]
    return [" ".join(text for text in found if text)]


def finding(record: Record) -> str:
    """The same, at the top of the page."""
    return sentences(record)[0]


def _at(record: Record, what: str, kind: str, law: str, **more: Any) -> Record | None:
    rows = done(of(record, what, kind=kind, law=law, **more))
    return rows[0] if rows else None


def _buys(record: Record) -> str:
    stlp, bptt = (
        _at(record, "cost", "layers", law, neurons=32, dtype="float32")
        for law in ("stlp", "bptt")
    )
    aligned = _at(record, "alignment", "layers", "stlp")
    if stlp is None or bptt is None or aligned is None:
        return ""
    held = lambda row: size(row["state_bytes"] + row["scratch_bytes"])
    return (
        "STLP moves its weights at every sample, where BPTT waits for "
        f"{bptt['waits']}, and holds {held(stlp)} where that holds {held(bptt)} (32 "
        "neurons in layers), with a cosine of "
        f"{_number(aligned['cosines']['all'], '.2f')} to the exact gradient."
    )


def _costs(record: Record) -> str:
    rows = done(of(record, "cost", kind="layers", law="stlp", dtype="float32"))
    ratios = {r["neurons"]: r["ratio_to_bptt"]["median"] for r in rows
              if "ratio_to_bptt" in r}  # fmt: skip
    rtrl = _at(record, "cost", "layers", "rtrl", neurons=32, dtype="float32")
    small = _at(record, "cost", "layers", "stlp", neurons=32, dtype="float32")
    if 32 not in ratios or rtrl is None or small is None:
        return ""
    last = max(ratios)
    return (
        f"A sample takes it {ratios[32]:.0f} times as long as BPTT with 32 neurons and "
        f"{ratios[last]:.0f} times with {last}, and {_us(small) / _us(rtrl):.2g} times "
        "as long as RTRL with 32."
    )


def _comes_to(record: Record) -> str:
    told = []
    for kind in KINDS:
        rows = {r["law"]: r for r in of(record, "learning", kind=kind)}
        if not {"stlp", "bptt"} <= rows.keys():
            continue
        over = lambda k, rows=rows: _number(
            rows["stlp"][k]["median"] / rows["bptt"][k]["median"], ".2g"
        )
        told.append(
            f"in {'layers' if kind == 'layers' else 'a recurrent network'} "
            f"{over('equal_samples')} after equal samples and {over('equal_seconds')} "
            "after equal seconds"
        )
    return f"Its loss over that of BPTT is {', '.join(told)}." if told else ""
