"""Memory among distractors: diagonal layers with exact traces, and stacks of them.

    python -m benchmarks.memory cue      # one layer, lags 2 to 128
    python -m benchmarks.memory stack    # a gate before the memory
    python -m benchmarks.memory cost     # time per sample with and without traces
    python -m benchmarks.memory figure

One pass, one update per sample, one fixed rate for each task, seeds at once by vmap.
Accuracy is that of the answers asked in the last fifth of the pass, from before each
taught anything.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import hamlearn as hl
from hamlearn.laws import DiagonalRTRL, SlidingBPTT
from hamlearn.networks import Memoryless, ProductHead
from hamlearn.plot import STYLE, looks
from hamlearn.sensitivities import AtOnce, Immediate

from . import _names
from ._record import RESULTS, spread, write

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "memory.png"
COST = hl.Cost(loss=hl.action.cross_entropy)
#: lag: (samples, probability of a distractor in each of eight channels)
CUES = {2: (20_000, 1.0), 8: (20_000, 1.0), 32: (50_000, 0.25), 128: (60_000, 0.0625)}
MODES, PARTS = 16, 50
#: By the name of a row, the law whose colour it has.
LAWS = {
    "exact traces": "diagonal",
    "immediate, RMSprop": "immediate",
    "frozen": "frozen",
    "shared poles, exact": "stack",
    "instantaneous between": "at-once",
    "lower layer frozen": "frozen",
    "one gated layer, exact": "diagonal",
}


def adam(rate: float) -> Any:
    return hl.updates.Optax(optax.adam, learning_rate=rate)


def rmsprop(rate: float) -> Any:
    return hl.updates.Optax(optax.rmsprop, learning_rate=rate)


def learned(law: Any, make: Any, task: Any, steps: int, seeds: range) -> Any:
    """Accuracy in each part of the pass, (seeds, parts), and seconds."""

    def right(state: Any, sample: Any, info: Any) -> Any:
        same = jnp.argmax(info.output) == jnp.argmax(sample.target)
        return same.astype(sample.weight.dtype) * sample.weight, sample.weight

    @jax.jit
    def run(key: Any) -> Any:
        a, b, c = jax.random.split(key, 3)
        samples = task.samples(a, steps)
        state = law.init(make(b), key=c)
        _, (hit, asked) = hl.scan(law, state, samples, 1.0, right)
        parts = lambda leaf: leaf[: steps - steps % PARTS].reshape(PARTS, -1).sum(1)
        return parts(hit), parts(asked)

    keys = jnp.stack([jax.random.key(seed) for seed in seeds])
    began = time.perf_counter()
    hit, asked = map(np.asarray, jax.block_until_ready(jax.vmap(run)(keys)))
    seconds = time.perf_counter() - began
    last = PARTS // 5
    final = hit[:, -last:].sum(1) / asked[:, -last:].sum(1)
    return hit / np.maximum(asked, 1), final, seconds


def keep(name: str, line: dict[str, Any]) -> None:
    """Put a row into a record, in place of an older one of the same task and law."""
    path = RESULTS / f"{name}.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    same = lambda r: (r["task"], r["law"]) == (line["task"], line["law"])
    write(name, [*(r for r in rows if not same(r)), line])


def row(name: str, law: str, steps: int, found: Any) -> dict[str, Any]:
    """One line of a record, and of what is printed."""
    curve, final, seconds = found
    line = {
        "task": name,
        "law": law,
        "samples": steps,
        "accuracy": spread(final),
        "seeds": [round(float(a), 4) for a in final],
        "curve": [round(float(a), 3) for a in np.median(curve, axis=0)],
        "seconds": seconds,
    }
    keep("memory_stack" if "flag" in name else "memory_cue", line)
    text = line["accuracy"]
    print(
        f"{name:24} {law:24} {text['median']:.3f} [{text['min']:.3f}] {seconds:.0f} s"
    )
    return line


def cue(seeds: range, lags: Any) -> list[dict[str, Any]]:
    """Delayed cue: which of two symbols was shown, after `lag` samples."""
    laws = {
        "exact traces": DiagonalRTRL(COST, adam(1e-3)),
        "immediate, RMSprop": SlidingBPTT(COST, rmsprop(1e-3), window=2),
        "frozen": hl.Law(COST, Immediate(), adam(1e-3)),
    }
    rows = []
    for lag in lags:
        steps, often = CUES[lag]
        task = hl.tasks.DelayedCue(lag, 8, often)
        make = lambda key, task=task: hl.DiagonalNetwork(
            MODES, inputs=task.inputs, outputs=2, time_constant=(1.0, 200.0),
            phase=0.3, key=key,
        )  # fmt: skip
        for name, law in laws.items():
            found = learned(law, make, task, steps, seeds)
            rows.append(row(f"cue, lag {lag}", name, steps, found))
    return rows


def two_layers(
    task: Any, longest: float, gated: bool, below: bool = True, classes: int | None = 4
) -> Any:
    """16 gated units, with a memory or without, below 16 modes with shared poles."""

    def make(key: Any) -> Any:
        a, b, c = jax.random.split(key, 3)
        head = ProductHead(MODES, inputs=task.inputs, key=a)
        time_constant = (1.0, longest)
        if gated:
            learn = () if not below else hl.DiagonalNetwork.__dataclass_fields__
            learn = [
                name
                for name in learn
                if name not in ("learn", "keep_weight", "write_weight")
            ]
            low = hl.DiagonalNetwork(
                MODES, inputs=task.inputs, head=head, time_constant=time_constant,
                learn=learn, key=b,
            )  # fmt: skip
        else:
            learn = ("head",) if below else ()
            low = Memoryless(head, inputs=task.inputs, learn=learn)
        high = hl.DiagonalNetwork(
            MODES, inputs=MODES, outputs=2, time_constant=time_constant,
            classes=classes, key=c,
        )  # fmt: skip
        return hl.Stack([low, high])

    return make


def stack(seeds: range, chosen: Any) -> list[dict[str, Any]]:
    """Tasks on which a gate has to come before the memory."""
    tasks = {
        "flag": (hl.tasks.Flag(8, 0, 8, 1.0), 60_000, 30.0, False, 6e-4),
        "long": (hl.tasks.Flag(32, 0, 8, 0.25), 60_000, 100.0, False, 6e-4),
        "late": (hl.tasks.Flag(8, 3, 0), 60_000, 30.0, True, 1.2e-3),
    }
    rows = []
    for which in chosen:
        task, steps, longest, gated, rate = tasks[which]
        name = f"{'late flag (3)' if task.late else 'flag'}, lag {task.lag}"
        pair = two_layers(task, longest, gated)
        frozen = two_layers(task, longest, gated, below=False)
        one = lambda key, task=task, longest=longest: hl.DiagonalNetwork(
            MODES, inputs=task.inputs, outputs=2, gated=True,
            time_constant=(1.0, longest), key=key,
        )  # fmt: skip
        cases = {
            "shared poles, exact": (DiagonalRTRL(COST, adam(rate)), pair),
            "instantaneous between": (
                DiagonalRTRL(COST, adam(rate), link=AtOnce()),
                pair,
            ),
            "lower layer frozen": (DiagonalRTRL(COST, adam(rate)), frozen),
            "one gated layer, exact": (DiagonalRTRL(COST, adam(rate)), one),
        }
        for law_name, (law, make) in cases.items():
            found = learned(law, make, task, steps, seeds)
            rows.append(row(name, law_name, steps, found))
    return rows


def program(law: Any, state: Any, samples: Any) -> Any:
    """The loop, compiled, as a function that waits for its last loss."""
    go = jax.jit(lambda s: hl.scan(law, s, samples, 1.0)[1].loss[-1])
    return lambda: jax.block_until_ready(go(state))


def cost(repeats: int) -> list[dict[str, Any]]:
    """One layer of n modes through `scan`, with exact traces and without any."""
    rows = []
    for n, steps in ((32, 20_000), (256, 2000), (1024, 200)):
        net = hl.DiagonalNetwork(n, inputs=n, outputs=8, key=jax.random.key(0))
        u = jax.random.normal(jax.random.key(1), (steps, n))
        samples = (u, jnp.zeros((steps, 8)))
        runs = {}
        for name, credit in (("traces", None), ("without", Immediate())):
            update = hl.updates.Optax(optax.sgd, learning_rate=1e-4)
            law = DiagonalRTRL(None, update)
            law = law if credit is None else hl.Law(None, credit, update)
            runs[name] = program(law, law.init(net), samples)
            runs[name]()
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(repeats):
            for name, go in runs.items():
                began = time.perf_counter()
                go()
                times[name].append((time.perf_counter() - began) / steps * 1e6)
        best = {name: min(each) for name, each in times.items()}
        line = {"n": n, "us_per_sample": best}
        line["ratio"] = best["traces"] / best["without"]
        print(line)
        rows.append(line)
    return rows


def drawn() -> Any:
    """Accuracy of every law, a panel per task: medians and the worst seeds."""
    files = [RESULTS / f"memory_{name}.json" for name in ("cue", "stack")]
    rows: list[Any] = []
    for file in files:
        rows += json.loads(file.read_text())["rows"]
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            2, -(-len(tasks) // 2), figsize=(14, 4.4), sharex=True, layout="constrained"
        )
        for axis in axes.ravel()[len(tasks) :]:
            axis.remove()
        for axis, task in zip(axes.ravel(), tasks, strict=False):
            mine = [r for r in rows if r["task"] == task][::-1]
            names: list[str] = [r["law"] for r in mine]
            laws = [LAWS.get(name, name) for name in names]
            colours = [looks([law])[law].colour for law in laws]
            median = [r["accuracy"]["median"] for r in mine]
            worst = [r["accuracy"]["min"] for r in mine]
            axis.barh(names, median, color=colours, height=0.6)
            axis.plot(worst, range(len(mine)), "|", color="0.6", ms=12, mew=2)
            axis.set(title=task, xlim=(0.45, 1.0))
            axis.axvline(0.5, color="0.5", lw=0.8, ls=":")
        figure.supxlabel(
            "right answers in the last fifth: bar the median of seeds, tick the worst; "
            "dotted: chance"
        )
    return figure


def figure() -> None:
    drawn().savefig(FIGURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("what", choices=("cue", "stack", "cost", "figure"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--lags", type=int, nargs="+", default=list(CUES))
    parser.add_argument("--tasks", nargs="+", default=["flag", "long", "late"])
    options = parser.parse_args()
    if options.what == "figure":
        figure()
        return
    seeds = range(100, 100 + options.seeds)
    if options.what == "cue":
        unknown = [str(lag) for lag in options.lags if lag not in CUES]
        if unknown:
            _names.refuse("--lags", unknown, map(str, CUES))
        cue(seeds, options.lags)
    elif options.what == "stack":
        known = ("flag", "long", "late")
        stack(seeds, _names.chosen("--tasks", options.tasks, known))
    else:
        write("memory_cost", cost(9))


if __name__ == "__main__":
    main()
