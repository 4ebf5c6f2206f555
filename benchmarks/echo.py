"""A window of oscillators: bytes, time and error of its gradient, played back or kept.

    python -m benchmarks.echo --neurons 256 --samples 100000

Scratch memory is the compiler's count. Errors are against the stored run in double
precision; time is of one call after a first, on whatever this machine does beside it.
"""

import argparse
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl
from hamlearn.costates import Checkpoints, Playback, Stored
from hamlearn.networks import HamiltonianNetwork, Harmonic, LogCosh

from ._record import write

MEMORIES = {"stored": Stored(), "checkpoints": Checkpoints(), "echo": Playback()}
DT = 0.05


def problem(kind: str, neurons: int, samples: int):
    """(network, samples), in double precision, with 4 inputs and 4 outputs."""
    a, b, c, d, e = jax.random.split(jax.random.key(0), 5)
    stiffness = jax.random.uniform(a, (neurons,), minval=0.5, maxval=4.0)
    well = Harmonic(stiffness) if kind == "harmonic" else LogCosh(stiffness, gain=0.5)
    network = HamiltonianNetwork(
        well, neurons=neurons, inputs=4,
        readout=eqx.nn.Linear(neurons, 4, key=b), key=c,
    )  # fmt: skip
    u = jax.random.normal(d, (samples, 4))
    return network, hl.Sample(u, jax.random.normal(e, (samples, 4)))


def cast(tree, dtype):
    """`tree` in another precision."""
    to = lambda a: a.astype(dtype) if eqx.is_inexact_array(a) else a
    return jax.tree.map(to, tree)


def flat(w):
    """All numbers of a gradient in double precision."""
    return np.concatenate([np.ravel(np.asarray(a, np.float64)) for a in w.values()])


def measure(kind: str, neurons: int, samples: int):
    """A row for each memory and precision."""
    rows, exact = [], None
    network, stream = problem(kind, neurons, samples)
    arrays, static = eqx.partition(network, eqx.is_array)
    for dtype in (jnp.float64, jnp.float32):
        given = cast(arrays, dtype), cast(stream, dtype)
        for name, memory in MEMORIES.items():

            def run(arrays, stream, memory=memory):
                network = eqx.combine(arrays, static)
                cost = cast(hl.Cost(), stream.input.dtype)
                return hl.exact_gradient(cost, network, stream, dt=DT, memory=memory)

            program = jax.jit(run).lower(*given).compile()
            analysis: Any = program.memory_analysis()
            scratch = analysis.temp_size_in_bytes
            found = jax.block_until_ready(program(*given))
            began = time.perf_counter()
            jax.block_until_ready(program(*given))
            seconds = time.perf_counter() - began
            g = flat(found.w)
            exact = g if exact is None else exact
            off = [
                float(np.abs(np.asarray(a) - np.asarray(b)).max())
                for a, b in zip(found.start, network.initial_state(), strict=True)
            ]
            rows.append(
                {
                    "potential": kind,
                    "memory": name,
                    "dtype": jnp.dtype(dtype).name,
                    "neurons": neurons,
                    "samples": samples,
                    "scratch_bytes": int(scratch),
                    "stream_bytes": sum(a.nbytes for a in jax.tree.leaves(given[1])),
                    "seconds": seconds,
                    "error": float(np.linalg.norm(g - exact) / np.linalg.norm(exact)),
                    "retrace": max(off) if name == "echo" else None,
                }
            )
    return rows


def main():
    """Write results/echo.json."""
    jax.config.update("jax_enable_x64", True)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neurons", type=int, default=256)
    parser.add_argument("--samples", type=int, default=100_000)
    given = parser.parse_args()
    rows = []
    for kind in ("harmonic", "log cosh"):
        rows += measure(kind, given.neurons, given.samples)
    write("echo", rows)


if __name__ == "__main__":
    main()
