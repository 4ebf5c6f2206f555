"""What a step of GLE costs beside the forward step alone, and in memory.

    python -m benchmarks.gle_cost

Networks of 256 neurons in layers of equal size or all connected, and a larger one,
batch 1, one thread. Times are medians over interleaved repeats; the spread is that of
the middle half.
"""

from hamlearn import _one_core

_one_core.settle()

import json
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from hamlearn._record import environment

import hamlearn as hl

OUT = Path(__file__).parent / "results" / "gle_cost.json"
DTYPE = jnp.float32


def network(graph):
    # With feedback the errors are stable only below gain tau_r / tau_m.
    gain = 0.15 if graph.levels() is None else 0.5
    return hl.VoltageNetwork(
        graph,
        inputs=8,
        outputs=8,
        prospective_time_constant=0.2,
        gain=gain,
        dtype=DTYPE,
        key=jax.random.key(0),
    )


def forward_alone(net, schedule, xs, dt):
    """Voltages and outputs with nothing learned: the same neurons, no errors."""

    def step(carry, x):
        u, before = carry
        v, _ = schedule.forward(net, u, before, x, jnp.zeros_like(u))
        after = u + dt * v, (u, v)
        return after, net.output(u + net.tau_r * v)

    u = net.initial_state()
    carry, outputs = jax.lax.scan(step, (u, (u, u)), xs)
    return carry, outputs.sum()


def learn(rule, net, samples, dt):
    moving, still = eqx.partition(rule.init(net), eqx.is_array)

    def step(moving, sample):
        state, info = rule.step(eqx.combine(moving, still), sample, dt)
        return eqx.filter(state, eqx.is_array), info.loss

    moving, losses = jax.lax.scan(step, moving, samples)
    return moving, losses.sum()


def measure(graph, schedule, *, steps, repeats):
    net, dt = network(graph), jnp.asarray(0.05, DTYPE)
    xs = jax.random.normal(jax.random.key(1), (steps, 8), DTYPE)
    samples = hl.Sample(xs, jnp.zeros_like(xs))
    rule = hl.GLE(optimizer=optax.sgd(1e-4), schedule=schedule)
    runs = {
        "forward": eqx.filter_jit(lambda: forward_alone(net, schedule, xs, dt)),
        "gle": eqx.filter_jit(lambda: learn(rule, net, samples, dt)),
    }
    times = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            if repeat:
                times[name].append((time.perf_counter() - start) / steps * 1e6)
    row = {"steps": steps}
    for name, values in times.items():
        low, middle, high = np.percentile(values, [25, 50, 75])
        row[f"{name}_us"] = round(float(middle), 2)
        row[f"{name}_spread_us"] = [round(float(low), 2), round(float(high), 2)]
    ratios = np.array(times["gle"]) / np.array(times["forward"])
    row["ratio"] = round(float(np.median(ratios)), 2)
    row["ratio_spread"] = np.percentile(ratios, [25, 75]).round(2).tolist()
    return row


def memory(graph, schedule, steps):
    """Bytes of scratch space of the compiled run, without its samples."""
    net, dt = network(graph), jnp.asarray(0.05, DTYPE)
    rule = hl.GLE(optimizer=optax.sgd(1e-4), schedule=schedule)
    moving, still = eqx.partition(rule.init(net), eqx.is_array)

    def run(moving):
        def step(k, moving):
            x = jnp.full(8, jnp.sin(0.01 * k.astype(DTYPE)))
            sample = hl.Sample(x, jnp.zeros_like(x))
            state, _ = rule.step(eqx.combine(moving, still), sample, dt)
            return eqx.filter(state, eqx.is_array)

        return jax.lax.fori_loop(0, steps, step, moving)

    compiled = jax.jit(run).lower(moving).compile().memory_analysis()
    assert compiled is not None
    return int(compiled.temp_size_in_bytes)


def main():
    rows = []
    graphs = {
        "4 layers of 64": hl.Digraph.layered([64] * 4),
        "2 layers of 128": hl.Digraph.layered([128] * 2),
        "complete 256": hl.Digraph.complete(256, self_loops=True),
        "4 layers of 256": hl.Digraph.layered([256] * 4),
    }
    for name, graph in graphs.items():
        for schedule in (hl.schedule.LayerParallel(), hl.schedule.Sweeps()):
            if graph.levels() is None and isinstance(schedule, hl.schedule.Sweeps):
                continue  # an iteration whose length depends on the recurrence
            kind = type(schedule).__name__
            row = measure(graph, schedule, steps=2000, repeats=15)
            edges = graph.num_edges
            rows.append({"graph": name, "edges": edges, "schedule": kind, **row})
            print(json.dumps(rows[-1]), flush=True)
    graph = graphs["4 layers of 64"]
    scratch = {
        T: memory(graph, hl.schedule.LayerParallel(), T)
        for T in (100, 10_000, 1_000_000)
    }
    result = {
        "environment": environment(),
        "dtype": "float32",
        "batch": 1,
        "unit": "microseconds a step: median, middle half",
        "rows": rows,
        "scratch_bytes_by_steps": scratch,
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
