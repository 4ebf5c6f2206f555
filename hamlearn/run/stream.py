"""Running a law over a stream of samples."""

import time
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from .. import _checks
from .._types import Array, Number, PyTree
from ..laws.base import AbstractLaw, State
from ..laws.held import WeightsHeld
from ..networks.base import NetworkLike
from ..signals import samples as _samples
from ..signals.signal import Sample, SamplesLike
from .checkpoint import At, Checkpoint
from .chunks import chunk_size, chunks, healthy, located
from .fingerprint import Fingerprint
from .guard import guarded
from .records import Records
from .result import DivergenceWarning, Result
from .saved import files
from .scan import strong
from .seen import Seen


def stream(
    law: AbstractLaw,
    start: NetworkLike | State,
    samples: SamplesLike,
    *,
    dt: Number,
    learn: bool = True,
    callback: Callable[[State, int], None] | None = None,
    x0: PyTree = None,
    key: Array | None = None,
    record_every: int = 1,
    chunk: int | None = None,
    checkpoint: str | Path | None = None,
    every: int = 1_000_000,
    every_seconds: float = 300.0,
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
    - `chunk`: samples per compiled call; 512 to 32768 by default, more for small nets.
    - `checkpoint`: a new folder to save to, and that no other process may save to at
      the same time: at the start, after about `every` samples or `every_seconds`,
      whichever comes first, and when the run ends or is interrupted, by SIGTERM too.
      That is between chunks, which begin with one sample and grow to a tenth of
      `every_seconds`. `resume` goes on from there.
    - `progress`: a progress bar for runs longer than a second.

    **Returns:** a `Result`. A run that leaves the finite numbers stops there, warns,
    says when and which quantity, and keeps everything from before.

    Samples that a source delivers before it raises, are learned from and saved.

    **Raises:** `ValueError` for bad arguments, for samples that are not finite and for
    a folder with an older run.
    """
    _checks.instance("law", law, AbstractLaw)
    law = law if learn else WeightsHeld(law)
    _outside(samples=samples, start=start, dt=dt, law=law, x0=x0, key=key)
    head, samples = _samples.first(samples)
    state = _started(law, start, x0, key)
    options = Options(
        dt, record_every, chunk, checkpoint, every, every_seconds, progress, callback
    )
    law.check(state, _cast(head, state), dt)
    saved = _checkpoint(law, start, state, head, options)
    at, records = At(state, 0, Seen()), Records()
    with guarded(checkpoint):
        saved.first(at, records)
        return _run(law, at, samples, records, options, saved)


def resume(
    checkpoint: str | Path,
    law: AbstractLaw,
    start: NetworkLike | State,
    samples: SamplesLike,
    *,
    dt: Number,
    learn: bool = True,
    callback: Callable[[State, int], None] | None = None,
    x0: PyTree = None,
    key: Array | None = None,
    record_every: int = 1,
    chunk: int | None = None,
    every: int = 1_000_000,
    every_seconds: float = 300.0,
    progress: bool = True,
) -> Result:
    """Go on with a `stream` from its last checkpoint, as if it had not stopped.

    Takes the arguments of that `stream`, with the samples from the start: those
    already learned from are skipped. To change something on purpose, give
    `hl.load_state(checkpoint)` to `stream`. A checkpoint that is damaged is named in a
    warning, and the one before is taken.

    **Raises:** `ValueError` when there is no checkpoint or it is of another law,
    network, dt or stream; what differs is named.
    """
    _checks.instance("checkpoint", checkpoint, (str, PathLike))
    _checks.instance("law", law, AbstractLaw)
    law = law if learn else WeightsHeld(law)
    _outside(samples=samples, start=start, dt=dt, law=law, x0=x0, key=key)
    head, samples = _samples.first(samples)
    state = _started(law, start, x0, key)
    options = Options(
        dt, record_every, chunk, checkpoint, every, every_seconds, progress, callback
    )
    saved = _checkpoint(law, start, state, head, options)
    if not files(Path(checkpoint)):
        got = _checks.shown(str(checkpoint))
        _checks.reject("checkpoint", "the folder of an earlier run", got)
    with guarded(checkpoint):
        at, records = saved.restore(state)
        samples = _skipped(samples, at)
        return _run(law, at, samples, records, options, saved)


class Options(eqx.Module):
    """How a stream is run."""

    dt: Number
    record_every: int
    chunk: int | None
    checkpoint: str | Path | None
    every: int
    every_seconds: float
    progress: bool
    callback: Callable[[State, int], None] | None = None

    def __check_init__(self):
        _checks.positive("dt", self.dt)
        _checks.shape("dt", self.dt, ())
        _checks.at_least("record_every", self.record_every, 1)
        if self.chunk is not None:
            _checks.at_least("chunk", self.chunk, 1)
        if self.checkpoint is not None:
            _checks.instance("checkpoint", self.checkpoint, (str, PathLike))
        _checks.at_least("every", self.every, 1)
        _checks.positive("every_seconds", self.every_seconds)


def _outside(**named: Any) -> None:
    _samples.outside("it is `hl.scan` that runs a law", **named)


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
    every = options.every, options.every_seconds
    if options.checkpoint is None:
        return Checkpoint(None, every, None)
    fingerprint = Fingerprint.of(law, state, _cast(head, state), options.dt)
    return Checkpoint(options.checkpoint, every, fingerprint)


def _skipped(samples: Any, at: At) -> Any:
    """The samples behind those that a run has seen.

    **Raises:** `ValueError` where those are others, or fewer.
    """
    before, rest = _samples.divided(samples, at.position)
    dtype, seen, count = _samples.state_dtype(at.state), Seen(), 0
    for block, length in _samples.blocks(before, 4096) if at.position else ():
        seen, count = seen.then(_samples.cast(block, dtype), length), count + length
    if count < at.position:
        wanted = f"at least the {at.position} that the run has seen"
        _checks.reject("samples", wanted, f"only {count}")
    if seen != at.seen:
        wanted = f"those of the run, {at.position} of which it has seen"
        _checks.reject("samples", wanted, "others")
    return rest


def _run(law, at: At, samples, records, options, saved: Checkpoint) -> Result:
    dt = np.asarray(options.dt, _samples.state_dtype(at.state))
    left = _samples.length(samples)
    size = chunk_size(options.chunk, options.record_every, at.state, left)
    bar = tqdm(
        total=None if left is None else at.position + left,
        initial=at.position,
        unit=" samples",
        unit_scale=True,
        delay=1.0,
        leave=False,
        disable=not options.progress,
    )
    divergence, clock = None, [(at.position, time.perf_counter())]
    patience = None if options.checkpoint is None else options.every_seconds
    try:
        source = chunks(law, at.state, samples, at.position, size, dt, patience)
        for chunk in source:
            after, count = chunk.after, chunk.count
            infos = _first(chunk.infos, count)
            fine = healthy(infos, np.asarray(chunk.finite), count)
            if fine < count:
                divergence, after, count = located(
                    law, at.state, chunk.block, fine, dt, at.position, float(options.dt)
                )
                infos = _first(infos, count)
            records.add(chunk.block, infos, count, at.position, options.record_every)
            seen = at.seen.then(chunk.block, count) if options.checkpoint else at.seen
            # In one assignment: an interruption sees all of it or nothing.
            at = At(after, at.position + count, seen)
            clock.append((at.position, time.perf_counter()))
            bar.update(count)
            if options.callback is not None:
                options.callback(at.state, at.position)
            if divergence is not None:
                break
            saved.maybe(at, records)
    except BaseException:
        records.drop_from(at.position)
        saved.now(at, records)
        raise
    finally:
        bar.close()
    saved.now(at, records)
    if divergence is not None:
        warnings.warn(str(divergence), DivergenceWarning, stacklevel=3)
    return Result.of_stream(
        law, at.state, records, options, at.position, clock, divergence
    )


def _first(infos: PyTree, count: int) -> PyTree:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], infos)
