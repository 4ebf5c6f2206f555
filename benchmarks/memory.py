"""Memory among distractors: what laws learn of it, of one layer and of stacks.

    python -m benchmarks.memory run [TASK ...]   # learn, and keep the rows
    python -m benchmarks.memory cost             # time per sample, with and without
    python -m benchmarks.memory figure

One pass, one update per sample. The step size is the best of three on two other seeds;
a choice at the end of its grid is marked. Two scores: of the answers asked in the last
fifth of the pass, from before each taught anything; and of the weights on a fresh
stream, as they are at its end and after as much again of a fifth, in which the step
size falls to a hundredth. Seeds and step sizes are lanes of one `hl.scan`.
"""

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import hamlearn as hl
from hamlearn.laws import DiagonalRTRL
from hamlearn.plot import STYLE, looks
from hamlearn.sensitivities import AtOnce, Immediate

from . import _memory_cases as known
from . import _names, _one_core
from ._record import RESULTS, spread, write

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "memory.png"
#: By the name of a row, the law whose colour it has.
LAWS = {
    "exact traces": "diagonal",
    "BPTT, window 322": "bptt",
    "BPTT, window of two trials": "bptt",
    "sliding BPTT, 16": "bptt",
    "immediate, RMSprop": "immediate",
    "frozen": "frozen",
    "frozen, 12 times the modes": "frozen",
    "RFLO, dense": "rflo",
    "RFLO, slow neurons": "rflo",
    "SnAp-1, dense": "snap1",
    "SnAp-1, slow neurons": "snap1",
    "shared poles, exact": "stack",
    "instantaneous between": "at-once",
    "lower layer frozen": "frozen",
    "one gated layer, exact": "diagonal",
    "three layers, mean slopes": "stack",
    "three layers, instantaneous": "at-once",
    "three layers, BPTT of two trials": "bptt",
}
TUNED_ON, SEEDS, PARTS = (0, 1), (100, 101, 102, 103, 104), 50
COOLING = np.geomspace(0.6, 0.01, 10)


def program_of(case: known.Case, learner: known.Learner) -> Any:
    """A function of (keys, step sizes): the scores of every lane, in parts, held as
    they are and held after cooling."""
    task, steps = case.task, case.samples
    score = task.loss if task.metric is None else task.metric
    cost = hl.Cost(loss=task.loss)

    def record(state: Any, sample: Any, info: Any) -> Any:
        asked = jnp.ones(()) if sample.weight is None else sample.weight
        return asked * score(info.output, sample.target), asked

    def held(network: Any, fresh: Any) -> Any:
        sgd = hl.updates.Optax(optax.sgd, learning_rate=0.0)
        still = hl.Law(cost, Immediate(), sgd)
        found, asked = hl.scan(still, still.init(network), fresh, case.dt, record)[1]
        return found.sum() / asked.sum()

    def one(key: Any, rate: Any) -> Any:
        a, b, c, d = jax.random.split(key, 4)
        law = learner.law(cost, rate)
        state = law.init(learner.network(b), key=c)
        state, found = hl.scan(law, state, case.stream(a, steps), case.dt, record)
        more = len(COOLING) * (steps // 5 // len(COOLING))
        more = case.stream(jax.random.fold_in(a, 1), more)
        parts = jax.tree.map(
            lambda leaf: leaf.reshape(len(COOLING), -1, *leaf.shape[1:]), more
        )

        def cooled(state: Any, now: Any) -> Any:
            share, some = now
            law = learner.law(cost, rate * share)
            return hl.scan(law, state, some, case.dt, lambda *_: None)[0], None

        cool, _ = jax.lax.scan(cooled, state, (jnp.asarray(COOLING, rate.dtype), parts))
        fresh = case.stream(d, steps // 5)
        part = lambda leaf: leaf[: steps - steps % PARTS].reshape(PARTS, -1).sum(1)
        return *map(part, found), held(state.network, fresh), held(cool.network, fresh)

    return eqx.filter_jit(jax.vmap(one))


def learned(case: known.Case, learner: known.Learner) -> dict[str, Any]:
    """What a law comes to at the best of its step sizes."""
    go, rates, floor = program_of(case, learner), learner.rates, 0.0
    if case.task.metric is None:
        floor = case.task.floors()["constant"]
    better = lambda s: s if case.task.metric else 1 - s / floor

    def lanes(seeds: Any, rates: Any) -> Any:
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        got, asked, *held = map(np.asarray, go(keys, jnp.asarray(rates)))
        late = slice(-PARTS // 5, None)
        final = got[:, late].sum(1) / asked[:, late].sum(1)
        return better(got / np.maximum(asked, 1)), better(final), *map(better, held)

    each = [(seed, rate) for rate in rates for seed in TUNED_ON]
    final = lanes(*zip(*each, strict=True))[1].reshape(len(rates), -1)
    mean = np.nan_to_num(final, nan=-np.inf).mean(1)
    best = int(np.argmax(mean))
    # As many lanes as before, so that nothing compiles again.
    seeds = (*SEEDS, *[SEEDS[-1]] * (len(each) - len(SEEDS)))
    began = time.perf_counter()
    curve, final, held, cooled = lanes(seeds, [rates[best]] * len(seeds))
    number = len(SEEDS)
    return {
        "rate": rates[best],
        "at the edge": bool(np.sum(mean == mean[best]) < 2)
        and best in (0, len(rates) - 1),
        "accuracy": spread(final[:number]),
        "held": spread(held[:number]),
        "cooled": spread(cooled[:number]),
        "seeds": [round(float(v), 4) for v in final[:number]],
        "curve": [round(float(v), 3) for v in np.median(curve[:number], axis=0)],
        "seconds": round(time.perf_counter() - began, 1),
    }


def run(names: list[str], laws: list[str]) -> None:
    """Learn tasks by name, and keep a row of each law."""
    for name in names:
        case = known.cases()[name]()
        for law, learner in case.learners.items():
            if laws and law not in laws:
                continue
            line = {"task": name, "law": law, "samples": case.samples}
            line |= learned(case, learner)
            keep(case.record, line)
            text, held, cool = (line[key] for key in ("accuracy", "held", "cooled"))
            print(
                f"{name:28} {law:32} {text['median']:.3f} [{text['min']:.3f}]"
                f" held {held['median']:.3f} [{held['min']:.3f}]"
                f" cooled {cool['median']:.3f} [{cool['min']:.3f}] at {line['rate']:g}"
                f"{' (edge)' if line['at the edge'] else ''} {line['seconds']:.0f} s",
                flush=True,
            )


def keep(name: str, line: dict[str, Any]) -> None:
    """Put a row into a record, in place of an older one of the same task and law."""
    path = RESULTS / f"{name}.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    same = lambda r: (r["task"], r["law"]) == (line["task"], line["law"])
    more = {"dtype": "float32", "seeds": list(SEEDS)}
    write(name, [*(r for r in rows if not same(r)), line], **more)


def program(law: Any, network: Any, samples: Any) -> Any:
    """The loop, compiled, as a function that waits for its last loss."""
    go = jax.jit(lambda s: hl.scan(law, s, samples, 1.0)[1].loss[-1])
    state = law.init(network)
    return lambda: jax.block_until_ready(go(state))


def timed(runs: dict[str, Any], steps: int, repeats: int) -> dict[str, float]:
    """Least microseconds of the processor per sample, the programs in turn."""
    for go in runs.values():
        go()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, go in runs.items():
            began = time.process_time()
            go()
            times[name].append((time.process_time() - began) / steps * 1e6)
    return {name: min(each) for name, each in times.items()}


def cost(repeats: int) -> list[dict[str, Any]]:
    """One layer of n modes with exact traces and without any; stacks by their poles.

    `without`: all weights go through the update, those of the recurrence with a zero
    gradient; `readout alone`: the others do not.
    """
    rows = []
    for n, steps in ((32, 20_000), (256, 2000), (1024, 200)):
        made = partial(
            hl.DiagonalNetwork, n, inputs=n, outputs=8, key=jax.random.key(0)
        )
        net, alone = made(), made(learn=("head",))
        u = jax.random.normal(jax.random.key(1), (steps, n))
        samples = (u, jnp.zeros((steps, 8)))
        update = hl.updates.Optax(optax.sgd, learning_rate=1e-4)
        exact, still = DiagonalRTRL(None, update), hl.Law(None, Immediate(), update)
        runs = {
            "with traces": program(exact, net, samples),
            "without": program(still, net, samples),
            "readout alone": program(still, alone, samples),
        }
        us = timed(runs, steps, repeats)
        each = {name: us["with traces"] / us[name] for name in list(us)[1:]}
        rows.append({"case": f"one layer, n = {n}", "us": us, "ratio": each})
        print(rows[-1], flush=True)
    for remembers in (False, True):
        for classes in (4, 8):
            rows.append(stack_cost(remembers, classes, repeats))
            print(rows[-1], flush=True)
    return rows


def stack_cost(remembers: bool, classes: int, repeats: int) -> dict[str, Any]:
    """Exact credit through K poles over the rule with instantaneous error, n = 64."""
    n, steps = 64, 4000
    a, b = jax.random.split(jax.random.key(0))
    head = hl.networks.ProductHead(n, inputs=8, key=a)
    if remembers:
        low = hl.DiagonalNetwork(n, inputs=8, head=head, key=a)
    else:
        low = hl.networks.Memoryless(head, inputs=8)
    high = hl.DiagonalNetwork(n, inputs=n, outputs=2, classes=classes, key=b)
    net = hl.Stack([low, high])
    samples = (jax.random.normal(b, (steps, 8)), jnp.zeros((steps, 2)))
    laws = {
        "shared poles": DiagonalRTRL(None, known.adam(1e-4)),
        "instantaneous": DiagonalRTRL(None, known.adam(1e-4), link=AtOnce()),
    }
    runs = {name: program(law, net, samples) for name, law in laws.items()}
    us = timed(runs, steps, repeats)
    name = "modes" if remembers else "gated units"
    ratio = us["shared poles"] / us["instantaneous"]
    return {
        "case": f"two layers, n = 64 and 64, {name} below, K = {classes}",
        "us": us,
        "ratio": {"instantaneous": ratio},
    }


def drawn() -> Any:
    """Scores of every law, a panel per task: medians and the worst seeds."""
    files = [RESULTS / f"memory_{name}.json" for name in ("cue", "stack")]
    rows: list[Any] = []
    for file in files:
        rows += json.loads(file.read_text())["rows"]
    tasks = [name for name in known.cases() if any(r["task"] == name for r in rows)]
    number = {task: sum(r["task"] == task for r in rows) for task in tasks}
    tasks.sort(key=lambda task: -number[task])  # so that bars are of one height
    highest = [number[task] for task in tasks[::3]]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(highest), 3, figsize=(14, 0.24 * sum(highest) + 0.7 * len(highest)),
            height_ratios=[n + 0.5 for n in highest], layout="constrained",
        )  # fmt: skip
        for axis in axes.ravel()[len(tasks) :]:
            axis.remove()
        for axis, task in zip(axes.ravel(), tasks, strict=False):
            mine = [r for r in rows if r["task"] == task][::-1]
            low = 0.0 if task.startswith(("trace", "copy")) else 0.45
            names: list[str] = [r["law"] for r in mine]
            laws = [LAWS.get(name, name) for name in names]
            colours = [looks([law])[law].colour for law in laws]
            median = [r["accuracy"]["median"] for r in mine]
            worst = [max(r["accuracy"]["min"], low) for r in mine]
            axis.barh(names, median, color=colours, height=0.6)
            axis.plot(worst, range(len(mine)), "|", color="0.6", ms=10, mew=2)
            top = len(mine) - 0.5
            bottom = top - highest[tasks.index(task) // 3]
            axis.set(title=task, xlim=(low, 1.0), ylim=(bottom, top))
            axis.tick_params(axis="y", labelsize=8)
            if low:
                axis.axvline(0.5, color="0.5", lw=0.8, ls=":")
        figure.supxlabel(
            "right answers in the last fifth (trace conditioning: skill): bar the "
            "median of seeds, tick the worst; dotted: chance"
        )
    return figure


def figure() -> None:
    drawn().savefig(FIGURE, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("what", choices=("run", "cost", "figure"))
    parser.add_argument("tasks", nargs="*", help=", ".join(known.cases()))
    parser.add_argument("--laws", nargs="+", default=[])
    options = parser.parse_args()
    if options.what == "figure":
        figure()
    elif options.what == "run":
        every = list(known.cases())
        run(_names.chosen("tasks", options.tasks or None, every), options.laws)
    else:
        _one_core.settle()
        write("memory_cost", cost(9), dtype="float32")


if __name__ == "__main__":
    main()
