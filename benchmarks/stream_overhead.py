"""`stream` against a hand-written `lax.scan` of the same equations and outputs.

    python -m benchmarks.stream_overhead

Hamiltonian learning (sign flip, explicit Euler) on complete networks, float32. Both
return output, loss, Lagrangian and Hamiltonian of every sample as NumPy arrays. The
two are run in turn; the ratio is the median of the ratios of neighbouring runs.
"""

from hamlearn import _one_core

_one_core.settle()

import jax
import numpy as np
from hamlearn._floors import sign_flip
from hamlearn._record import alternating, spread, write

import hamlearn as hl

SIZES = {5: 400_000, 32: 200_000, 256: 8_000, 1024: 800}
Q, R_W, R, THETA, TAU, DT = 100.0, 1.0, 0.1, 20.0, 0.1, 1e-3


def measure(n: int, steps: int) -> dict:
    """One row: both times and their ratio at n neurons."""
    graph = hl.Digraph.complete(n, self_loops=True)
    key_w, key_b = jax.random.split(jax.random.key(0))
    network = hl.RateNetwork(graph, outputs=[0], time_constant=TAU, key=key_w)
    # Values of ordinary size: a network at rest spends its time on denormal numbers.
    x0 = 0.3 * jax.random.normal(key_b, (n,))
    cost = hl.Cost(accuracy=Q, weight_decay=R_W, inertia=R, dissipation=THETA)
    rule = hl.HamiltonianLearning(cost)
    y = (0.5 * np.sin(DT * np.arange(steps)))[:, None].astype(np.float32)
    u = np.zeros((steps, 0), np.float32)
    given = (network.weight, network.bias, x0, y, DT, TAU, Q, R_W, R, THETA)

    def hand():
        return jax.tree.map(np.asarray, sign_flip(*given)[1])

    def ours():
        return hl.stream(rule, network, (u, y), dt=DT, x0=x0, progress=False).info

    difference = float(np.abs(hand()[0] - ours()["output"]).max())
    assert difference < 1e-3, difference
    a, b = alternating(hand, ours)
    return {
        "neurons": n,
        "samples": steps,
        "by_hand_us": spread(np.array(a) / steps * 1e6),
        "stream_us": spread(np.array(b) / steps * 1e6),
        "ratio": spread(np.array(b) / np.array(a)),
        "largest_difference_of_outputs": difference,
    }


if __name__ == "__main__":
    rows = [measure(n, steps) for n, steps in SIZES.items()]
    print(f"{'neurons':>8} {'by hand µs':>11} {'stream µs':>10} {'ratio (range)':>20}")
    for row in rows:
        ratio = row["ratio"]
        print(
            f"{row['neurons']:>8} {row['by_hand_us']['median']:>11.3g} "
            f"{row['stream_us']['median']:>10.3g} {ratio['median']:>8.2f} "
            f"({ratio['min']:.2f} .. {ratio['max']:.2f})"
        )
    print("wrote", write("stream_overhead", rows, dtype="float32").name)
