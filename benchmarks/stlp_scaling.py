"""Cost of an STLP step against the number of edges.

Random acyclic graphs of fixed in-degree, 10^3 to 10^6 edges; conjugate gradients, all
else the defaults, float32. Writes `results/stlp_scaling.json`: microseconds a step
(median and spread over repetitions), iterations of the Gram solve, and the slopes of
the time and of the time an iteration against edges, on logarithmic axes.

    python -m benchmarks.stlp_scaling
"""

from . import _one_core

_one_core.settle()

import argparse
import json
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl

from ._record import environment

IN_DEGREE, INPUTS, STEPS, REPEATS, RATIO = 10, 8, 5, 7, 1e-3


def main() -> None:
    """Measure all sizes and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results / "stlp_scaling.json")
    parser.add_argument(
        "--edges", type=int, nargs="+", default=[10**k for k in (3, 4, 5, 6)]
    )
    options = parser.parse_args()
    rows = [measure(edges) for edges in options.edges]
    table = {
        "environment": environment(),
        "what": "STLP step on random acyclic graphs, in-degree 10, conjugate gradients",
        "dtype": "float32",
        "steps_a_run": STEPS,
        "repeats": REPEATS,
        "slope": slope(rows, "us_per_step"),
        "slope_per_iteration": slope(rows, "ns_per_edge_and_iteration") + 1,
        "rows": rows,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(table, indent=2) + "\n")


def measure(edges: int) -> dict[str, float]:
    """One size: seconds of compiled runs of a few steps."""
    key = jax.random.key(0)
    neurons = edges // IN_DEGREE
    graph = hl.Digraph.random(neurons, in_degree=IN_DEGREE, acyclic=True, key=key)
    network = hl.RateNetwork(
        graph, inputs=INPUTS, outputs=10, gain=0.5, key=key, dtype=jnp.float32,
        input_nodes=list(range(INPUTS)),
    )  # fmt: skip
    theta = 30.0
    rule = hl.STLP(
        hl.Cost(inertia=1 / theta, dissipation=theta), neuron_mass=RATIO / theta,
        gram=hl.gram.ConjugateGradients(),
    )  # fmt: skip
    samples = signal().jets(jnp.arange(STEPS, dtype=jnp.float32) * 0.02)
    state = rule.init(network)
    state = rule.begin(state, jnp.zeros((), jnp.float32), at(samples, 0))
    run = compiled(rule)
    _, infos = jax.block_until_ready(run(state, samples))
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        jax.block_until_ready(run(state, samples))
        seconds.append(time.perf_counter() - began)
    us = np.array(seconds) / STEPS * 1e6
    ns_per_edge = float(np.median(us)) * 1e3 / graph.num_edges
    iterations = float(np.mean(infos.iterations))
    return {
        "edges": graph.num_edges,
        "neurons": neurons,
        "us_per_step": float(np.median(us)),
        "us_lowest": float(us.min()),
        "us_highest": float(us.max()),
        "iterations": iterations,
        "ns_per_edge": ns_per_edge,
        "ns_per_edge_and_iteration": ns_per_edge / iterations,
        "residual": float(np.max(infos.residual)),
    }


def slope(rows: list[dict[str, float]], name: str) -> float:
    """Of the logarithm of a column against that of the edges."""
    logs = np.log([[row["edges"], row[name]] for row in rows]).T
    return float(np.polyfit(logs[0], logs[1], 1)[0])


def signal() -> hl.Signal:
    """Sinusoids in and out."""
    phase = jnp.arange(INPUTS, dtype=jnp.float32)
    return hl.Signal(
        lambda t: jnp.sin(t * (1 + phase / 4) + phase),
        lambda t: jnp.sin(t + jnp.arange(10, dtype=jnp.float32)) / 2,
    )


def compiled(rule: hl.STLP):
    """A scan over the samples, as one program."""

    @eqx.filter_jit
    def run(state, samples):
        moving, still = eqx.partition(state, eqx.is_array)

        def step(moving, sample):
            dt = jnp.asarray(0.02, jnp.float32)
            state, info = rule.step(eqx.combine(moving, still), sample, dt)
            return eqx.filter(state, eqx.is_array), info

        return jax.lax.scan(step, moving, samples)

    return run


def at(samples: hl.Sample, k: int) -> hl.Sample:
    """Sample k of many."""
    return jax.tree.map(lambda leaf: leaf[k], samples)


if __name__ == "__main__":
    main()
