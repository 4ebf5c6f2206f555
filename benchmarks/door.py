"""What the door costs: `hl.stream` over `hl.scan`, and `hl.scan` over plain JAX.

    python -m benchmarks.door [--sizes 32 128 512] [--laws rflo bptt] [--dry]

Every row is a law as a user gets it, on a complete network of rate neurons with a
linear readout (voltage neurons for GLE, LE and VLE, resting layers for STLP), 4 inputs
and outputs, float32, one core, second calls. Rounds of all programs in turn; ratios are
taken round by round.

- `stream_over_scan`: at the longer of the streams, over `law.init` and `scan`, which a
  user of `scan` calls; `stream_over_loop`: over the compiled scan alone.
- `fixed_ms`: what a short stream takes more than the compiled scan of the same
  samples; `fixed_beyond_ms`: less what filling the law's memory (`init`) and one pass
  over the samples take by themselves.
- `scan_over_floor`: to the same equations in plain JAX (`_floors`), where they exist.
- `seeds`: 8 networks under `jax.vmap` over 8 times one, both through `scan`.
"""

from . import _one_core

_one_core.settle()

import argparse
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl

from . import _floors, _names
from ._record import spread, write

INPUTS, OUTPUTS, TAU, RATE = 4, 4, 4.0, 1e-4
SHORT, LONG, BUDGET, WINDOW = 500, 20_000, 6.0, 100
SGD = hl.updates.Optax(optax.sgd, learning_rate=RATE)
Made = tuple[Any, Any, Any]


def problem(n: int, batch: int, length: int) -> tuple[Any, hl.Sample]:
    """(the network of rate neurons, samples)."""
    w = _floors.weights(n, INPUTS, OUTPUTS, key=jax.random.key(0), dtype=jnp.float32)
    return _batched(_floors.network(w, time_constant=TAU), batch), noise(length, batch)


def noise(length: int, batch: int) -> hl.Sample:
    """Standard normal inputs and targets."""
    rng = np.random.default_rng(1)
    streams = (batch,) if batch > 1 else ()
    draw = lambda size: rng.standard_normal((length, *streams, size)).astype(np.float32)
    return hl.Sample(draw(INPUTS), draw(OUTPUTS))


class _Cell(eqx.Module):
    """A cell of a user's own: dx/dt of leaky tanh neurons."""

    W: jax.Array
    B: jax.Array
    b: jax.Array

    def __call__(self, x, u):
        return (jnp.tanh(self.W @ x + self.B @ u + self.b) - x) / TAU


class _Readout(eqx.Module):
    """The readout that goes with it."""

    C: jax.Array
    c: jax.Array

    def __call__(self, x, u):
        return self.C @ x + self.c


def _own_cell(n: int, batch: int, length: int) -> Made:
    w = _floors.weights(n, INPUTS, OUTPUTS, key=jax.random.key(0), dtype=jnp.float32)
    net = hl.Dynamics(
        _Cell(w.W, w.B, w.b), initial_state=jnp.zeros(n, jnp.float32),
        readout=_Readout(w.C, w.c), inputs=INPUTS,
    )  # fmt: skip
    law = hl.BPTT(hl.Cost(), SGD, window=WINDOW)
    return law, _batched(net, batch), noise(length, batch)


def _batched(network: Any, batch: int) -> Any:
    return hl.Batch(network, batch) if batch > 1 else network


def _on_rates(law: Any) -> Callable[[int, int, int], Made]:
    return lambda n, batch, length: (law, *problem(n, batch, length))


def _on_voltages(law: Any, tau_r: float) -> Callable[[int, int, int], Made]:
    def make(n, batch, length):
        net = hl.VoltageNetwork(
            hl.Digraph.layered([n // 2, n // 2 - OUTPUTS, OUTPUTS]), inputs=INPUTS,
            outputs=OUTPUTS, membrane_time_constant=10.0,
            prospective_time_constant=tau_r, gain=0.3, key=jax.random.key(0),
        )  # fmt: skip
        return law, _batched(net, batch), noise(length, batch)

    return make


def _stlp(n: int, batch: int, length: int) -> Made:
    net = hl.RateNetwork(
        hl.Digraph.layered([n // 2, n // 2 - OUTPUTS, OUTPUTS]), inputs=INPUTS,
        outputs=OUTPUTS, key=jax.random.key(0),
    )  # fmt: skip
    t = 0.02 * np.arange(length)[:, None] * (1 + np.arange(INPUTS) / 4)
    u = (np.sin(t), np.cos(t), -np.sin(t))
    y = (0.5 * np.sin(t), 0.5 * np.cos(t), -0.5 * np.sin(t))
    slow = [a.astype(np.float32) for a in (u[0], y[0], u[1], y[1], u[2], y[2])]
    samples = hl.Sample(slow[0], slow[1], None, *slow[2:])
    return (
        hl.STLP(inertia=1 / 30, dissipation=30.0, neuron_mass=1e-3 / 30),
        net,
        samples,
    )


def laws() -> dict[str, Callable[[int, int, int], Made]]:
    """Every law by name."""
    cost = hl.Cost()
    rates = {
        "flip": hl.HamiltonianLearning(inertia=1e3, dissipation=0.1),
        "instantaneous": hl.laws.Instantaneous(cost, SGD, sweeps=1),
        "eprop": hl.EProp(cost, SGD),
        "snap1": hl.SnAp1(cost, SGD),
        "uoro": hl.laws.UORO(cost, SGD),
        "kfrtrl": hl.laws.KFRTRL(cost, SGD),
        "rtrl": hl.RTRL(cost, SGD),
        "bptt, window 100": hl.BPTT(cost, SGD, window=WINDOW),
        "bptt, every 4 back 16": hl.BPTT(cost, SGD, window=4, overlap=12),
    }
    found = {name: _on_rates(law) for name, law in rates.items()}
    found["bptt, own cell"] = _own_cell
    found["gle"] = _on_voltages(hl.GLE(cost, SGD), 5.0)
    found["le"] = _on_voltages(hl.LE(cost, SGD), 10.0)
    found["vle, window 100"] = _on_voltages(hl.VLE(cost, SGD, window=100), 5.0)
    found["stlp"] = _stlp
    return found


def floor(name: str, n: int, samples: hl.Sample) -> Callable[[], Any] | None:
    """The same equations in plain JAX, compiled, where they are written down."""
    known = {
        "eprop": _floors.OWN_LEAK,
        "snap1": _floors.SNAP_1,
        "uoro": _floors.UORO,
        "rtrl": _floors.RTRL,
    }
    w = _floors.weights(n, INPUTS, OUTPUTS, key=jax.random.key(0), dtype=jnp.float32)
    windows = name in ("bptt, window 100", "bptt, own cell")
    if (name not in known and not windows) or samples.target.ndim > 2:
        return None
    number = lambda value: jnp.asarray(value, jnp.float32)
    given = (w, jnp.zeros(n), jnp.asarray(samples.input), jnp.asarray(samples.target))
    given = (*given, number(1 / TAU), number(RATE))
    if windows:
        return lambda: _floors.bptt_windows(*given, window=WINDOW)
    given = (*given, jax.random.key(3))
    run = jax.jit(lambda *given: _floors.learn(known[name], *given))
    return lambda: run(*given)


def scanned(law: Any, network: Any, samples: hl.Sample) -> Callable[[], Any]:
    """`hl.scan` in one compiled program: all that it returns, from the start."""
    state = law.init(network, key=jax.random.key(0))
    arrays, static = eqx.partition((state, law), eqx.is_array)
    given = jax.tree.map(jnp.asarray, samples)

    @jax.jit
    def run(arrays, samples, dt):
        state, law = eqx.combine(arrays, static)
        after, infos = hl.scan(law, state, samples, dt)
        return eqx.filter(after, eqx.is_array), infos

    return lambda: run(arrays, given, jnp.float32(1))


def measure(name: str, make: Any, n: int, batch: int, repeats: int) -> dict[str, Any]:
    """One row; the streams are shorter where a law is slow."""
    law, network, samples = make(n, batch, SHORT)
    one = _once(scanned(law, network, samples)) / SHORT
    length = int(np.clip(BUDGET / repeats / 4 / max(one, 1e-9), SHORT, LONG))
    length -= length % WINDOW
    long = make(n, batch, length)[2]
    key = {"key": jax.random.key(0), "dt": 1.0, "progress": False}
    programs = {
        "scan": scanned(law, network, long),
        "stream": lambda: hl.stream(law, network, long, **key),
        "short": lambda: hl.stream(law, network, samples, **key),
        "short_scan": scanned(law, network, samples),
        "filling": lambda: law.init(network, key=jax.random.key(0)).credit,
        "pass": lambda: [np.isfinite(a).all() for a in jax.tree.leaves(samples)],
    }
    plain = floor(name, n, long)
    if plain is not None:
        programs["floor"] = plain
    times = _in_turn(programs, repeats)
    per = {k: v / (SHORT if "short" in k else length) * 1e6 for k, v in times.items()}
    fixed = (times["short"] - times["short_scan"]) * 1e3
    beyond = fixed - (times["filling"] + times["pass"]) * 1e3
    row = {"law": name, "neurons": n, "batch": batch, "samples": length}
    row |= {"scan_us": spread(per["scan"]), "stream_us": spread(per["stream"])}
    row["stream_over_scan"] = spread(
        times["stream"] / (times["scan"] + times["filling"])
    )
    row["stream_over_loop"] = spread(times["stream"] / times["scan"])
    row |= {"fixed_ms": spread(fixed), "fixed_beyond_ms": spread(beyond)}
    if plain is not None:
        row["scan_over_floor"] = spread(per["scan"] / per["floor"])
    return row


def seeds(name: str, make: Any, n: int, repeats: int, count: int = 8) -> dict[str, Any]:
    """8 networks at once over 8 times one."""
    law, network, samples = make(n, 1, SHORT)
    w, frozen = hl.split(network)
    scale = 1 + 0.01 * jnp.arange(float(count))
    given = jax.tree.map(jnp.asarray, samples)

    def run(scale):
        net = hl.join({k: leaf * scale for k, leaf in w.items()}, frozen)
        state = law.init(net, key=jax.random.key(0))
        after, infos = hl.scan(law, state, given, 1.0)
        return after.w, infos.loss

    single, many = jax.jit(run), jax.jit(jax.vmap(run))
    programs = {"one": lambda: single(scale[0]), "many": lambda: many(scale)}
    times = _in_turn(programs, repeats)
    return spread(times["many"] / times["one"] / count)


def _once(run: Callable[[], Any]) -> float:
    jax.block_until_ready(run())
    began = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - began


def _in_turn(programs: dict[str, Callable[[], Any]], repeats: int) -> dict[str, Any]:
    times: dict[str, list[float]] = {name: [] for name in programs}
    for k in range(repeats + 1):
        for name, run in programs.items():
            began = time.perf_counter()
            found = run()
            if not isinstance(found, hl.Result):
                jax.block_until_ready(found)
            if k:  # the first round compiles
                times[name].append(time.perf_counter() - began)
    return {name: np.array(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[32, 128, 512])
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--laws", nargs="*", default=None)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    rows = []
    known = laws()
    for name in _names.chosen("--laws", options.laws or None, known):
        make = known[name]
        for n in options.sizes:
            for batch in options.batches:
                why = _refused(name, n, batch)
                row = {"law": name, "neurons": n, "batch": batch, "not_run": why}
                if why is None:
                    row = measure(name, make, n, batch, options.repeats)
                    if batch == 1 and n <= 128:
                        row["seeds"] = seeds(name, make, n, options.repeats)
                rows.append(row)
                _say(row)
                if not options.dry:
                    write("door-cpu", rows, dtype="float32")


def _refused(name: str, n: int, batch: int) -> str | None:
    if name in ("rtrl", "kfrtrl") and (n > 128 or batch > 1):
        return "its sensitivities alone take the time of the whole table"
    if name == "stlp" and (batch > 1 or n > 128):
        return "one stream and a direct Gram solve up to 128 neurons; see `sparse`"
    return None


def _say(row: dict[str, Any]) -> None:
    shown = []
    for name, value in row.items():
        if isinstance(value, dict):
            value = f"{value['median']:.3g} ({value['min']:.3g} .. {value['max']:.3g})"
        shown.append(f"{name}={value}")
    print("  ".join(shown), flush=True)


if __name__ == "__main__":
    main()
