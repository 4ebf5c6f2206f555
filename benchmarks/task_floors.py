"""The floors of every task, beside a readout learned on a frozen recurrence.

    python -m benchmarks.task_floors [--seeds 3]

One network for all tasks, 32 fully connected rate neurons with a linear readout,
whose recurrence stays as drawn. The readout is learned online by Adam; its loss is
the mean over the last tenth of the stream, that of samples with a weight alone. For
the rows of digits, shown four times, it is the accuracy on the held-out images.
"""

import argparse
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

import hamlearn as hl
from hamlearn import tasks

from ._record import write

STEPS, NEURONS = 40_000, 32
ENTROPY = hl.action.cross_entropy


def streams(seed: int) -> dict[str, tuple[hl.Sample, Any]]:
    """(samples, task) by name."""
    key = jax.random.key(seed)
    known = {
        "sine": tasks.sine(duration=60.0, dt=0.02),
        "patched": tasks.patched(duration=600.0, dt=0.02),
        "heartbeat": tasks.heartbeat(seconds=60.0, dt=1 / 360),
        "add (4, 6)": tasks.Add(),
        "adding, 20": tasks.Adding(),
        "copy, 3 of 8 after 5": tasks.Copy(),
        "delayed XOR, 4": tasks.DelayedXOR(),
        "evidence, 7 cues": tasks.EvidenceAccumulation(),
        "teacher-student": tasks.TeacherStudent(),
        "Mackey-Glass, 6 ahead": tasks.MackeyGlass(),
        "Lorenz, 1 ahead": tasks.Lorenz(),
        "Lorenz, 25 ahead": tasks.Lorenz(ahead=25),
    }
    beat = tasks.heartbeat(seconds=60)
    for ahead in (1, 20):
        name = f"heartbeat, {ahead} ahead"
        known[name] = tasks.Forecast(beat, ahead=ahead, changes=False)
    endless = (tasks.AbstractEndless,)
    steps = lambda task: STEPS if isinstance(task, endless) else None
    return {name: (t.samples(key, steps(t)), t) for name, t in known.items()}


def learned(samples: hl.Sample, loss: Any, seed: int) -> hl.Result:
    """A run in which the readout alone learns."""
    a, b = jax.random.split(jax.random.key(100 + seed))
    outputs = samples.target.shape[1]
    network = hl.RateNetwork(
        hl.Digraph.complete(NEURONS, self_loops=True),
        inputs=samples.input.shape[1],
        outputs=NEURONS,
        readout=eqx.nn.Linear(NEURONS, outputs, key=a),
        key=b,
    )
    return hl.stream(_still(loss), network, samples, dt=0.5, progress=False)


def _still(loss: Any) -> hl.Law:
    """Only the readout learns."""
    update = hl.updates.Optax(optax.adam, learning_rate=1e-3)
    credit = hl.sensitivities.Immediate()
    return hl.Law(hl.Cost(loss=loss), credit, update, title="frozen recurrence")


def frozen(samples: hl.Sample, loss: Any, seed: int) -> float:
    """The loss with the readout alone learned."""
    result = learned(samples, loss, seed)
    last = slice(-(len(result.loss) // 10), None)
    weight = np.ones(len(result.loss))
    if samples.weight is not None:
        weight = np.asarray(samples.weight)
    return float(np.sum(result.loss[last]) / np.sum(weight[last]))


def digits(seed: int) -> tuple[dict[str, Any], float]:
    """The row of the digits, and the accuracy with the readout alone learned."""
    task = tasks.DigitRows(seed)
    samples = task.samples()
    repeated = jax.tree.map(lambda leaf: np.concatenate([leaf] * 4), samples)
    law = _still(ENTROPY)
    state = learned(repeated, ENTROPY, seed).state
    unseen = task.samples(test=True)
    result = hl.stream(law, state, unseen, dt=0.5, learn=False, progress=False)
    row = {"unit": "accuracy", "samples": len(repeated.target), "inputs": 9}
    row |= {"outputs": 10, "floors": task.accuracies()}
    return row, float(task.score(result.output, unseen)["accuracy"])


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    rows: dict[str, dict[str, Any]] = {}
    for seed in seeds:
        found = {}
        for name, (samples, task) in streams(seed).items():
            loss, floors = task.loss, task.floors()
            unit = "nats" if loss is ENTROPY else "squared error / 2"
            row = {"unit": unit, "samples": len(samples.target), "floors": floors}
            row["inputs"] = samples.input.shape[1]
            row["outputs"] = samples.target.shape[1]
            found[name] = row, frozen(samples, loss, seed)
        found["digits by rows"] = digits(seed)
        for name, (row, value) in found.items():
            row["floors"] = {k: float(f"{v:.4g}") for k, v in row["floors"].items()}
            row = rows.setdefault(name, {"task": name, **row, "frozen recurrence": []})
            row["frozen recurrence"].append(round(value, 5))
            print(seed, name, row["floors"], row["frozen recurrence"], flush=True)
    write("task_floors", list(rows.values()), dtype="float64", seeds=len(seeds))


if __name__ == "__main__":
    main()
