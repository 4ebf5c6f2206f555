"""Cosine of local credit with the exact gradient in recurrent rate networks.

    python benchmarks/alignment_recurrent.py [--seeds 5]

Sixteen neurons with time constant 1, a teacher of the same kind, and a drive of two
tones at w and 1.5 w. Credit for the recurrent weights over one common period after a
transient, weights held; the median over seeds.
"""

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from hamlearn import Cost, Digraph, HamiltonianLearning, RateNetwork, Sample
from hamlearn.analysis import alignment
from hamlearn.laws import EProp, RecurrentBackprop, SnAp1

LAWS = {
    "recurrent backprop": RecurrentBackprop(Cost()),
    "sign flip": HamiltonianLearning(Cost(), dissipation=0.0),
    "RFLO": EProp(Cost()),
    "SnAp-1": SnAp1(Cost()),
}
TRANSIENT = 15.0


def make(seed: int, gain: float, omega: float):
    """(student, samples, dt, samples of the transient)."""
    student, teacher = (
        RateNetwork(
            Digraph.complete(16, self_loops=True),
            inputs=2,
            outputs=4,
            gain=gain,
            key=key,
        )
        for key in jax.random.split(jax.random.key(seed))
    )
    period = 4 * np.pi / omega
    steps = max(round(period / 0.04), 200)
    dt = period / steps
    skip = int(np.ceil(TRANSIENT / dt))
    t = dt * jnp.arange(skip + steps)
    u = jnp.stack([jnp.sin(omega * t), jnp.cos(1.5 * omega * t)], axis=1)

    def body(x, u):
        return x + dt * teacher(x, u), teacher.readout(x, u)

    _, y = jax.lax.scan(body, teacher.initial_state(), u)
    return student, Sample(u, y), dt, skip


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    lines = []
    for gain in (0.5, 0.9, 1.3):
        for omega in (0.2, 0.5, 1.0, 2.0, 4.0):
            cosines = {name: [] for name in LAWS}
            for seed in range(options.seeds):
                network, samples, dt, skip = make(seed, gain, omega)
                for name, law in LAWS.items():
                    rows = alignment(law, network, samples, dt=dt, skip=skip).rows()
                    cosines[name] += [
                        r["cosine"] for r in rows if r["part"] == "weight"
                    ]
            medians = {name: float(np.median(c)) for name, c in cosines.items()}
            shown = "  ".join(f"{name} {c:.2f}" for name, c in medians.items())
            print(f"gain {gain}  w tau {omega:<4} {shown}", flush=True)
            row = {"gain": gain, "omega_tau": omega, "medians": medians}
            lines.append(json.dumps(row | {"cosines": cosines}))
    if options.out is not None:
        options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
