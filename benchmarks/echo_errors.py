"""Errors of the echo by the strength of its pushes and by damping, and its time.

    python -m benchmarks.echo_errors

16 oscillators with log cosh wells, dt = 0.1, inputs and targets of noise. Each error
is that of the whole gradient against the adjoint of the same steps in double
precision; medians and ranges over five networks, one stream. `chaotic`: a stream so
long that copies part. `time`: 256 harmonic oscillators, over that of checkpoints.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl
from hamlearn.costates import Checkpoints, Playback
from hamlearn.papers._echo_run import (
    apart,
    noise,
    published_error,
    read_layer,
    single,
    two_layers,
)

from ._record import spread, write
from .echo import cast, problem

NETWORKS, DT = 5, 0.1
EPSILONS = (1e-2, 1e-3, 1e-4, 1e-5, None)
GAINS = (7.0, 10.0, 3e3, 1e6, 1e9, 1e12, 8e13)
#: name: (what is drawn, samples, single precision)
CASES: dict[str, tuple[Callable[[Any], Any], int, bool]] = {
    "100 samples": (read_layer, 100, False),
    "two layers, tanh between, 100 samples": (two_layers, 100, False),
    "2000 samples": (read_layer, 2000, False),
    "100 samples, float32": (read_layer, 100, True),
    "2000 samples, float32": (read_layer, 2000, True),
}
CHAOTIC, TIMED = 20_000, 10_000


def gradient(network: Any, samples: hl.Sample, memory: Any = None) -> Any:
    cost = single(hl.Cost()) if samples.input.dtype == jnp.float32 else hl.Cost()
    return hl.exact_gradient(cost, network, samples, dt=DT, memory=memory)


def pushed() -> list[dict[str, Any]]:
    """By the strength of the pushes; None is what is chosen."""
    rows = []
    for name, (make, length, rounded) in CASES.items():
        samples = noise(jax.random.key(1), length)
        networks = [make(jax.random.key(k)) for k in range(NETWORKS)]
        exact = [gradient(network, samples).w for network in networks]
        if rounded:
            samples, networks = single(samples), [single(n) for n in networks]
        for epsilon in EPSILONS:
            errors = [
                apart(gradient(network, samples, Playback(epsilon)).w, w)
                for network, w in zip(networks, exact, strict=True)
            ]
            rows.append(
                {"part": "pushes", "case": name, "epsilon": epsilon}
                | {"error": spread(errors)}
            )
            print(name, epsilon, rows[-1]["error"], flush=True)
    return rows


def damped() -> list[dict[str, Any]]:
    """By what damping makes of a push on the way back."""
    rows, samples = [], noise(jax.random.key(1), 100)
    for gain in GAINS:
        errors = []
        for k in range(NETWORKS):
            dissipation = float(np.log(gain)) / (100 * DT)
            network = read_layer(jax.random.key(k), dissipation=dissipation)
            exact = gradient(network, samples).w
            errors.append(apart(gradient(network, samples, Playback()).w, exact))
        rows.append({"part": "damping", "gain": gain, "error": spread(errors)})
        print(rows[-1], flush=True)
    return rows


def chaotic() -> list[dict[str, Any]]:
    """Where copies part: the best of any pushes, and whether the third comes home."""
    samples, network = noise(jax.random.key(1), CHAOTIC), read_layer(jax.random.key(0))
    exact, home, errors = gradient(network, samples).w, 0.0, []
    for epsilon in EPSILONS:
        found = gradient(network, samples, Playback(epsilon))
        errors.append(apart(found.w, exact))
        starts = zip(found.start, network.initial_state(), strict=True)
        off = max(float(jnp.max(jnp.abs(a - b))) for a, b in starts)
        home = max(home, off)
    row = {"part": "chaotic", "samples": CHAOTIC, "retrace": home}
    return [row | {"error": spread(errors)}]


def hundred() -> list[dict[str, Any]]:
    """Fifty networks of one layer and fifty of two, in single precision."""
    errors = []
    for k in range(100):
        samples = noise(jax.random.key(1000 + k), 100)
        network = (read_layer, two_layers)[k % 2](jax.random.key(k))
        exact = gradient(network, samples).w
        found = gradient(single(network), single(samples), Playback())
        errors.append(apart(found.w, exact))
    rows = [{"part": "hundred", "error": spread(errors)}]
    print(rows, flush=True)
    return rows


def published() -> list[dict[str, Any]]:
    """The step of the published code over ten networks."""
    errors = [float(published_error(DT, seed)) for seed in range(10)]
    return [{"part": "published", "dt": DT, "error": spread(errors)}]


def timed(repeats: int = 5) -> list[dict[str, Any]]:
    """Time of the processor over that of checkpoints, in turn; harmonic wells."""
    rows, (network, stream) = [], problem("harmonic", 256, TIMED)
    arrays, static = eqx.partition(network, eqx.is_array)
    for dtype in (jnp.float64, jnp.float32):
        given = cast(arrays, dtype), cast(stream, dtype)

        def program(memory: Any, given: Any = given) -> Callable[[], Any]:
            made = lambda a, s: gradient(eqx.combine(a, static), s, memory)
            return partial(jax.jit(made), *given)

        runs = program(Playback()), program(Checkpoints())
        spent = [[processor(run) for run in runs] for _ in range(repeats + 1)][1:]
        ratio = spread([echo / other for echo, other in spent])
        row = {"part": "time", "dtype": jnp.dtype(dtype).name, "samples": TIMED}
        rows.append(row | {"over_checkpoints": ratio})
        print(rows[-1], flush=True)
    return rows


def processor(run: Callable[[], Any]) -> float:
    """Seconds of the processor in one call."""
    began = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - began


def main() -> None:
    """Write results/echo_errors.json."""
    jax.config.update("jax_enable_x64", True)
    rows = pushed() + damped() + chaotic() + hundred() + published() + timed()
    write("echo_errors", rows, dtype="float64", networks=NETWORKS)


if __name__ == "__main__":
    main()
