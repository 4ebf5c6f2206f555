"""Running a law over a stream of samples."""

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from .. import _checks
from .._types import Array, PyTree
from ..laws._base import AbstractConstrained, AbstractRule
from ..signals import samples as _samples
from ..signals.signal import Sample
from .checkpoint import Checkpoint, restore
from .records import Records, named_leaves
from .result import Divergence, DivergenceWarning, Result


def stream(
    law: AbstractRule,
    network: Any,
    samples: Any,
    *,
    dt: Any,
    x0: PyTree = None,
    key: Array | None = None,
    record_every: int = 1,
    chunk: int | None = None,
    checkpoint: str | Path | None = None,
    every: int = 1_000_000,
    progress: bool = True,
) -> Result:
    """Let `law` learn from samples as they come, one step of `dt` a sample.

    Memory does not depend on the number of samples, but for what is recorded.
    Samples are taken in chunks through one compiled program; time is local to the
    sample, so no clock loses precision.

    **Arguments:**

    - `law`, `network`: a law and what it teaches; `x0`, `key`: see `law.init`.
    - `samples`: a `Sample` or an (inputs, targets) pair of arrays with time as
      leading axis, or any iterable of samples, without end if need be.
    - `dt`: time between samples, > 0.
    - `record_every`: keep the info of every k-th sample.
    - `chunk`: samples a compiled call; 256 to 32768 by default, more for small nets.
    - `checkpoint`: a directory to save to about every `every` samples, and when the
      run is interrupted; `resume` goes on from there.
    - `progress`: a progress bar for runs longer than a second.

    **Returns:** a `Result`. A run that leaves the finite numbers stops there, warns,
    says when and which quantity, and keeps everything from before.

    **Raises:** `ValueError` for bad arguments and for samples that are not finite.
    """
    head, samples = _samples.first(samples)
    state = _start(law, network, x0, key)
    _check_fit(law, state, head)
    if isinstance(law, AbstractConstrained):
        state = _begun(law, state, head, x0)
    options = _Options(dt, record_every, chunk, checkpoint, every, progress)
    law.check(state.network, dt)
    return _run(law, state, samples, Records(), 0, options)


def resume(
    checkpoint: str | Path,
    law: AbstractRule,
    network: Any,
    samples: Any,
    *,
    dt: Any,
    x0: PyTree = None,
    key: Array | None = None,
    record_every: int = 1,
    chunk: int | None = None,
    every: int = 1_000_000,
    progress: bool = True,
) -> Result:
    """Go on with a `stream` from its last checkpoint, as if it had not stopped.

    Takes the arguments of that `stream`, with the samples from the start: those
    already learned from are skipped.

    **Raises:** `ValueError` when there is no checkpoint or it is of another run.
    """
    state = _start(law, network, x0, key)
    state, records, position = restore(checkpoint, state)
    options = _Options(dt, record_every, chunk, checkpoint, every, progress)
    return _run(law, state, samples, records, position, options)


class _Options(eqx.Module):
    dt: Any
    record_every: int
    chunk: int | None
    checkpoint: str | Path | None
    every: int
    progress: bool

    def __check_init__(self):
        _checks.positive("dt", self.dt)
        _checks.shape("dt", self.dt, ())
        _checks.at_least("record_every", self.record_every, 1)
        if self.chunk is not None:
            _checks.at_least("chunk", self.chunk, 1)
        _checks.at_least("every", self.every, 1)


def _start(law: Any, network: Any, x0: PyTree, key: Array | None) -> Any:
    _checks.instance("law", law, AbstractRule)
    state = law.init(network, x0=x0, key=key)
    strong = lambda a: jnp.asarray(a, a.dtype) if eqx.is_inexact_array(a) else a
    return jax.tree.map(strong, state)  # weak types would compile the loop twice


def _begun(law: AbstractConstrained, state: Any, head: Sample, x0: PyTree) -> Any:
    dtype = _samples.state_dtype(state)
    head = jax.tree.map(jnp.asarray, _samples.cast(head, dtype))
    return law.begin(state, jnp.zeros((), dtype), head, x0=x0)


def _check_fit(law: AbstractRule, state: Any, sample: Sample) -> None:
    """Say clearly when samples and network do not fit, before anything is compiled."""
    sample = _samples.cast(
        jax.tree.map(np.asarray, sample), _samples.state_dtype(state)
    )
    network = state.network
    try:
        output = eqx.filter_eval_shape(
            lambda n, u: n.readout(n.initial_state(), u), network, sample.input
        )
        eqx.filter_eval_shape(
            lambda n, u: n(n.initial_state(), u), network, sample.input
        )
    except (TypeError, ValueError) as error:
        got = f"of shape {sample.input.shape}"
        wanted = f"what the network takes ({str(error).splitlines()[0]})"
        _checks.reject("samples.input", wanted, got)
    shapes = [leaf.shape for leaf in jax.tree.leaves(output)]
    if shapes != [sample.target.shape]:
        wanted = f"of the output's shape {', '.join(map(str, shapes))} at each step"
        _checks.reject("samples.target", wanted, f"of shape {sample.target.shape}")


@eqx.filter_jit
def _advance(law, state, block, count, dt):
    """`count` steps over a block: (state, infos, whether each state leaf is finite).

    `count` is an array: a last chunk of another length does not compile again.
    """
    moving, still = eqx.partition(state, eqx.is_array)

    def step(k, carry):
        moving, infos = carry
        sample = jax.tree.map(
            lambda leaf: jax.lax.dynamic_index_in_dim(leaf, k, keepdims=False), block
        )
        state, info = law.step(eqx.combine(moving, still), sample, dt)
        infos = jax.tree.map(
            lambda all, one: jax.lax.dynamic_update_index_in_dim(all, one, k, 0),
            infos,
            info,
        )
        return eqx.filter(state, eqx.is_array), infos

    _, one = eqx.filter_eval_shape(
        law.step, state, jax.tree.map(lambda leaf: leaf[0], block), dt
    )
    size = block.target.shape[0]
    infos = jax.tree.map(lambda leaf: jnp.zeros((size, *leaf.shape), leaf.dtype), one)
    moving, infos = jax.lax.fori_loop(0, count, step, (moving, infos))
    finite = [jnp.all(jnp.isfinite(leaf)) for leaf in _samples.floats(moving)]
    return eqx.combine(moving, still), infos, jnp.stack(finite)


def _run(law, state, samples, records, position, options) -> Result:
    dtype = _samples.state_dtype(state)
    dt = jnp.asarray(options.dt, dtype)
    size = _chunk_size(options, state)
    total = _samples.length(samples)
    saved = Checkpoint(options.checkpoint, options.every)
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
        for chunk in _chunks(law, state, samples, position, size, dt):
            state, position = at
            after, count = chunk.after, chunk.count
            infos = _first(chunk.infos, count)
            healthy = _healthy(infos, np.asarray(chunk.finite), count)
            if healthy < count:
                divergence, after, count = _find(
                    law, state, chunk.block, healthy, dt, position, float(options.dt)
                )
                infos = _first(infos, count)
            records.add(chunk.block, infos, count, position, options.record_every)
            at = (after, position + count)
            clock.append((position + count, time.perf_counter()))
            bar.update(count)
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


class _Chunk(eqx.Module):
    """A block of samples and what came of it, perhaps still being computed."""

    block: Sample
    count: int
    after: Any
    infos: PyTree
    finite: Array


def _chunks(law, state, samples, position, size, dt) -> Iterator[_Chunk]:
    """Chunks in order, each handed out once the next one is already computing."""
    dtype, ready = _samples.state_dtype(state), None
    for block, count in _samples.blocks(samples, size, position):
        block = _samples.cast(block, dtype)
        state, infos, finite = _advance(law, state, block, np.asarray(count), dt)
        if ready is not None:
            yield ready
        ready = _Chunk(block, count, state, infos, finite)
    if ready is not None:
        yield ready


def _chunk_size(options: _Options, state: Any) -> int:
    """Samples a chunk: a multiple of `record_every`, about 50 ms of work by default."""
    numbers = sum(leaf.size for leaf in _samples.floats(state))
    wanted = options.chunk or int(np.clip(2**22 // numbers, 256, 32768))
    return -(-wanted // options.record_every) * options.record_every


def _healthy(infos: PyTree, finite: np.ndarray, count: int) -> int:
    """How many steps gave finite infos and left a finite state behind."""
    healthy = count if finite.all() else count - 1
    for leaf in _samples.floats(infos):
        bad = ~np.isfinite(leaf).reshape(count, -1).all(axis=1)
        if bad.any():
            healthy = min(healthy, int(np.argmax(bad)))
    return healthy


def _find(law, state, block, healthy, dt, position, dt_seconds):
    """(what diverged and when, the last finite state, how many samples it has seen).

    Runs the block again up to the failure, which happens once a run at most.
    """
    count = healthy
    good, _, finite = _advance(law, state, block, np.asarray(count), dt)
    while not np.asarray(finite).all() and count > 0:
        count -= 1
        good, _, finite = _advance(law, state, block, np.asarray(count), dt)
    bad, infos, _ = _advance(law, state, block, np.asarray(count + 1), dt)
    here = jax.tree.map(lambda leaf: leaf[count], infos)
    names = _not_finite(here) or _not_finite(bad)
    sample = position + count
    return Divergence(sample, sample * dt_seconds, names), good, count


def _not_finite(tree: PyTree) -> tuple[str, ...]:
    return tuple(
        name
        for name, leaf in named_leaves(tree).items()
        if np.asarray(leaf).dtype.kind == "f" and not np.isfinite(leaf).all()
    )
