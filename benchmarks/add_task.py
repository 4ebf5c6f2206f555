"""The add task under every law: mean cross-entropy of the last tenth, beside floors.

python -m benchmarks.add_task [--steps 200000] [--seeds 3] [--lags 4 6] [--laws RTRL]
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import optax

from hamlearn import Cost, Digraph, DivergenceWarning, RateNetwork, stream
from hamlearn.action import cross_entropy
from hamlearn.laws import (
    BPTT,
    KFRTRL,
    RFLO,
    RTRL,
    UORO,
    EProp,
    Law,
    SnAp1,
)
from hamlearn.sensitivities import Immediate
from hamlearn.tasks import Add

from . import _names

COST = Cost(loss=cross_entropy)
RATE = 0.03


def laws() -> dict:
    """Every law at the rate it is known to bear."""
    sgd = optax.sgd(RATE)
    return {
        "frozen": Law(COST, Immediate(), sgd, title="frozen recurrence"),
        "RFLO, random": RFLO(COST, sgd),
        "e-prop": EProp(COST, sgd),
        "SnAp-1": SnAp1(COST, sgd),
        "BPTT 15": BPTT(COST, sgd, window=15),
        "UORO, rate 0.001": UORO(COST, optax.sgd(0.001)),
        "KF-RTRL, rate 0.003": KFRTRL(COST, optax.sgd(0.003)),
        "RTRL": RTRL(COST, sgd),
    }


def make_network(seed: int, neurons: int = 32) -> RateNetwork:
    """A leak-free network of 32 neurons with a linear readout."""
    a, b = jax.random.split(jax.random.key(seed))
    return RateNetwork(
        Digraph.complete(neurons, self_loops=True),
        inputs=2,
        outputs=neurons,
        readout=eqx.nn.Linear(neurons, 2, key=a),
        key=b,
    )


def final_loss(law, seed: int, steps: int, lags: tuple[int, int]) -> float:
    """Mean cross-entropy of the last tenth of a stream; NaN for a run that diverges."""
    samples = Add(lags).samples(jax.random.key(1000 + seed), steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        result = stream(
            law,
            make_network(seed),
            samples,
            dt=1.0,
            key=jax.random.key(2000 + seed),
            progress=False,
        )
    if result.diverged is not None:
        return float("nan")
    return float(np.mean(result.loss[-steps // 10 :]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--lags", type=int, nargs=2, default=(4, 6))
    parser.add_argument("--laws", nargs="*", default=None)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    lags = tuple(options.lags)
    rows = [{"law": f"floor: {k}", "mean": v} for k, v in Add(lags).floors().items()]
    for row in rows:
        print(f"{row['law']:<20} {row['mean']:.4f}", flush=True)
    known = laws()
    for name in _names.chosen("--laws", options.laws or None, known):
        law = known[name]
        began = time.perf_counter()
        found = [
            final_loss(law, seed, options.steps, lags) for seed in range(options.seeds)
        ]
        seconds = (time.perf_counter() - began) / options.seeds
        row = {"law": name, "mean": np.mean(found), "spread": np.std(found)}
        rows.append(row | {"losses": found, "seconds": seconds})
        spread = f"{row['mean']:.4f} ± {row['spread']:.4f}"
        print(f"{name:<20} {spread}   {seconds:.0f} s a run", flush=True)
    if options.out is not None:
        text = [
            json.dumps(row | {"lags": lags, "steps": options.steps}) for row in rows
        ]
        options.out.write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
