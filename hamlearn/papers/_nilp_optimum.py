"""What the sign flip costs over the true optimum of the two-point problem."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

from .. import tasks
from ..action.cost import Cost
from ..analysis import Gap, gap
from ..jobs.track import tracker
from ..rules.hamiltonian import HamiltonianLearning
from ._claim import Claim

DT, WINDOW, SETTLED = 1e-2, 500, 1000  # five time units, after ten to settle


def run(*, quick: bool = False) -> Iterator[Claim]:
    """Compare the flip with the optimum, settled and from a cold start."""
    cases = {
        "settled_sine": (tasks.sine, SETTLED, 20.0, 1.0, 4.0),
        "settled_patched": (tasks.patched, SETTLED, 20.0, 1.5, 13.0),
        "cold_sine": (tasks.sine, 0, 40.0, 2.0, 13.0),
        "cold_patched": (tasks.patched, 0, 40.0, 2.0, 13.0),
    }
    residuals = []
    for name, (task, settle, theta, low, high) in cases.items():
        gaps = [_gap(task, settle, theta, seed) for seed in range(1 if quick else 3)]
        ratios = [found.ratio for found in gaps]
        residuals += [float(found.optimum.residual) for found in gaps]
        verdict = (
            "holds: causal at a price, times the clairvoyant optimum; seeds "
            f"{min(ratios):.2f} to {max(ratios):.2f}"
        )
        claim = f"flip_over_optimum_{name}"
        yield Claim(claim, float(np.median(ratios)), low, high, verdict)
    verdict = "holds: the optimum satisfies Pontryagin's principle, dw/dt = -p_w/r"
    yield Claim("pontryagin_residual", max(residuals), None, 1e-3, verdict)


def _gap(task, settle: int, theta: float, seed: int) -> Gap:
    samples = task(duration=DT * (SETTLED + WINDOW), dt=DT).samples()
    samples = jax.tree.map(lambda a: jnp.asarray(a[: settle + WINDOW]), samples)
    network, x0 = tracker(5, 10.0, seed)
    cost = Cost(accuracy=100.0, weight_decay=1.0, inertia=0.1, dissipation=theta)
    rule = HamiltonianLearning(cost)
    start = jnp.asarray(x0)
    return gap(rule, network, samples, dt=DT, settle=settle, x0=start)
