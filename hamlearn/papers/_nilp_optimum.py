"""What the sign flip costs over the true optimum of the two-point problem."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl

from ._claim import Claim
from ._nilp_law import law, start

DT, WINDOW, SETTLED = 1e-2, 500, 1000  # five time units, after ten to settle


def run(*, quick: bool = False) -> Iterator[Claim]:
    """Compare the flip with the optimum, settled and from a cold start."""
    cases = {
        "settled_sine": (hl.tasks.sine, SETTLED, 20.0, 1.0, 4.0),
        "settled_patched": (hl.tasks.patched, SETTLED, 20.0, 1.5, 13.0),
        "cold_sine": (hl.tasks.sine, 0, 40.0, 2.0, 13.0),
        "cold_patched": (hl.tasks.patched, 0, 40.0, 2.0, 13.0),
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


def _gap(task, settle: int, theta: float, seed: int) -> hl.analysis.ActionGap:
    samples = task(duration=DT * (SETTLED + WINDOW), dt=DT).samples()
    samples = jax.tree.map(lambda a: jnp.asarray(a[: settle + WINDOW]), samples)
    network, x0 = start(5, 10.0, seed)
    flip, x0 = law(100.0, theta), jnp.asarray(x0)
    return hl.analysis.gap(flip, network, samples, dt=DT, settle=settle, x0=x0)
