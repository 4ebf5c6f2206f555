"""Where the numbers in the prose come from: sentences with blanks, and results.

A page says what `sentences` makes of the committed results, to the letter; tables
between `<!-- numbers NAME -->` and `<!-- /numbers -->` are written by
`python -m benchmarks.report`.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import hamlearn as hl

from . import _numbers_learning, _numbers_theory
from ._numbers_read import (
    ZERO,
    Said,
    claims,
    dot,
    power,
    record,
    rows,
    short,
    span,
    the,
    verdicts,
)
from ._tables import table

DOCS = Path(__file__).parents[1] / "docs"
MARKED = re.compile(r"<!-- numbers (\w+) -->\n.*?<!-- /numbers -->", re.DOTALL)


def _ratios() -> dict[tuple[str, str, float, str], list[float]]:
    """The cost of a causal law over the optimum, one per seed."""
    return {
        (r["start"], r["signal"], r["speed"], r["law"]): [
            run["ratio"] for run in r["runs"]
        ]
        for r in rows("two_point_gap.jsonl")
    }


LAWS = ("flip", "H-sign")


def gap() -> str:
    """What not knowing the future costs."""
    found = _ratios()
    cases = [
        (start, signal, speed)
        for start in ("cold", "settled")
        for signal in ("sine", "patched")
        for speed in (10.0, 1.0)
    ]
    lines = [
        (*case[:2], f"{case[2]:g}", *(span(found[*case, law], 2) for law in LAWS))
        for case in cases
    ]
    return table(("start", "signal", "$c$", "sign flip", "sign of $H$"), lines)


def quadratic() -> str:
    """Scalar linear-quadratic control, beside its optimum in closed form."""
    best = math.sqrt(0.1) / 2 * math.tanh(10 / math.sqrt(0.1))
    known = claims()
    cases = {
        "time reversal": known["lq_reversed_riccati"],
        r"flip, $\theta = 2/\sqrt r$": known["lq_flip_critical"],
        r"flip, $\theta = 0$": known["lq_flip_without_dissipation"],
    }
    made = [(name, f"{c:.4f}", f"{c / best:.3g}") for name, c in cases.items()]
    return table(
        ("", "cost", "over the optimum"), [("optimum", f"{best:.4f}", 1), *made]
    )


def solve() -> str:
    """What a step of STLP costs on sparse graphs."""
    made = [r for r in rows("sparse-cpu.json") if r["law"] == "stlp" and "edges" in r]
    found = []
    for r in made:
        if "not_run" in r:
            continue
        us, count = r["us_per_sample"]["median"], r["iterations"]
        found.append(
            (
                power(r["edges"]),
                short(us / 1e3),
                f"{count:.0f}",
                f"{1e3 * us / count / r['edges']:.2g}",
            )
        )
    heads = ("edges", "ms per step", "iterations", "ns per edge and iteration")
    return table(heads, found)


def window() -> str:
    """A long window by three memories."""
    made: dict[str, dict[str, dict[str, Any]]] = {}
    for r in rows("echo.json"):
        if r["potential"] == "harmonic":
            made.setdefault(r["memory"], {})[r["dtype"]] = r
    names = {
        "stored": "stored",
        "checkpoints": r"$\sqrt T$ checkpoints",
        "echo": "echo",
    }
    size = lambda r: f"{short(r['scratch_bytes'] / 1e6)} MB"
    error = lambda r: "0" if r["error"] == 0 else power(r["error"], 1)
    return table(
        ("harmonic", "scratch, float64", "error, float64", "error, float32", "seconds"),
        [
            (
                names.get(name, name),
                size(each["float64"]),
                error(each["float64"]),
                error(each["float32"]),
                f"{each['float64']['seconds']:.2g}",
            )
            for name, each in made.items()
        ],
    )


TABLES: dict[str, Callable[[], str]] = {
    "gap": gap,
    "quadratic": quadratic,
    "solve": solve,
    "window": window,
    **_numbers_learning.TABLES,
    **_numbers_theory.TABLES,
}


def written(text: str) -> str:
    """A page with its tables as the results have them."""
    return MARKED.sub(
        lambda m: f"<!-- numbers {m[1]} -->\n\n{TABLES[m[1]]()}\n\n<!-- /numbers -->",
        text,
    )


def pages() -> list[Path]:
    """Those that have such tables."""
    return [p for p in sorted(DOCS.rglob("*.md")) if MARKED.search(p.read_text())]


def sentences() -> list[tuple[str, str]]:
    """(page, what it says), with the numbers of the results."""
    return [
        (page, text.format(*values))
        for page, parts in (
            ("limits.md", _limits()),
            ("theory/claims.md", _claims()),
            ("theory/causal.md", _causal()),
            ("theory/hamiltonian.md", _hamiltonian()),
            ("theory/stlp.md", _stlp()),
            ("theory/latent_equilibrium.md", _filters()),
            *_numbers_learning.sentences(),
            *_numbers_theory.sentences(),
        )
        for text, *values in parts
    ]


def _limits() -> Said:
    known, ratios = claims(), _ratios()
    (cosine,) = [
        r["medians"]["sign flip"]
        for r in rows("alignment_recurrent.jsonl")
        if (r["gain"], r["omega_tau"]) == (0.9, 4.0)
    ]
    ((n, ms),) = [
        (r["neurons"], r["us_per_sample"]["median"] / 1e3)
        for r in rows("cost-cpu.json")
        if r["law"] == "rtrl" and r.get("neurons") == 128 and "not_run" not in r
    ]
    lags = {r["law"]: dot(r["mean"], 3) for r in rows("add_task_6_10.jsonl")}
    chaotic = [
        r["error"]
        for r in rows("echo.json")
        if (r["potential"], r["memory"]) == ("log cosh", "echo")
    ]
    cold = [r for (start, *_), each in ratios.items() if start == "cold" for r in each]
    return [
        (
            "RMSE {} on a sine, predicting zero {}",
            f"{known['tracks_without_dissipation']:.2f}",
            ZERO,
        ),
        ("cosine {} at omega tau = 4, gain 0.9", dot(cosine)),
        (
            "{} times settled on a sine, up to {} from a cold start",
            f"{median(ratios['settled', 'sine', 10.0, 'flip']):.1f}",
            f"{max(cold):.0f}",
        ),
        (
            "grows {} times in 6 units at c = 10",
            power(known["true_costate_forward_error"]),
        ),
        ("error {} at equal masses", f"{known['stlp_bp_equal_masses']:.2f}"),
        ("grows {} times at 1.2", f"{known['stlp_resonance_above']:.0f}"),
        ("{} ms per sample at {} neurons", f"{ms:.1f}", str(n)),
        ("error {} where trajectories part", f"{max(chaotic):.0f}"),
        (
            "lags 6 and 10: {} and {}, `RTRL` {}, knowing neither {}",
            lags["RFLO"],
            lags["SnAp-1"],
            lags["RTRL"],
            lags["floor: neither"],
        ),
    ]


def _claims() -> Said:
    k = claims()
    mnist = record("mnist1d_gle.json")["epochs"]
    patched = hl.tasks.patched()
    over = "mackey-glass, error over that of "
    gain = "gle gain, in units of the adjoint's over |H|^2"
    deep = "1-16-16-1, loss of instantaneous over GLE"
    return [
        (
            "{} and {} levels per $1/c$",
            f"{k['forward_wave_levels_c_dt']:.2f}",
            f"{k['backward_wave_levels_c_dt']:.2f}",
        ),
        (
            "RMSE {}, {} (zero: {})",
            f"{k['tracks_sine_q100']:.3f}",
            f"{k['tracks_sine_q1000']:.3f}",
            ZERO,
        ),
        ("| RMSE {} |", f"{k['tracks_without_dissipation']:.2f}"),
        (
            "RMSE {}, {} (zero: {})",
            f"{k['tracks_patched_q100']:.3f}",
            f"{k['tracks_patched_q1000']:.3f}",
            f"{patched.errors(0 * patched.values[:, None])['rmse']:.3f}",
        ),
        ("error {} at $c = 1000$", power(k["backprop_limit_flip_c1000"], 1)),
        ("grows {} times in 6 units", power(k["true_costate_forward_error"])),
        ("| {} |", power(k["equals_sgd_with_momentum"])),
        ("| holds | {} |", power(k["reversed_stream_is_bptt"])),
        ("$w = y/u$ to {}", power(k["stlp_single"])),
        (
            "{} times GLE's loss",
            f"{float(f'{k[deep]:.2g}'):.0f}",
        ),
        (
            "{} ms against {} ms",
            f"{k['le, six layers settle after (ms)']:.2f}",
            f"{k['six layers without prospective rates (ms)']:.0f}",
        ),
        (
            "{} and {} times the flip",
            f"{k['reversal_cost_over_flip_patched']:.2f}",
            f"{k['reversal_cost_over_flip_sine']:.1f}",
        ),
        ("grows {} times at 1.2", f"{k['stlp_resonance_above']:.0f}"),
        ("| {} of the drift |", power(k["stlp_pot_cancel"])),
        (
            "{} at 1e-4; {} at 1",
            power(k["stlp_bp"], 1),
            f"{k['stlp_bp_equal_masses']:.2f}",
        ),
        ("{} rad", power(k["gle phase error (rad)"], 1)),
        ("{} of that", f"{k[gain]:.4f}"),
        ("loss {} |", power(k["chain loss, GLE"])),
        ("{} % after 40 epochs", f"{mnist[-1]['test']:.1f}"),
        (
            "{}, {}, {} times their error",
            f"{k[over + 'the last value, GLE']:.2f}",
            f"{k[over + 'instantaneous backpropagation, GLE']:.2f}",
            f"{k[over + 'four linear taps, GLE']:.1f}",
        ),
        ("| {} over 1 time constant", power(k["true_costate_shot_over_1_tau"])),
        (
            "{} in one layer, {} in two; float32 {}",
            power(k["echo_equals_bptt"]),
            power(k["echo_equals_bptt_two_layers"]),
            power(k["echo_equals_bptt_float32"]),
        ),
        (
            "| {}; {} |",
            power(k["published_step_at_1e-4"]),
            f"{k['published_step_at_0.1']:.2f}",
        ),
    ]


def _causal() -> Said:
    ratios, k = _ratios(), claims()
    middle = lambda *case: median(ratios[*case, "flip"])
    cold = [middle("cold", s, c) for s in ("sine", "patched") for c in (10.0, 1.0)]
    every = [
        max(each)
        for (start, *_, law), each in ratios.items()
        if (start, law) == ("cold", "flip")
    ]
    return [
        (
            "Settled on a sine with fast neurons the flip costs {} times the optimum",
            f"{middle('settled', 'sine', 10.0):.1f}",
        ),
        (
            "from a cold start {} to {} times, up to {}",
            f"{min(cold):.1f}",
            f"{max(cold):.1f}",
            f"{max(every):.0f}",
        ),
        ("Jumps cost {}", f"{middle('settled', 'patched', 10.0):.1f}"),
        (
            "three seeds): settled sine {} ({}),",
            f"{k['flip_over_optimum_settled_sine']:.2f}",
            verdicts()["flip_over_optimum_settled_sine"].partition("seeds ")[2],
        ),
        (
            "patched {}; cold {} and {}.",
            f"{k['flip_over_optimum_settled_patched']:.2f}",
            f"{k['flip_over_optimum_cold_sine']:.1f}",
            f"{k['flip_over_optimum_cold_patched']:.1f}",
        ),
        (
            "make even a settled sine cost {} times",
            f"{middle('settled', 'sine', 1.0):.0f}",
        ),
    ]


def _hamiltonian() -> Said:
    return [
        (
            "(RMSE {} on a sine where predicting zero gives {})",
            f"{claims()['tracks_without_dissipation']:.2f}",
            ZERO,
        ),
    ]


def _grown(values: dict[float, float]) -> float:
    """The power with which values grow, from the first to the last."""
    (a, low), *_, (b, high) = sorted(values.items())
    return math.log(high / low) / math.log(b / a)


def _stlp() -> Said:
    k, made = claims(), [r for r in rows("sparse-cpu.json") if r["law"] == "stlp"]
    made = [r for r in made if "not_run" not in r]
    whole = {r["edges"]: r["us_per_sample"]["median"] for r in made}
    each = {r["edges"]: whole[r["edges"]] / r["iterations"] for r in made}
    return [
        ("{} at $m_x/m_w = 10^{{-4}}$", power(k["stlp_bp"], 1)),
        ("with slope {} in the ratio", f"{k['stlp_bp_slope']:.2f}"),
        ("and {} with equal masses", f"{k['stlp_bp_equal_masses']:.2f}"),
        ("(measured: {} of the drift itself)", power(k["stlp_pot_cancel"])),
        ("grows with edges to the power {};", f"{_grown(each):.2f}"),
        ("a step in all goes with the power {}.", f"{_grown(whole):.2f}"),
    ]


def _filters() -> Said:
    filters = rows("alignment_filters.json")
    first = [
        r
        for r in filters
        if (r["law"], r["part"], r["tau_r"]) == ("GLE", "input_weight", 0.1)
    ]
    whole = [
        the(filters, law=law, part="all", omega_tau=4.0, tau_r=0.1)["mean"]
        for law in ("GLE", "instantaneous")
    ]
    return [
        ("least {} at every frequency", dot(min(r["mean"] for r in first))),
        ("(the worst of 8 seeds: {} at", dot(min(r["least"] for r in first))),
        ("GLE falls to {} at", dot(whole[0])),
        ("wrong in the first, score {}.", dot(whole[1])),
    ]
