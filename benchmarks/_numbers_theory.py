"""Numbers of the pages of theory: tables, and sentences with blanks."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ._numbers_read import (
    Said,
    claims,
    dot,
    error,
    power,
    record,
    rows,
    short,
    the,
)
from ._tables import table


def ranged(values: dict[str, float], write: Callable[[float], str] = error) -> str:
    """4.7e-9 (3.1e-9 to 8.8e-9)"""
    low, high = write(values["min"]), write(values["max"])
    return f"{write(values['median'])} ({low} to {high})"


def pushes() -> str:
    """Errors of the echo by the strength of its pushes."""
    found = [r for r in rows("echo_errors.json") if r["part"] == "pushes"]
    cases = dict.fromkeys(r["case"] for r in found)
    epsilons = dict.fromkeys(r["epsilon"] for r in found)
    head = ["chosen" if eps is None else f"ε = {power(eps)}" for eps in epsilons]

    def cell(case: str, eps: float | None) -> str:
        made = the(found, case=case, epsilon=eps)["error"]
        return ranged(made) if eps is None else error(made["median"])

    lines = [(case, *[cell(case, eps) for eps in epsilons]) for case in cases]
    return table(("run", *head), lines)


def damping() -> str:
    """Errors of the echo by what damping makes of a push."""
    found = [r for r in rows("echo_errors.json") if r["part"] == "damping"]
    lines = [
        (f"{r['gain']:g}" if r["gain"] < 100 else power(r["gain"]), ranged(r["error"]))
        for r in found
    ]
    return table((r"$e^{\theta T}$", "error"), lines)


def taught() -> str:
    """Accuracy of echo and of BPTT on the same sequences."""
    names = {
        "vowels": "Japanese vowels, 12 channels",
        "digits": "digits pixel by pixel, 64 samples",
    }
    found = rows("echo_learning.json")
    three = lambda value: dot(value, 3)
    lines = [
        (
            name,
            *[
                ranged(the(found, task=task, law=law)["accuracy"], three)
                for law in ("echo", "BPTT")
            ],
        )
        for task, name in names.items()
    ]
    return table(("", "echo", "BPTT"), lines)


def exchanges() -> str:
    """Errors of STLP's credit after a number of exchanges between neighbours."""
    found = rows("stlp_exchanges.json")
    steps = sorted({r["exchanges"] for r in found})

    def cell(solver: str, count: int) -> str:
        mine = [r for r in found if (r["solver"], r["exchanges"]) == (solver, count)]
        return error(mine[0]["error"]) if mine else ""

    lines = [(n, cell("plain", n), cell("sweeps", n)) for n in steps]
    return table(("exchanges", "conjugate gradients", "with sweeps"), lines)


#: Filters of the costate.
CLOSURES = ("instantaneous", "prospective", "gain corrected", "sign flipped", "learned")


def filters() -> str:
    """Cosines of a lower layer's credit by filter, and the ceiling."""
    found = [
        r
        for r in rows("filters.json")
        if (r["part_of"], r.get("part")) == ("stack", "layers.0")
    ]
    lines = []
    for problem in dict.fromkeys(r["problem"] for r in found):
        mine = [the(found, problem=problem, law=law) for law in CLOSURES]
        ceiling = dot(mine[0]["ceiling"])
        cosines = [dot(r["cosine"]) for r in mine]
        lines.append((problem.removeprefix("stack, "), *cosines, ceiling))
    return table((r"target, $\lvert a\rvert$", *CLOSURES, "ceiling"), lines)


def rates() -> str:
    """Cosines of the whole credit of recurrent rate neurons."""
    laws = {
        "instantaneous": "instantaneous", "learned": "learned",
        "DNI": "synthetic gradients (`DNI`)", "BP(lambda)": "`BPLambda`",
    }  # fmt: skip
    found = [
        r
        for r in rows("filters.json")
        if (r["part_of"], r.get("part")) == ("rate", "all")
    ]
    leaks = (0.5, 0.1)
    cell = lambda law, leak: dot(
        the(found, problem=f"rate, leak {leak}", law=law)["cosine"], 3
    )
    lines = [(name, *[cell(law, x) for x in leaks]) for law, name in laws.items()]
    return table(("", *[f"leak {dot(leak, 1)}" for leak in leaks]), lines)


def earlier() -> str:
    """Cosines of the first layer where an earlier measurement differs, and ours."""

    def found(name: str, law: str) -> dict[str, Any]:
        return the(
            rows(f"{name}.json"), law=law, part="input_weight", omega_tau=0.7, tau_r=0.1
        )

    here = lambda r: ranged(
        {"median": r["mean"], "min": r["least"], "max": r["greatest"]}, dot
    )
    lines = [
        (
            law,
            dot(found("alignment_filters", law)["earlier"]),
            here(found("alignment_filters", law)),
            here(found("alignment_filters_gain_1.5", law)),
        )
        for law in ("instantaneous", "sign flip")
    ]
    return table(("", "earlier", "here", "weights 1.5 times as strong"), lines)


TABLES: dict[str, Callable[[], str]] = {
    "pushes": pushes, "damping": damping, "taught": taught, "exchanges": exchanges,
    "filters": filters, "rates": rates, "earlier": earlier,
}  # fmt: skip


def sentences() -> Iterator[tuple[str, Said]]:
    """(page, its sentences)."""
    yield "theory/echo.md", _echo()
    yield "theory/filters.md", _costate()
    yield "theory/latent_equilibrium.md", _layers()
    depth = str(record("stlp_exchanges.json")["depth"])
    yield "theory/stlp.md", [("longest path {} edges", depth)]


def _echo() -> Said:
    window = the(
        rows("echo.json"), potential="harmonic", memory="echo", dtype="float64"
    )
    chaos = lambda memory, dtype: the(
        rows("echo.json"), potential="log cosh", memory=memory, dtype=dtype
    )["error"]
    measured = rows("echo_errors.json")
    apart = the(measured, part="chaotic")
    spent = {r["dtype"]: r for r in measured if r["part"] == "time"}
    ratio = lambda dtype: dot(spent[dtype]["over_checkpoints"]["median"])
    thousands = lambda count: f"{count:,}"
    epochs = str(record("echo_learning.json")["epochs"])
    return [
        ("The slope is {}.", f"{claims()['echo_slope']:.0f}"),
        (
            "the worst has {}; their median is {}.",
            *[
                error(the(measured, part="hundred")["error"][k])
                for k in ("max", "median")
            ],
        ),
        (
            "{} in the median of ten networks of 16 oscillators ({} to {}) after 100",
            *[
                dot(the(measured, part="published")["error"][k])
                for k in ("median", "min", "max")
            ],
        ),
        ("after {} samples of noise", thousands(apart["samples"])),
        ("the error is {} at best", dot(apart["error"]["min"])),
        ("comes home to {}.", power(apart["retrace"])),
        (
            "A window of {} samples of {} oscillators",
            thousands(window["samples"]),
            str(window["neurons"]),
        ),
        ("takes {} MB in double", f"{window['stream_bytes'] / 1e6:.1f}"),
        (
            "takes {} times the processor time of checkpoints in float64, {} in "
            "float32",
            ratio("float64"),
            ratio("float32"),
        ),
        ("({} samples, harmonic", thousands(spent["float64"]["samples"])),
        (
            "the echo's error is {}, and so is that of the *stored* gradient in "
            "float32 ({})",
            dot(chaos("echo", "float64")),
            dot(chaos("stored", "float32")),
        ),
        (
            "three seeds, float32, {} epochs",
            epochs,
        ),
    ]


def _costate() -> Said:
    made = record("filters.json")
    below = lambda law, name: the(
        made["rows"], problem=f"stack, noise, .9 to .99{name}", law=law, part="layers.0"
    )
    short = [
        below("learned", name)["ceiling"] - below("learned", name)["cosine"]
        for name in ("", ", LRU")
    ]
    less = np.subtract(
        below("learned", "")["seeds"], below("instantaneous", "")["seeds"]
    )
    return [
        (
            "learned on {} samples, scored on {} fresh ones",
            f"{made['fitted']:,}",
            f"{made['scored']:,}",
        ),
        ("with noise {} and {} below", *map(dot, short)),
        ("one seed of five is {} below the instantaneous", dot(-less.min())),
        ("where {} samples are a few memories", f"{made['fitted']:,}"),
    ]


def _layers() -> Said:
    found = rows("alignment_filters.json")
    first = [r for r in found if r["part"] == "input_weight"]
    known = [r for r in first if r.get("earlier") is not None]
    near = [r["mean"] for r in first if r["tau_r"] == 0.5 and r["law"] != "sign flip"]
    return [
        ("between $\\omega\\tau = {}$ and {};", *map(short, turned("sign flip", 1))),
        (
            "the flip turns round near {} and instantaneous backpropagation near {}.",
            *[f"{crossing(law):.1f}" for law in ("sign flip", "instantaneous")],
        ),
        ("stay at {} or more in the first layer", dot(min(near), 3)),
        (
            "Of the {} earlier values for the first layer {} agree",
            str(len(known)),
            str(sum(r["agrees"] for r in known)),
        ),
    ]


def turned(law: str, below: int = 2) -> tuple[float, float]:
    """The frequencies between which a law turns round, `below` slow layers."""
    part = {1: "weight, layer 1", 2: "input_weight"}[below]
    means = _means(law, part)
    return max(w for w, m in means if m > 0), min(w for w, m in means if m < 0)


def crossing(law: str) -> float:
    """Where its mean cosine in the first layer is zero, on a line between two."""
    means = dict(_means(law, "input_weight"))
    a, b = turned(law)
    return a + (b - a) * means[a] / (means[a] - means[b])


def _means(law: str, part: str) -> list[tuple[float, float]]:
    return [
        (r["omega_tau"], r["mean"])
        for r in rows("alignment_filters.json")
        if (r["law"], r["part"], r["tau_r"]) == (law, part, 0.1)
    ]
