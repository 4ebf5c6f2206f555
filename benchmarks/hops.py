"""What causal laws learn of slow networks, relative to the exact gradient.

    python -m benchmarks.hops [--samples 8000] [--seeds 8]

A student learns to answer as a teacher of the same kind does, on a stream that an
Ornstein-Uhlenbeck process drives, one update by Adam per sample, its rate halved to
nothing over the last half. The loss that counts is that with the weights frozen, on
fresh samples; the one while learning stands beside it, for it rewards tracking too.
Rates are chosen on other seeds, from a grid; a choice at its edge is marked. All seeds
and rates are lanes of one `hl.scan`.
"""

import argparse
import json
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.costates import CostateFlow
from hamlearn.laws import (
    KFRTRL,
    UORO,
    EProp,
    FeedbackAlignment,
    Hops,
    Instantaneous,
    RecurrentBackprop,
    SlidingBPTT,
    SpatialTrace,
)
from hamlearn.sensitivities import Immediate
from hamlearn.updates import Optax

from ._record import RESULTS, write

DT = 0.1  # of a time constant of 1: leaks of a tenth
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
TUNED_ON = 2  # seeds: with four rates as many lanes as fresh seeds


Setting = tuple[hl.Digraph, int, float, float]


def settings() -> dict[str, Setting]:
    """(graph, outputs, gain, time constant of the input) by name."""
    chain = hl.Digraph.layered([4, 4, 4])
    dense = hl.Digraph.complete(12, self_loops=True)
    sparse = hl.Digraph.random(24, in_degree=4, key=jax.random.key(7))
    return {
        "chain of 3, input 1 tau": (chain, 4, 1.5, 1.0),
        "chain of 3, input 0.3 tau": (chain, 4, 1.5, 0.3),
        "dense, 12 neurons": (dense, 4, 0.9, 1.0),
        "sparse, 24 neurons, two outputs": (sparse, 2, 1.1, 1.0),
    }


def laws(update: Any, depth: int | None) -> dict[str, hl.laws.AbstractLaw]:
    """Every causal law, exact first."""
    sweeps = 5 if depth is None else depth
    return {
        "RTRL": hl.RTRL(None, update),
        "sliding BPTT, 16": SlidingBPTT(None, update, window=16),
        "hops, 5": Hops(None, update, order=5),
        "spatial trace": SpatialTrace(None, update, sweeps=sweeps),
        "RFLO, symmetric": EProp(None, update),
        "SnAp-1": hl.SnAp1(None, update),
        "UORO": UORO(None, update),
        "KF-RTRL": KFRTRL(None, update),
        "instantaneous": Instantaneous(None, update, sweeps=sweeps),
        "feedback alignment": FeedbackAlignment(None, update, sweeps=sweeps),
        "recurrent backprop": RecurrentBackprop(None, update),
        "sign flip": hl.Law(None, CostateFlow(), update, title="sign flip"),
        "frozen": hl.Law(None, Immediate(), update, title="frozen"),
    }


def decaying(learning_rate: Any, samples: int) -> optax.GradientTransformation:
    """Adam, whose rate falls to zero over the last half."""
    late = optax.linear_schedule(1.0, 0.0, samples // 2, samples // 2)
    return optax.adam(lambda count: learning_rate * late(count))


def drawn(setting: Setting, seeds: Any) -> tuple[hl.RateNetwork, Any, Any]:
    """(a network, weights of students, of teachers), a seed per row."""
    graph, outputs, gain, _ = setting
    made = [
        [
            hl.RateNetwork(graph, inputs=2, outputs=outputs, gain=gain, key=key)
            for key in jax.random.split(jax.random.key(seed))
        ]
        for seed in seeds
    ]
    stacked = lambda k: jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *[hl.split(pair[k])[0] for pair in made]
    )
    return made[0][0], stacked(0), stacked(1)


def answered(teacher: hl.RateNetwork, tau: float, samples: int, key: jax.Array) -> Any:
    """A stream: an input of unit variance, and what the teacher makes of it."""
    kick = (2 * DT / tau) ** 0.5 * jax.random.normal(key, (samples, 2))

    def move(now: Any, kick: jax.Array) -> Any:
        x, u = now
        return (teacher.transition(x, u, DT), u - DT / tau * u + kick), (
            u,
            teacher.readout(x, u),
        )

    start = teacher.initial_state(), jnp.zeros(2)
    u, y = jax.lax.scan(move, start, kick)[1]
    return hl.Sample(u, y)


def learner(name: str, setting: Setting, samples: int) -> Any:
    """A function of (seeds, rates): (frozen, prequential) losses over the variance."""
    graph, _, _, tau = setting
    network, _, _ = drawn(setting, [0])
    _, frozen = hl.split(network)

    @eqx.filter_jit
    def run(students: Any, teachers: Any, keys: Any, rates: Any) -> Any:
        def one(student: Any, teacher: Any, key: Any, rate: Any) -> Any:
            a, b = jax.random.split(key)
            update = Optax(decaying, learning_rate=rate, samples=samples)
            law = laws(update, graph.depth())[name]
            teacher = hl.join(teacher, frozen)
            stream = answered(teacher, tau, samples, a)
            fresh = answered(teacher, tau, samples // 2, b)
            start = law.init(hl.join(student, frozen), key=jax.random.fold_in(key, 2))
            state, infos = hl.scan(law, start, stream, DT)
            still = hl.Law(None, Immediate(), Optax(optax.sgd, learning_rate=0.0))
            after = hl.scan(still, still.init(state.network), fresh, DT)[1].loss
            scale = jnp.mean((fresh.target - fresh.target.mean(0)) ** 2)
            scale = scale * fresh.target.shape[1] / 2
            late = infos.loss[-samples // 4 :].mean()
            return after[samples // 20 :].mean() / scale, late / scale

        return jax.vmap(one)(students, teachers, keys, rates)

    def learned(seeds: Any, rates: Any) -> Any:
        _, students, teachers = drawn(setting, seeds)
        keys = jnp.stack([jax.random.key(1000 + seed) for seed in seeds])
        return run(students, teachers, keys, jnp.asarray(rates))

    return learned


def row(name: str, task: str, setting: Setting, seeds: int, samples: int) -> Any:
    """What a law comes to at the best of the rates, found on other seeds."""
    tuned = [100 + k for k in range(TUNED_ON)]
    lanes = [(seed, rate) for rate in RATES for seed in tuned]
    learned = learner(name, setting, samples)
    found, _ = learned(*zip(*lanes, strict=True))
    medians = np.median(np.nan_to_num(found, nan=np.inf).reshape(-1, TUNED_ON), axis=1)
    best = int(np.argmin(medians))
    fresh = list(range(seeds))
    after, during = learned(fresh, [RATES[best]] * seeds)
    return {
        "task": task,
        "law": name,
        "rate": RATES[best],
        "at the edge": best in (0, len(RATES) - 1),
        "frozen": [float(f"{v:.4g}") for v in after],
        "prequential": [float(f"{v:.4g}") for v in during],
        "not finite": int(np.sum(~np.isfinite(after))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=8000)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--laws", nargs="+", help="these alone, beside rows of a file")
    options = parser.parse_args()
    file = RESULTS / "hops.json"
    rows = json.loads(file.read_text())["rows"] if options.laws else []
    for task, setting in settings().items():
        for name in options.laws or laws(None, 1):
            made = row(name, task, setting, options.seeds, options.samples)
            rows = [r for r in rows if (r["task"], r["law"]) != (task, name)]
            found = [r for r in rows if (r["task"], r["law"]) == (task, "RTRL")]
            median = float(np.median(made["frozen"]))
            exact = found[0]["median"] if found else median
            made |= {"median": median, "over RTRL": float(f"{median / exact:.3g}")}
            made["median while learning"] = float(np.median(made["prequential"]))
            rows.append(made)
            shown = made["rate"], made["median"], made["over RTRL"]
            print(task, name, *shown, made["not finite"], flush=True)
            write("hops", rows, dtype="float32", samples=options.samples)


if __name__ == "__main__":
    main()
