"""Filters of the costate beside their ceiling: alignment, recovery, cost, learning.

    python -m benchmarks.filters [stack rate voltage switch cost learn] [--seeds 5]

`stack`: two layers of 12 complex modes, |a| and phase per sample as said, time
constants log-uniform or |a| uniform in the area between the two circles, as LRUs are
drawn, OwnHead below; the part is the lower layer. `rate`: 12 fully recurrent tanh
neurons, gain .9, own-leak traces. `voltage`: 1-8-8-1, tau_r = .1 tau_m, GLE's own
schedule. Weights are held; what learns has 20,000 samples to, the ceiling is fitted on
the same ones, and all are scored on 4000 fresh ones against the exact gradient through
the whole past.
`switch`: another teacher from the middle on; how many samples until the learned filter
is back within .05 of where it ends. `cost`: time per sample over that of GLE. `learn`:
5 seeds, Adam; then the weights are frozen and the loss is that on a fresh stream.
Double precision, but for `cost`.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.analysis import directions, filter_alignment
from hamlearn.costates import (
    Learned,
    Prospective,
    ProspectiveGain,
    SignFlipped,
    Sweeps,
    Unfiltered,
)
from hamlearn.laws import DNI, BPLambda, DiagonalFiltered, Filtered
from hamlearn.networks import OwnHead

from ._record import RESULTS, alternating, spread, write

FITTED, SCORED = 20_000, 4000
CLOSURES: dict[str, Any] = {
    "instantaneous": Unfiltered(),
    "prospective": Prospective(),
    "gain corrected": ProspectiveGain(),
    "sign flipped": SignFlipped(),
    "learned": Learned(),
}
#: name: (target, shortest and longest |a|, most radians per sample, as LRUs are drawn)
STACKS: dict[str, tuple[str, float, float, float, bool]] = {
    "teacher, .9 to .99": ("teacher", 0.9, 0.99, 0.3, False),
    "teacher, .9 to .99, turning": ("teacher", 0.9, 0.99, 3.0, False),
    "teacher, .99 to .999": ("teacher", 0.99, 0.999, 0.1, False),
    "noise, .9 to .99": ("noise", 0.9, 0.99, 0.3, False),
    "teacher, .9 to .99, LRU": ("teacher", 0.9, 0.99, 0.3, True),
    "teacher, .99 to .999, LRU": ("teacher", 0.99, 0.999, 0.1, True),
    "noise, .9 to .99, LRU": ("noise", 0.9, 0.99, 0.3, True),
}
#: Of the keys, which nothing was chosen on.
FRESH = 100


def smooth(key: Any, steps: int, channels: int, keep: float = 0.9) -> jax.Array:
    """Noise of variance 1 that is filtered by a pole."""
    noise = jax.random.normal(key, (steps, channels))
    step = lambda u, new: (keep * u + jnp.sqrt(1 - keep**2) * new, u)
    return jax.lax.scan(step, noise[0], noise)[1]


def modes(
    key: Any, inputs: int, low: float, high: float, turn: float, area: bool,
    **options: Any,
) -> hl.DiagonalNetwork:  # fmt: skip
    """12 modes, |a| log-uniform in its time constant or uniform in its `area`, radians
    per sample uniform."""
    a, b = jax.random.split(key)
    tau = float(-1 / np.log(low)), float(-1 / np.log(high))
    layer = hl.DiagonalNetwork(12, inputs=inputs, time_constant=tau, key=a, **options)
    turns = jax.random.uniform(b, (12,), minval=1e-3 * turn, maxval=turn)
    layer = eqx.tree_at(lambda n: n.log_frequency, layer, jnp.log(turns))
    if not area:
        return layer
    square = jax.random.uniform(
        jax.random.fold_in(key, 1), (12,), minval=low**2, maxval=high**2
    )
    drawn = jnp.log(-jnp.log(square) / 2), jnp.log1p(-square) / 2
    return eqx.tree_at(lambda n: (n.log_decay, n.log_gain), layer, drawn)


def stacked(key: Any, *poles: Any) -> hl.Stack:
    a, b, c = jax.random.split(key, 3)
    head = OwnHead(12, inputs=3, key=a)
    return hl.Stack([modes(b, 3, *poles, head=head), modes(c, 12, *poles, outputs=2)])


def recurrent(key: Any, leak: float) -> hl.RateNetwork:
    graph = hl.Digraph.complete(12, self_loops=True)
    return hl.RateNetwork(
        graph, inputs=3, outputs=2, gain=0.9, time_constant=1 / leak, key=key
    )


def voltages(key: Any) -> hl.VoltageNetwork:
    graph = hl.Digraph.layered([8, 8, 1])
    return hl.VoltageNetwork(
        graph, inputs=1, linear=[16], key=key,
        prospective_time_constant=np.append(np.full(16, 0.1), 1.0),
        learn=("weight", "input_weight"),
    )  # fmt: skip


def taught(teacher: Any, u: jax.Array, dt: float) -> jax.Array:
    """What a network answers."""
    step = lambda x, u: (teacher.transition(x, u, dt), teacher.readout(x, u))
    return jax.jit(lambda u: jax.lax.scan(step, teacher.initial_state(), u)[1])(u)


def stream(
    key: Any, make: Callable[[Any], Any], target: str, steps: int, dt: float,
    inputs: int, keep: float = 0.9,
) -> tuple[Any, hl.Sample]:  # fmt: skip
    """(the student, its samples)."""
    a, b, c = jax.random.split(key, 3)
    u = smooth(c, steps, inputs, keep)
    y = taught(make(b), u, dt)
    if target == "noise":
        y = jax.random.normal(b, y.shape)
    return make(a), hl.Sample(u, y)


def table(laws: Any, make: Any, seeds: int, dt: float, **what: Any):
    """Rows of mean cosines over seeds, with the ceiling, for every part."""
    found: dict[Any, list[Any]] = {}
    for seed in range(seeds):
        network, samples = make(jax.random.key(FRESH + seed))
        rows = filter_alignment(laws, network, samples, dt=dt, fitted=FITTED).rows()
        for row in rows:
            if row["part"].count(".") > 1:
                continue  # a single leaf of a layer
            found.setdefault((row["law"], row["part"]), []).append(row)
    rows = []
    for (law, part), each in found.items():
        mean = {
            name: round(float(np.mean([row[name] for row in each])), 4)
            for name in ("cosine", "ceiling")
        }
        seeds_ = [round(row["cosine"], 4) for row in each]
        fraction = round(mean["cosine"] / mean["ceiling"], 4)
        rows.append(
            {**what, "law": law, "part": part, **mean, "fraction": fraction}
            | {"seeds": seeds_}
        )
        print(
            f"{what['problem']:28} {part:14} {law:16} {mean['cosine']:6.3f} "
            f"ceiling {mean['ceiling']:6.3f}",
            flush=True,
        )
    return rows


def stack(seeds: int) -> list[dict[str, Any]]:
    laws = {name: DiagonalFiltered(closure=c) for name, c in CLOSURES.items()}
    rows = []
    for name, (target, *poles) in STACKS.items():
        make = lambda key, poles=poles: stacked(key, *poles)
        problem = lambda key, make=make, target=target: stream(
            key, make, target, FITTED + SCORED, 1.0, 3
        )
        rows += table(laws, problem, seeds, 1.0, problem=f"stack, {name}")
    return rows


def rate(seeds: int) -> list[dict[str, Any]]:
    laws: dict[str, Any] = {
        name: Filtered(closure=c, sweeps=1) for name, c in CLOSURES.items()
    }
    adam = optax.adam(1e-3)
    laws |= {"DNI": DNI(optimizer=adam), "BP(lambda)": BPLambda(optimizer=adam)}
    rows = []
    for leak in (0.5, 0.1):
        make = lambda key, leak=leak: recurrent(key, leak)
        problem = lambda key, make=make: stream(
            key, make, "teacher", FITTED + SCORED, 1.0, 3
        )
        rows += table(laws, problem, seeds, 1.0, problem=f"rate, leak {leak}")
    return rows


def voltage(seeds: int) -> list[dict[str, Any]]:
    laws = {name: hl.GLE(closure=c, schedule=Sweeps()) for name, c in CLOSURES.items()}
    problem = lambda key: stream(
        key, voltages, "teacher", FITTED + SCORED, 0.05, 1, 0.97
    )
    return table(laws, problem, seeds, 0.05, problem="voltage, 1-8-8-1")


def switch(seeds: int) -> list[dict[str, Any]]:
    """Cosines of the lower layer in windows of 500 samples around a new teacher."""
    poles, window, rows = (0.9, 0.99, 0.3, False), 500, []
    for name, closure in {
        "instantaneous": Unfiltered(),
        "learned": Learned(),
        "learned, forgets in 4000": Learned(forgetting=4000.0),
    }.items():
        curves = []
        for seed in range(seeds):
            a, b, c, d = jax.random.split(jax.random.key(FRESH + seed), 4)
            u = smooth(d, 2 * FITTED, 3)
            make = lambda key: stacked(key, *poles)
            parts = [taught(make(key), u, 1.0) for key in (b, c)]
            y = jnp.where(jnp.arange(2 * FITTED)[:, None] < FITTED, *parts)
            curves.append(_windows(closure, make(a), hl.Sample(u, y), window))
        curve = np.mean(curves, axis=0)
        after = curve[FITTED // window :]
        end = after[-8:].mean()
        back = next(
            k for k in range(len(after)) if after[k : k + 4].mean() > end - 0.05
        )
        rows.append(
            {
                "problem": "switch of the teacher", "law": name,
                "before": round(float(curve[FITTED // window - 8 :][:8].mean()), 4),
                "first": round(float(after[:2].mean()), 4),
                "end": round(float(end), 4), "back_after": back * window,
                "curve": [round(float(c), 3) for c in curve],
            }
        )  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def _windows(closure: Any, network: Any, samples: hl.Sample, window: int):
    """The cosine of the lower layer's credit with that of exact errors, by window."""
    law = DiagonalFiltered(closure=closure)
    count = len(samples.target) // window
    place = np.arange(len(samples.target)) // window
    every = directions(law, network, samples, dt=1.0)
    ours = {
        k: jnp.sum(jnp.reshape(v, (count, window, -1)), 1) for k, v in every.items()
    }
    exact = _by_window(network, samples, place, count)
    flat = lambda g: np.concatenate(
        [np.reshape(v, (count, -1)) for k, v in g.items() if k.startswith("layers.0")],
        1,
    )
    a, b = flat(ours), flat(exact)
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.sum(a * b, axis=1) / sizes


@eqx.filter_jit
def _by_window(network: Any, samples: hl.Sample, place: Any, count: int):
    """The exact gradient of each window's loss through at most 2000 samples before."""

    def one(k):
        first = jnp.maximum(k * 500 - 2000, 0)
        cut = lambda a: jax.lax.dynamic_slice_in_dim(a, first, 2500)
        part, counted = jax.tree.map(cut, samples), cut(place) == k
        return hl.exact_gradient(
            hl.Cost(), network, part, dt=1.0, counted=counted.astype(float)
        ).w

    return jax.lax.map(one, jnp.arange(count))


def cost(repeats: int) -> list[dict[str, Any]]:
    """Time per sample of the learned filter over that of GLE, alternating."""
    rows = []
    for neurons in (64, 256):
        graph = hl.Digraph.layered([neurons // 2] * 2)
        net = hl.VoltageNetwork(
            graph, inputs=8, outputs=4, key=jax.random.key(0),
            prospective_time_constant=0.3, dtype=jnp.float32,
        )  # fmt: skip
        u = jax.random.normal(jax.random.key(1), (2000, 8), jnp.float32)
        samples = hl.Sample(u, u[:, :4])

        def runner(closure, net=net, samples=samples):
            law = hl.GLE(closure=closure)
            run = eqx.filter_jit(
                lambda state: hl.scan(law, state, samples, 0.05, lambda s, *_: None)
            )
            state = law.init(net)
            return lambda: run(state)[0].x

        learned, gle = alternating(
            runner(Learned()), runner(Prospective()), repeats=repeats
        )
        ratio = spread(np.array(learned) / np.array(gle))
        rows.append(
            {
                "problem": "cost", "neurons": neurons, "ratio": ratio,
                "us_learned": 1e6 * min(learned) / 2000,
                "us_gle": 1e6 * min(gle) / 2000,
            }
        )  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def learn(seeds: int) -> list[dict[str, Any]]:
    """The loss on a fresh stream with frozen weights, after learning by each law."""
    adam = hl.updates.Optax(optax.adam, learning_rate=1e-3)
    rows = []
    for name, (target, *poles) in STACKS.items():
        make = lambda key, poles=poles: stacked(key, *poles)
        for law_name in ("instantaneous", "learned"):
            law = DiagonalFiltered(update=adam, closure=CLOSURES[law_name])
            losses = []
            for seed in range(seeds):
                a, b, c, d, e = jax.random.split(jax.random.key(FRESH + seed), 5)
                net, teacher = make(a), make(b)

                def drawn(key, steps, teacher=teacher, e=e, target=target):
                    u = smooth(key, steps, 3)
                    y = taught(teacher, u, 1.0)
                    if target == "noise":
                        y = jax.random.normal(e, y.shape)
                    return hl.Sample(u, y)

                state = hl.stream(
                    law, net, drawn(c, 40_000), dt=1.0, progress=False
                ).state
                held = hl.stream(
                    law, state, drawn(d, SCORED), dt=1.0, learn=False, progress=False
                )
                losses.append(float(np.mean(held.loss)))
            row = {"problem": f"learn, {name}", "law": law_name} | {
                "loss": spread(losses), "seeds": losses,
            }  # fmt: skip
            rows.append(row)
            print(
                f"{row['problem']:40} {law_name:14} {np.round(losses, 4)}", flush=True
            )
    return rows


PARTS: dict[str, Callable[[int], list[dict[str, Any]]]] = {
    "stack": stack, "rate": rate, "voltage": voltage, "switch": switch, "cost": cost,
    "learn": learn,
}  # fmt: skip


def main() -> None:
    """Write results/filters.json, in which other parts stay as they are."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    for part in given.parts:
        rows = PARTS[part](5 if part in ("learn", "cost") else given.seeds)
        path = RESULTS / "filters.json"
        old = json.loads(path.read_text())["rows"] if path.exists() else []
        kept = [row for row in old if row["part_of"] != part]
        new = [{"part_of": part, **row} for row in rows]
        write("filters", kept + new, dtype="float64", fitted=FITTED, scored=SCORED)


if __name__ == "__main__":
    main()
