"""Running a law over a stream of samples."""

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from .. import _checks
from .._types import Array, PyTree
from ..laws.base import AbstractLaw, State
from ..laws.held import WeightsHeld
from ..signals import samples as _samples
from ..signals.signal import Sample
from .checkpoint import Checkpoint, restore
from .chunks import chunk_size, chunks, healthy, located
from .fingerprint import Fingerprint
from .records import Records
from .result import DivergenceWarning, Result
from .scan import strong


def stream(
    law: AbstractLaw,
    start: Any,
    samples: Any,
    *,
    dt: Any,
    learn: bool = True,
    callback: Callable[[State, int], None] | None = None,
    x0: PyTree = None,
    key: Array | None = None,
    record_every: int = 1,
    chunk: int | None = None,
    checkpoint: str | Path | None = None,
    every: int = 1_000_000,
    progress: bool = True,
) -> Result:
    """Let `law` learn from samples as they come, one step of `dt` per sample.

    Memory does not depend on the number of samples, but for what is recorded.
    Samples are taken in chunks through one compiled program; time is local to the
    sample, so no clock loses precision.

    **Arguments:**

    - `law`; `start`: the network that it teaches, or a state to go on from, such as
      `result.state` or `hl.load_state(DIR)`, bit for bit as if it had not stopped.
    - `samples`: a `Sample` or an (inputs, targets) pair of arrays with time as
      leading axis, or any iterable of samples, without end if need be.
    - `dt`: time between samples, > 0.
    - `learn`: False holds the weights, for evaluation.
    - `callback`: called as `callback(state, samples_seen)` between chunks.
    - `x0`, `key`: see `law.init`; not with a state.
    - `record_every`: keep the info of every k-th sample.
    - `chunk`: samples per compiled call; 256 to 32768 by default, more for small nets.
    - `checkpoint`: a directory to save to about every `every` samples, and when the
      run is interrupted; `resume` goes on from there.
    - `progress`: a progress bar for runs longer than a second.

    **Returns:** a `Result`. A run that leaves the finite numbers stops there, warns,
    says when and which quantity, and keeps everything from before.

    **Raises:** `ValueError` for bad arguments and for samples that are not finite.
    """
    _checks.instance("law", law, AbstractLaw)
    law = law if learn else WeightsHeld(law)
    head, samples = _samples.first(samples)
    state = _started(law, start, x0, key)
    options = Options(dt, record_every, chunk, checkpoint, every, progress, callback)
    law.check(state, _cast(head, state), dt)
    saved = _checkpoint(law, start, state, head, options)
    return _run(law, state, samples, Records(), 0, options, saved)


def resume(
    checkpoint: str | Path,
    law: AbstractLaw,
    start: Any,
    samples: Any,
    *,
    dt: Any,
    learn: bool = True,
    callback: Callable[[State, int], None] | None = None,
    x0: PyTree = None,
    key: Array | None = None,
    record_every: int = 1,
    chunk: int | None = None,
    every: int = 1_000_000,
    progress: bool = True,
) -> Result:
    """Go on with a `stream` from its last checkpoint, as if it had not stopped.

    Takes the arguments of that `stream`, with the samples from the start: those
    already learned from are skipped. To change something on purpose, give
    `hl.load_state(checkpoint)` to `stream`.

    **Raises:** `ValueError` when there is no checkpoint or it is of another law,
    network, dt or stream; what differs is named.
    """
    _checks.instance("law", law, AbstractLaw)
    law = law if learn else WeightsHeld(law)
    head, samples = _samples.first(samples)
    state = _started(law, start, x0, key)
    options = Options(dt, record_every, chunk, checkpoint, every, progress, callback)
    saved = _checkpoint(law, start, state, head, options)
    state, records, position = restore(checkpoint, state, saved.fingerprint)
    return _run(law, state, samples, records, position, options, saved)


class Options(eqx.Module):
    """How a stream is run."""

    dt: Any
    record_every: int
    chunk: int | None
    checkpoint: str | Path | None
    every: int
    progress: bool
    callback: Callable[[State, int], None] | None = None

    def __check_init__(self):
        _checks.positive("dt", self.dt)
        _checks.shape("dt", self.dt, ())
        _checks.at_least("record_every", self.record_every, 1)
        if self.chunk is not None:
            _checks.at_least("chunk", self.chunk, 1)
        _checks.at_least("every", self.every, 1)


def _started(law: AbstractLaw, start: Any, x0: PyTree, key: Array | None) -> State:
    if not isinstance(start, State):
        return strong(law.init(start, x0=x0, key=key))
    for name, given in (("x0", x0), ("key", key)):
        if given is not None:
            _checks.reject(name, "None where a state is gone on from", given)
    return strong(start)


def _cast(sample: Sample, state: State) -> Sample:
    cast = _samples.cast(sample, _samples.state_dtype(state))
    return jax.tree.map(jnp.asarray, cast)


def _checkpoint(law, start, state, head, options: Options) -> Checkpoint:
    if options.checkpoint is None:
        return Checkpoint(None, options.every, None)
    fingerprint = Fingerprint.of(law, state, _cast(head, state), options.dt)
    return Checkpoint(options.checkpoint, options.every, fingerprint)


def _run(law, state, samples, records, position, options, saved) -> Result:
    dt = jnp.asarray(options.dt, _samples.state_dtype(state))
    total = _samples.length(samples)
    left = None if total is None else total - position
    size = chunk_size(options.chunk, options.record_every, state, left)
    bar = tqdm(
        total=total,
        initial=position,
        unit=" samples",
        unit_scale=True,
        delay=1.0,
        leave=False,
        disable=not options.progress,
    )
    # State and position change in one assignment: an interruption sees both or none.
    at, divergence = (state, position), None
    clock = [(position, time.perf_counter())]
    try:
        for chunk in chunks(law, state, samples, position, size, dt):
            state, position = at
            after, count = chunk.after, chunk.count
            infos = _first(chunk.infos, count)
            fine = healthy(infos, np.asarray(chunk.finite), count)
            if fine < count:
                divergence, after, count = located(
                    law, state, chunk.block, fine, dt, position, float(options.dt)
                )
                infos = _first(infos, count)
            records.add(chunk.block, infos, count, position, options.record_every)
            at = (after, position + count)
            clock.append((position + count, time.perf_counter()))
            bar.update(count)
            if options.callback is not None:
                options.callback(*at)
            if divergence is not None:
                break
            saved.maybe(after, records, position + count)
    except BaseException:
        records.drop_from(at[1])
        saved.now(at[0], records, at[1])
        raise
    finally:
        bar.close()
    state, position = at
    saved.now(state, records, position)
    if divergence is not None:
        warnings.warn(str(divergence), DivergenceWarning, stacklevel=3)
    return Result.of_stream(law, state, records, options, position, clock, divergence)


def _first(infos: PyTree, count: int) -> PyTree:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], infos)
