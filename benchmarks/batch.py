"""Where checkpointed BPTT needs less memory or time than the local laws.

BPTT gives one update per window, the others one per sample; the gradient is for the
mean over a batch of streams.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

import hamlearn as hl
from hamlearn.costates.gradient import Checkpoints, Stored
from hamlearn.laws import EProp, SnAp1

from . import _floors
from ._measure import Program, compiled, in_turn, of_law, row
from ._subjects import INPUTS, OUTPUTS, RATE, TAU

NAMES = ("flip", "rflo", "snap1", "bptt", "bptt-sqrt")


def timed(
    sizes: Iterable[int], batches: Iterable[int], names: Sequence[str], *,
    repeats: int, say: Any,
):  # fmt: skip
    """Time per sample of every stream, and memory, over blocks of 256 samples."""
    rows = []
    for n in sizes:
        for batch in batches:
            length = 256 if n * n * batch < 1e5 else 64
            made = [program(name, n, batch, length) for name in names]
            times = in_turn(made, repeats=repeats)
            for one in made:
                found = row(one, times, bptt_sqrt="bptt-sqrt")
                rows.append({"neurons": n, "batch": batch, **found})
                say(rows[-1])
    return rows


def memory(
    sizes: Iterable[int], batches: Iterable[int], lengths: Iterable[int],
    names: Sequence[str], *, say: Any,
):  # fmt: skip
    """Bytes of state and scratch, compiled and not run, over windows of each length.

    The local laws need the same for every length, which `length` shows: one is
    compiled for them.
    """
    rows = []
    for n in sizes:
        for batch in batches:
            for name in names:
                windows = lengths if name.startswith("bptt") else (16,)
                for length in windows:
                    one = program(name, n, batch, length)
                    found = {
                        "law": name,
                        "neurons": n,
                        "batch": batch,
                        "window": length if name.startswith("bptt") else None,
                        "bytes": one.carried + one.scratch,
                    }
                    rows.append(found)
                    say(found)
    return rows


def program(name: str, n: int, batch: int, length: int) -> Program:
    """A law on a batch of streams of a complete network."""
    w = _floors.weights(n, INPUTS, OUTPUTS, key=jax.random.key(0), dtype=jnp.float32)
    net = hl.Batch(_floors.network(w, time_constant=TAU), batch)
    u = jax.random.normal(jax.random.key(1), (length, batch, INPUTS), jnp.float32)
    samples = hl.Sample(u, jnp.ones((length, batch, OUTPUTS), jnp.float32))
    if name.startswith("bptt"):
        return _bptt(name, net, samples)
    sgd, cost = optax.sgd(RATE), hl.Cost()
    laws = {
        "flip": hl.HamiltonianLearning(inertia=10.0, dissipation=0.1),
        "rflo": EProp(cost, sgd),
        "snap1": SnAp1(cost, sgd),
    }
    return of_law(name, laws[name], net, samples, 1.0)


def _bptt(name: str, net: Any, samples: hl.Sample) -> Program:
    memory = Stored() if name == "bptt" else Checkpoints()
    w, frozen = hl.split(net)

    def run(w, samples):
        net = hl.join(w, frozen)
        g = hl.exact_gradient(hl.Cost(), net, samples, dt=1.0, memory=memory)
        return g.w, g.value

    length = samples.target.shape[0]
    return compiled(name, run, w, samples, samples=length, carried=w)
