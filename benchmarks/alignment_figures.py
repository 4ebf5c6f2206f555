"""Figures of the measured alignment, from the records in results/.

python -m benchmarks.alignment_figures
"""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from hamlearn.plot import STYLE, looks

from ._record import RESULTS

DOCS = Path(__file__).parents[1] / "docs" / "figures"


def filters() -> Any:
    """Cosine of each layer's credit by frequency; lines of means, ranges over seeds."""
    rows = json.loads((RESULTS / "alignment_filters.json").read_text())["rows"]
    parts = {
        "input_weight": "into layer 1 (through two slow layers)",
        "weight, layer 1": "into layer 2 (through one)",
        "weight, layer 2": "into the output (through none)",
    }
    figure, axes = plt.subplots(
        1, 3, figsize=(9.5, 3.4), sharey=True, layout="constrained"
    )
    for axis, (part, title) in zip(axes, parts.items(), strict=True):
        for law, look in looks(("GLE", "instantaneous", "sign flip")).items():
            mine = [
                r for r in rows if (r["law"], r["part"], r["tau_r"]) == (law, part, 0.1)
            ]
            x = [r["omega_tau"] for r in mine]
            mean = [r["mean"] for r in mine]
            low, high = ([r[name] for r in mine] for name in ("least", "greatest"))
            axis.fill_between(x, low, high, color=look.colour, alpha=0.15, lw=0)
            label = law if axis is axes[0] else None
            axis.plot(x, mean, label=label, **_style(look))
            known = [r.get("earlier") for r in mine]
            if all(value is not None for value in known):
                axis.plot(x, known, "x", color=look.colour, ms=6)
        _frame(axis, title)
    axes[0].plot([], [], "x", color="0.3", label="values known before")
    axes[0].set_ylabel("cosine with the exact gradient")
    figure.legend(loc="outside lower center", ncols=4)
    return figure


def recurrent() -> Any:
    """Median cosine of the recurrent weights by frequency, one panel per gain."""
    lines = (RESULTS / "alignment_recurrent.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    gains = sorted({row["gain"] for row in rows})
    figure, axes = plt.subplots(
        1, len(gains), figsize=(9.5, 3.4), sharey=True, layout="constrained"
    )
    for axis, gain in zip(axes, gains, strict=True):
        mine = [row for row in rows if row["gain"] == gain]
        x = [row["omega_tau"] for row in mine]
        for law, look in looks(("RFLO", "recurrent backprop", "sign flip")).items():
            each = np.array([row["cosines"][law] for row in mine])
            axis.fill_between(
                x, each.min(1), each.max(1), color=look.colour, alpha=0.15, lw=0
            )
            label = law + (" (SnAp-1 alike)" if law == "RFLO" else "")
            label = label if axis is axes[0] else None
            axis.plot(x, np.median(each, axis=1), label=label, **_style(look))
        _frame(axis, f"gain {gain}")
    axes[0].set_ylabel("cosine with the exact gradient")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _style(look: Any) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.mark, "ls": look.dashes, "ms": 4}


def _frame(axis: Any, title: str) -> None:
    axis.axhline(0.0, color="0.5", lw=0.8)
    ticks = [0.1, 0.2, 0.5, 1, 2, 4]
    axis.set(xscale="log", xlabel="ωτ (rad)", ylim=(-1.08, 1.08), title=title)
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()


def main() -> None:
    with plt.rc_context(STYLE):
        for name, draw in {
            "alignment_filters": filters,
            "alignment_recurrent": recurrent,
        }.items():
            draw().savefig(DOCS / f"{name}.png", dpi=150)


if __name__ == "__main__":
    main()
