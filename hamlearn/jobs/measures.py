"""What a law costs per sample, and how its credit agrees with the exact gradient."""

import time
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .._types import Array
from ..analysis.alignment import alignment
from ..laws.base import AbstractLaw
from ..run.scan import scan
from ..signals.signal import Sample

#: Samples over which the credit is summed.
WINDOW = 32


class Price(eqx.Module):
    """Median µs per sample and its quartiles, bytes, and the network as it became."""

    us: float
    spread: tuple[float, float]
    memory_bytes: int
    network: Any


def price(
    law: AbstractLaw,
    network: Any,
    samples: Sample,
    *,
    steps: int,
    key: Array,
    repeats: int = 5,
) -> Price:
    """Learn a stream by `hl.scan`, compiled, as a user would, several times.

    **Arguments:** `steps`: of the network per sample. `memory_bytes` are those of the
    state and of what the program needs beside its arguments and results.
    """
    state, dt = law.init(network, key=key), 1 / steps
    compiled: Any = eqx.filter_jit(scan)
    program = compiled.lower(law, state, samples, dt).compile()
    after, _ = jax.block_until_ready(program(law, state, samples, dt))
    count, paces = samples.target.shape[0] // steps, []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(program(law, state, samples, dt))
        paces.append((time.perf_counter() - began) / count * 1e6)
    low, median, high = (float(us) for us in np.percentile(paces, [25, 50, 75]))
    arrays = jax.tree.leaves(eqx.filter(state, eqx.is_array))
    carried = sum(leaf.nbytes for leaf in arrays)
    work = _work(program, samples)
    return Price(median, (low, high), carried + work, after.network)


def _work(program: Any, samples: Sample) -> int:
    """Bytes that a compiled program needs for a sample, where XLA says so."""
    found = program.compiled.memory_analysis()
    if found is None:
        return 0
    # Targets that are not asked for are blanked in a copy, made once per stream.
    copy = 0 if samples.weight is None else int(samples.target.nbytes)
    return max(int(found.temp_size_in_bytes) - copy, 0)


def cosines(
    law: AbstractLaw, network: Any, samples: Sample, *, steps: int, key: Array
) -> dict[str, float]:
    """Median cosine with the exact gradient over windows, weights held, by part."""
    answers = samples.target.shape[0] // steps
    window = min(WINDOW, answers // 2)
    windows = max(min(answers // window - 1, 8), 1)
    used = jax.tree.map(lambda leaf: leaf[: (windows + 1) * window * steps], samples)
    table = alignment(
        law,
        network,
        used,
        dt=1 / steps,
        window=window * steps,
        skip=window * steps,
        key=key,
    )
    return {row["part"]: float(row["cosine"]) for row in table.rows()}
