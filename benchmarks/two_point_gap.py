"""What the sign flip costs over the true optimum: tracking by five neurons.

    python benchmarks/two_point_gap.py [--seeds 3] [--out FILE]

Five fully connected neurons hear a constant; the first one tracks a signal for five
units of time, from a random start (cold) or after five units of learning (settled).
The dissipation of the law is the best of a few for each case. The optimum is found
by descent on the control down to a residual of 0.02, which chooses the minimum, and
from there by Newton's method on the two-point boundary value problem.
"""

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from hamlearn import Cost, Digraph, HamiltonianLearning, RateNetwork, Sample
from hamlearn.analysis import Optimum, boundary_value, gap, law_action, two_point
from hamlearn.costates import HamiltonianSign, SignFlip

DT, HORIZON = 0.01, 5.0
DISSIPATIONS = {1.0: (3.0, 10.0, 20.0), 10.0: (10.0, 20.0, 40.0)}


def sine(t: np.ndarray) -> np.ndarray:
    """0.5 sin t."""
    return 0.5 * np.sin(t)


def patched(t: np.ndarray) -> np.ndarray:
    """Segments of 1 to 4 units, each a constant or a sine of its own."""
    rng, out, start = np.random.default_rng(3), np.zeros_like(t), 0.0
    while start <= t[-1]:
        length, steady = rng.uniform(1, 4), rng.random() < 0.5
        level, size = rng.uniform(-0.6, 0.6), rng.uniform(0.2, 0.6)
        omega, phase = rng.uniform(0.5, 2.5), rng.uniform(0, 2 * np.pi)
        here = (t >= start) & (t < start + length)
        out[here] = level if steady else size * np.cos(omega * t[here] + phase)
        start += length
    return out


def make_network(seed: int, speed: float) -> tuple[RateNetwork, jax.Array]:
    """The network, its 30 weights drawn with standard deviation 0.5, and its start."""
    a, b = jax.random.split(jax.random.key(seed))
    network = RateNetwork(
        Digraph.complete(5, self_loops=True),
        inputs=1,
        outputs=[0],
        time_constant=1 / speed,
        gain=0.5 * 5**0.5,
        learn=("weight", "input_weight"),
        key=a,
    )
    return network, 0.3 * jax.random.normal(b, (5,))


def optimum(*problem, **options) -> Optimum:
    """The minimum near that of descent, to rounding."""
    rough = two_point(*problem, **options, tolerance=1e-5)
    found = boundary_value(*problem, **options, velocity=rough.velocity)
    assert float(found.value) <= float(rough.value), "not the same minimum"
    return found


def best_gap(policy, signal, accuracy, speed, seed, settled):
    """The gap at the best dissipation, as a dictionary."""
    network, x0 = make_network(seed, speed)
    steps = round(HORIZON / DT)
    settle = steps if settled else 0
    t = DT * np.arange(steps + settle)
    samples = Sample(jnp.ones((t.size, 1)), jnp.asarray(signal(t)[:, None]))
    laws = [
        HamiltonianLearning(
            Cost(loss_weight=accuracy, weight_decay=1.0),
            policy,
            inertia=0.1,
            dissipation=theta,
        )
        for theta in DISSIPATIONS[speed]
    ]
    options = {"dt": DT, "settle": settle, "x0": x0}
    costs = [float(law_action(law, network, samples, **options)[0]) for law in laws]
    best = int(np.nanargmin(costs))
    one = gap(laws[best], network, samples, **options, find=optimum)
    return {
        "ratio": one.ratio,
        "law": float(one.law),
        "optimum": float(one.optimum.value),
        "residual": float(one.optimum.residual),
        "dissipation": DISSIPATIONS[speed][best],
    }


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    lines = []
    policies = {"flip": SignFlip(), "H-sign": HamiltonianSign()}
    for settled in (False, True):
        for name, signal in (("sine", sine), ("patched", patched)):
            for speed in (10.0, 1.0):
                for law, policy in policies.items():
                    runs = [
                        best_gap(policy, signal, 100.0, speed, seed, settled)
                        for seed in range(options.seeds)
                    ]
                    ratios = [run["ratio"] for run in runs]
                    row = {
                        "start": "settled" if settled else "cold",
                        "signal": name,
                        "speed": speed,
                        "law": law,
                        "median": float(np.median(ratios)),
                        "runs": runs,
                    }
                    lines.append(json.dumps(row))
                    shown = ", ".join(f"{ratio:.3g}" for ratio in ratios)
                    worst = max(run["residual"] for run in runs)
                    print(
                        f"{row['start']:<8} {name:<8} c={speed:<4} {law:<7} x{shown}"
                        f"   residual <= {worst:.1g}",
                        flush=True,
                    )
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
