"""Cosine of causal errors with the exact gradient, layer by layer, against frequency.

    python -m benchmarks.alignment_filters [--seeds 8] [--gain 1]

1-6-6-1 neurons with tau_m = 1, hidden tau_r = 0.1 (then 0.5), a linear output with
tau_r = tau_m; a teacher of the same kind; one tone. Means over seeds of the cosine of
the mean gradient over whole periods after a transient, weights held.

Beside them the values of an earlier measurement by another program, whose gain is not
known, for the weights of the first layer and for all weights together: where it had
|cos| > 0.9 the two should be within 0.05, elsewhere of the same sign. Together all
weights are a mixture whose shares are those of the norms of the layers, which depend
on how weights are drawn.
"""

import argparse

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.analysis import alignment_by_frequency
from hamlearn.costates import Prospective, SignFlipped, Unfiltered

from ._record import write

FREQUENCIES = (0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0)
CLOSURES = {
    "GLE": Prospective(),
    "instantaneous": Unfiltered(),
    "sign flip": SignFlipped(),
}
EARLIER = {
    ("GLE", "input_weight"): (1, 1, 0.96, 0.99, 1, 1, 0.99, 0.95),
    ("instantaneous", "input_weight"): (1, 1, 0.98, 0.92, 0.54, -0.85, -0.96, -0.9),
    ("sign flip", "input_weight"): (1, 0.98, 0.38, -0.91, -0.96, -0.98, -0.99, -0.98),
    ("GLE", "all"): (1, 1, 0.99, 0.96, 0.89, 0.73, 0.44, 0.19),
    ("instantaneous", "all"): (1, 1, 1, 0.99, 0.97, 0.9, 0.74, 0.85),
    ("sign flip", "all"): (1, 1, 0.96, 0.82, 0.64, 0.52, 0.63, 0.94),
}


def network(key: jax.Array, tau_r: float, gain: float) -> hl.VoltageNetwork:
    """1-6-6-1; the output follows its input without a lag."""
    made = hl.VoltageNetwork(
        hl.Digraph.layered([6, 6, 1]),
        inputs=1,
        gain=gain,
        linear=[12],
        prospective_time_constant=np.append(np.full(12, tau_r), 1.0),
        learn=("weight", "input_weight"),
        key=key,
    )
    return eqx.tree_at(
        lambda n: n.input_weight, made, replace_fn=lambda leaf: gain * leaf
    )


def drive(phase: jax.Array) -> jax.Array:
    """One tone."""
    return jnp.sin(phase)[None]


def learner(closure: hl.costates.AbstractClosure) -> hl.Law:
    """Errors of a closure, swept without delay; plain SGD shows the gradient."""
    schedule = hl.costates.Sweeps()
    return hl.GLE(update=optax.sgd(1.0), closure=closure, schedule=schedule)


def agrees(value: float, earlier: float) -> bool:
    """Within 0.05 where |cos| > 0.9, of the same sign elsewhere."""
    if abs(earlier) > 0.9:
        return round(abs(value - earlier), 2) <= 0.05  # known to two digits
    return bool(np.sign(value) == np.sign(earlier))


def measure(
    name: str, tau_r: float, gain: float, frequencies: tuple[float, ...], seeds: int
):
    """A row for each part of the weights and each frequency."""
    law, found = learner(CLOSURES[name]), {}
    for seed in range(seeds):
        student, teacher = (
            network(key, tau_r, gain) for key in jax.random.split(jax.random.key(seed))
        )
        table = alignment_by_frequency(
            law, student, drive, teacher, frequencies=frequencies, steps=1600
        )
        for row in table.rows():
            at = row["part"], row["omega_tau"]
            found.setdefault(at, []).append((row["cosine"], row["ratio"]))
    rows = []
    for (part, omega), values in found.items():
        cosines, ratios = np.array(values).T
        row = {
            "law": name, "tau_r": tau_r, "gain": gain, "part": part, "omega_tau": omega,
            "mean": round(float(cosines.mean()), 4),
            "median": round(float(np.median(cosines)), 4),
            "least": round(float(cosines.min()), 4),
            "greatest": round(float(cosines.max()), 4),
            "norm_ratio": round(float(np.median(ratios)), 4),
        }  # fmt: skip
        if tau_r == 0.1 and (name, part) in EARLIER:
            earlier = EARLIER[name, part][FREQUENCIES.index(omega)]
            row |= {"earlier": earlier, "agrees": agrees(row["mean"], earlier)}
        rows.append(row)
    return rows


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--gain", type=float, default=1.0)
    options = parser.parse_args()
    rows = []
    gain = options.gain
    for tau_r, frequencies in ((0.1, FREQUENCIES), (0.5, (0.4, 1.0, 2.5))):
        for name in CLOSURES:
            new = measure(name, tau_r, gain, frequencies, options.seeds)
            rows += new
            for part in sorted({row["part"] for row in new}):
                shown = "  ".join(
                    f"{row['mean']:5.2f}" + ("" if row.get("agrees", True) else "*")
                    for row in new
                    if row["part"] == part
                )
                print(
                    f"{name:<14} tau_r {tau_r} gain {gain} {part:<16} {shown}",
                    flush=True,
                )
        name = "alignment_filters" + (f"_gain_{gain:g}" if gain != 1 else "")
        write(name, rows, dtype="float64", seeds=options.seeds)


if __name__ == "__main__":
    main()
