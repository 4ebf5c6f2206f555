"""Time and memory of exact and approximate gradients beside plain JAX.

    python -m benchmarks.law_cost [--sizes 32 128] [--repeats 7]

The laws, stepped in a compiled scan, against `_floors`: the same network (tanh,
complete, 8 inputs, a linear readout of 8), the same samples, float32, one thread. Law
and floor run in turn in one process; the ratio is the median of the ratios of
neighbouring runs. Times are those of the processor, not of the wall clock, so that
others on the machine do not count (they still share its caches). Memory is the
scratch space of the compiled program, samples not counted.

jax_rtrl, the fastest exact RTRL found elsewhere, stands beside ours in `peers`.
"""

from . import _one_core

_one_core.settle()

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
from hamlearn.costates.gradient import Checkpoints, Stored
from hamlearn.laws import (
    RTRL,
    UORO,
    EProp,
    SnAp1,
)

from . import _floors as floors
from . import _names
from ._measure import compiled, in_turn, over_samples
from ._record import RESULTS, spread, write

ALPHA, RATE, CHANNELS = 0.5, 1e-5, 8
STEPS = {32: 900, 128: 225, 512: 25}  # squares, for the checkpoints
RTRL_STEPS = {32: 50, 128: 4, 512: 2}
LAWS = {
    "SnAp-1": (floors.SNAP_1, SnAp1),
    "UORO": (floors.UORO, UORO),
    "e-prop": (floors.OWN_LEAK, EProp),
    "RTRL": (floors.RTRL, RTRL),
}


def problem(n: int, batch: int, steps: int):
    """(weights of the floor, its start, the network, samples)."""
    keys = jax.random.split(jax.random.key(0), 4)
    w = floors.weights(n, CHANNELS, CHANNELS, key=keys[0], dtype=jnp.float32)
    streams = (batch,) if batch > 1 else ()
    draw = lambda key, *shape: jax.random.normal(key, shape, jnp.float32)
    x = 0.3 * draw(keys[1], *streams, n)
    us = draw(keys[2], steps, *streams, CHANNELS)
    ys = draw(keys[3], steps, *streams, CHANNELS)
    network = floors.network(w)
    return w, x, hl.Batch(network, batch) if streams else network, us, ys


def bptt(n: int, batch: int, kind: str):
    """(the floor, what it takes), and ours."""
    w, x, network, us, ys = problem(n, batch, STEPS[n])
    plain = floors.bptt_checkpointed if kind == "BPTT, sqrt(T)" else floors.bptt
    memory = Checkpoints() if kind == "BPTT, sqrt(T)" else Stored()
    samples, dt = hl.Sample(us, ys), jnp.float32(ALPHA)
    moving, still = eqx.partition(network, eqx.is_array)

    def ours(moving, x, samples, dt):
        network = eqx.combine(moving, still)
        g = hl.exact_gradient(hl.Cost(), network, samples, dt=dt, x0=x, memory=memory)
        return g.w, g.value

    return (plain, (w, x, us, ys, ALPHA)), (ours, (moving, x, samples, dt))


def online(n: int, batch: int, kind: str):
    """The same for a law that updates at every sample."""
    steps = RTRL_STEPS[n] if kind == "RTRL" else STEPS[n]
    w, x, network, us, ys = problem(n, batch, steps)
    floor, law = LAWS[kind]
    law, key = law(hl.Cost(), optax.sgd(RATE)), jax.random.key(1)
    ours = over_samples(law, network, hl.Sample(us, ys), ALPHA, x0=x, key=key)
    plain = lambda *given: floors.learn(floor, *given)
    return (plain, (w, x, us, ys, ALPHA, RATE, key)), ours


def product(n: int, batch: int, kind: str):
    """Exact RTRL beside nothing but its matrix product, the bulk of its work."""
    _, ours = online(n, batch, "RTRL")
    J = 0.5 * jax.random.normal(jax.random.key(0), (n, n), jnp.float32) / n**0.5
    P = jnp.zeros((n, n * (n + CHANNELS + 1)), jnp.float32)

    def alone(J, P):
        body = lambda P, _: (J @ P, None)
        return jax.lax.scan(body, P, None, length=RTRL_STEPS[n])[0]

    return (alone, (J, P)), ours


def measure(make: Callable[..., Any], kind: str, n: int, batch: int, repeats: int):
    """One row: time per step of both, their ratio and their memory."""
    (plain, plain_given), (ours, given) = make(n, batch, kind)
    steps = RTRL_STEPS[n] if kind.startswith("RTRL") else STEPS[n]
    programs = [
        compiled("floor", plain, *plain_given, samples=steps, carried=()),
        compiled("ours", ours, *given, samples=steps, carried=()),
    ]
    if make is not product:
        check(programs[0].result(), programs[1].result(), kind)
    us = in_turn(programs, repeats=repeats)
    scratch = [program.scratch / 2**20 for program in programs]
    return {
        "law": kind,
        "neurons": n,
        "batch": batch,
        "samples": steps,
        "floor_us": spread(us["floor"]),
        "ours_us": spread(us["ours"]),
        "ratio": spread(us["ours"] / us["floor"]),
        "floor_scratch_mib": round(scratch[0], 3),
        "ours_scratch_mib": round(scratch[1], 3),
    }


def check(plain: Any, ours: Any, kind: str) -> None:
    """Both must have computed the same (UORO: the same up to its random signs)."""
    if kind.startswith("BPTT"):
        g, total = ours
        np.testing.assert_allclose(total, plain[0], rtol=1e-4)
        found = g["weight"]
        difference = np.abs(found - plain[1].W).max() / np.abs(plain[1].W).max()
        assert difference < 1e-2, difference
    else:
        np.testing.assert_allclose(
            ours[1], plain[1], rtol=0.1 if kind == "UORO" else 1e-3
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(STEPS))
    parser.add_argument("--laws", nargs="*", default=None)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="write no file")
    parser.add_argument("--add", action="store_true", help="to the rows of the file")
    options = parser.parse_args()
    makers: dict[str, Any] = {"BPTT": bptt, "BPTT, sqrt(T)": bptt} | dict.fromkeys(
        LAWS, online
    )
    makers["RTRL, product alone"] = product
    file = RESULTS / "law_cost.json"
    rows = json.loads(file.read_text())["rows"] if options.add else []
    for kind in _names.chosen("--laws", options.laws or None, makers):
        make = makers[kind]
        for n in options.sizes:
            for batch in (1,) if kind.startswith("RTRL") else (1, 16):
                row = measure(make, kind, n, batch, options.repeats)
                rows.append(row)
                ratio = row["ratio"]
                print(
                    f"{kind:<20}n={n:<4} batch {batch:<3}"
                    f"{row['floor_us']['median']:>11.4g} µs"
                    f"{row['ours_us']['median']:>11.4g} µs   x{ratio['median']:.2f}"
                    f" ({ratio['min']:.2f} .. {ratio['max']:.2f})"
                    f"   {row['floor_scratch_mib']:.3g} -> "
                    f"{row['ours_scratch_mib']:.3g} MiB",
                    flush=True,
                )
                if not options.dry:
                    write("law_cost", rows, dtype="float32")


if __name__ == "__main__":
    main()
