"""`hl.track` on any signal: its error over that of repeating the last recorded value.

    python -m benchmarks.track [--seeds 5] [--neurons 3,5,10,20,50] [--only NAME,NAME]
    python -m benchmarks.track --draw docs/track-signals.png

Every signal is run with every number of neurons and every seed, whole; what counts is
the worst tenth of the run, the first included, which is to stay below 0.45. `units`
is one signal in units from 1e-6 to 1e6 of time and value, and has to be one result.
A tenth in which the last value is exact has no ratio, and is left out.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import hamlearn as hl
from hamlearn import tasks

from . import _names
from ._record import RESULTS, write

LIMIT = 0.45
COUNT = 2000


def signals() -> dict[str, Callable[[], tasks.Tracking]]:
    """What is tracked, by name; all drawn with one seed."""
    rng = np.random.default_rng(0)
    k = np.arange(COUNT)
    white, walk = rng.normal(size=COUNT), np.cumsum(rng.normal(size=COUNT))
    wave = np.sin(0.3 * k)
    outliers = wave + 10 * rng.normal(size=COUNT) * (rng.random(COUNT) < 0.05)
    known = {
        "slow sine (.01 per sample)": np.sin(0.01 * k),
        "sine, .3 per sample": wave,
        "sine, 1.5 per sample": np.sin(1.5 * k),
        "random walk": walk,
        "white noise + 1000": white + 1000,
        "square wave, period 100": np.sign(np.sin(2 * np.pi * (k + 0.5) / 100)),
        "square wave, period 6": np.sign(np.sin(2 * np.pi * (k + 0.5) / 6)),
        "steps of 1e4": 1e4 * np.repeat(rng.integers(-3, 4, COUNT // 20), 20),
        "5 % outliers": outliers,
        "very slow (.001 per sample)": np.sin(0.001 * k),
        "slow with a step": np.sin(0.01 * k) + 3 * (k > 1300),
    }
    made = {
        name: lambda name=name, y=y: tasks.recorded(name, k, y)
        for name, y in known.items()
    }
    return made | {
        "heartbeat, 60 s": lambda: tasks.heartbeat(seconds=60),
        "made sine": lambda: tasks.sine(interval=0.04),
        "made patched": lambda: tasks.patched(interval=0.04),
        "hourly file": lambda: filed("hourly", timedelta(hours=1)),
        "daily file": lambda: filed("daily", timedelta(days=1)),
        "millisecond file": lambda: filed("millisecond", timedelta(milliseconds=1)),
        "100 000 rows at 100 Hz": long,
    }


def filed(name: str, between: timedelta) -> tasks.Tracking:
    """A year's and a week's swing with weather, from a file with ISO dates."""
    rng = np.random.default_rng(1)
    k = np.arange(COUNT)
    values = 10 * np.sin(2 * np.pi * k / 365) + 2 * np.sin(2 * np.pi * k / 7)
    values += rng.normal(size=COUNT)
    start = datetime(2020, 1, 1)
    rows = [f"{start + j * between},{v:.4f}" for j, v in enumerate(values)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        path.write_text("time,level\n" + "\n".join(rows) + "\n")
        return tasks.from_csv(path)


def long() -> tasks.Tracking:
    """100,000 samples at 100 Hz: two slow tones, noise, and a step half way."""
    rng = np.random.default_rng(2)
    t = np.arange(100_000) / 100
    values = np.sin(t) + 0.5 * np.sin(7.3 * t) + 0.05 * rng.normal(size=t.size)
    return tasks.recorded("long", t, values + (t > 500), time_unit="s")


def units() -> Iterator[dict[str, Any]]:
    """One signal in units of time and value that differ by 1e12."""
    rng = np.random.default_rng(3)
    k = np.arange(COUNT)
    y = np.cumsum(rng.normal(size=COUNT)) / 10 + np.sin(0.2 * k)
    for unit in (1e-6, 1e-3, 1.0, 1e3, 1e6):
        for name, t, v in (("time", unit, 1.0), ("value", 1.0, unit)):
            target = tasks.recorded("units", t * k, v * y)
            output = hl.track(target, progress=False).output
            rmse = target.errors(output)["rmse"] / (v * np.std(y))
            yield {"unit_of": name, "unit": unit, "rmse_over_std": float(rmse)}


def measured(target: tasks.Tracking, neurons: int, seed: int) -> dict[str, Any]:
    """Worst and first tenth of one run, and how near its stability came to its end."""
    result = hl.track(target, neurons=neurons, seed=seed, progress=False)
    ratios = target.ratios(result.output)
    finite = result.diverged is None
    return {
        "neurons": neurons,
        "seed": seed,
        "worst_tenth": float(np.nanmax(ratios)) if finite else float("inf"),
        "first_tenth": float(ratios[0]),
        "diverged": not finite,
        "us_per_step": result.us_per_sample,
        **result.stats,
    }


def row(name: str, target: tasks.Tracking, sizes: Any, seeds: int) -> dict[str, Any]:
    """All runs of one signal, and the worst of them."""
    runs = [measured(target, n, seed) for n in sizes for seed in range(seeds)]
    worst = lambda runs, name: max(run[name] for run in runs)
    tenth = {
        str(n): round(worst([r for r in runs if r["neurons"] == n], "worst_tenth"), 4)
        for n in sizes
    }
    return {
        "signal": name,
        "samples": len(target.starts),
        "steps": len(target.values),
        "runs": len(runs),
        "worst_tenth": tenth,
        "worst": max(tenth.values()),
        "first_tenth": round(worst(runs, "first_tenth"), 4),
        "least_own_weight": round(min(run["own_weight"] for run in runs), 4),
        "step": round(worst(runs, "step"), 4),
        "diverged": sum(run["diverged"] for run in runs),
    }


def draw(record: dict[str, Any], path: Path) -> None:
    """The worst tenth of every signal, a mark per number of neurons."""
    from matplotlib import pyplot as plt

    from hamlearn.plot import COLOURS, STYLE

    rows = [row for row in record["rows"] if "signal" in row]
    with plt.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 5.5), layout="constrained")
        names = [row["signal"] for row in rows]
        for colour, n in zip(COLOURS, rows[0]["worst_tenth"], strict=False):
            found = [row["worst_tenth"].get(n, np.nan) for row in rows]
            axis.plot(found, names, "o", ms=4, alpha=0.7, color=colour, label=f"{n}")
        axis.axvline(1, color="0.3", lw=1)
        axis.axvline(LIMIT, color="0.3", lw=1, ls="--")
        axis.text(0.99, 0, "the last value", fontsize=8, ha="right", va="center")
        axis.text(LIMIT + 0.01, 0, "limit", fontsize=8, va="center")
        axis.set_xlim(0, 1.15)
        axis.invert_yaxis()
        axis.set_xlabel("RMSE over that of repeating the last value, worst tenth")
        axis.set_title("the worst tenth of every run: copying against repeating")
        figure.legend(title="neurons", loc="outside right upper")
        figure.savefig(path, dpi=150)


def _kept(only: str | None) -> list[dict[str, Any]]:
    """What stands, where only some rows are measured again."""
    path = RESULTS / "track-cpu.json"
    return json.loads(path.read_text())["rows"] if only and path.exists() else []


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("signal", "unit_of", "unit"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--neurons", default="3,5,10,20,50")
    parser.add_argument("--only", help="names of signals, and `units`")
    parser.add_argument("--draw", type=Path, help="draw the recorded result instead")
    options = parser.parse_args()
    if options.draw is not None:
        draw(json.loads((RESULTS / "track-cpu.json").read_text()), options.draw)
        return
    sizes = [int(word) for word in options.neurons.split(",")]
    known, rows = signals(), _kept(options.only)
    asked = options.only.split(",") if options.only else None
    chosen = _names.chosen("--only", asked, [*known, "units"])
    for name in chosen:
        found = [*units()] if name == "units" else None
        if found is None:
            found = [row(name, known[name](), sizes, options.seeds)]
        for one in found:
            print(one, flush=True)
            rows = [old for old in rows if _key(old) != _key(one)] + [one]
        write("track-cpu", rows, dtype="float32", seeds=options.seeds, limit=LIMIT)


if __name__ == "__main__":
    main()
