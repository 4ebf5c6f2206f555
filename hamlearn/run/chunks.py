"""Chunks of a stream through one compiled program, and where one went wrong."""

import time
from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, PyTree
from ..laws.base import State
from ..signals import samples as _samples
from ..signals.signal import Sample
from .records import named_leaves
from .result import Divergence
from .scan import _scan

SHORT = 0.1
"""Seconds that a chunk may always take."""
GROWTH = 4
"""How many times as long as the last a chunk is, at most, while time is measured."""


class Chunk(eqx.Module):
    """A block of samples and what came of it, perhaps still being computed."""

    block: Sample
    count: int
    after: State
    infos: PyTree
    finite: Array


@eqx.filter_jit
def _whole(law, state, block, dt):
    return _looked_at(*_scan(law, state, block, dt))


@eqx.filter_jit
def _part(law, state, block, dt, count):
    """`count` is an array: another length of the rest does not compile again."""
    return _looked_at(*_scan(law, state, block, dt, count=count))


def _looked_at(state, infos):
    floats = _samples.floats((state.x, state.w, state.credit, state.update))
    return state, infos, jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in floats])


def chunks(
    law, state, samples, position: int, size: int, dt, patience: float | None
) -> Iterator[Chunk]:
    """Chunks in order, each handed out once the next one is already computing.

    Where the source raises, what it delivered before is computed and handed out. With
    `patience` chunks begin with one sample and grow to as many as are done in a tenth
    of it, all through one program.
    """
    dtype, ready, error = _samples.state_dtype(state), None, None
    most, since, took = size if patience is None else 1, 0.0, 0.0
    here = lambda: min(most, size - position % size)  # ends as chunks of `size` would
    source = _samples.blocks(samples, size, position, patience, here)
    while True:
        began = time.monotonic()
        try:
            block, count = next(source)
        except StopIteration:
            break
        except BaseException as raised:
            error = raised
            break
        position += count
        since += time.monotonic() - began  # waiting for samples does not count
        block = _samples.cast(block, dtype)
        if patience is None and count == size:
            state, infos, finite = _whole(law, state, block, dt)
        else:
            some = np.asarray(count, np.int32)
            state, infos, finite = _part(law, state, block, dt, some)
        if ready is None:
            since = time.monotonic()  # nor does compiling
        else:
            yield ready
            now = time.monotonic()
            if patience is not None:
                # One computed while another was saved seems to take no time.
                before, took = took, max(now - since, 1e-9) / ready.count
                fits = max(patience / 10, SHORT) / max(took, before)
                most = int(np.clip(fits, 1, min(GROWTH * most, size)))
            since = now
        ready = Chunk(block, count, state, infos, finite)
    if ready is not None:
        yield ready
    if error is not None:
        raise error


def chunk_size(chunk: int | None, every: int, state: State, total: int | None) -> int:
    """Samples per chunk: a multiple of `every`, by default some fifty ms of work.

    Where the length is known and can be divided evenly, it is: a rest of another
    length would be a second program.
    """
    numbers = max(sum(leaf.size for leaf in _samples.floats(state)), 1)
    wanted = chunk or int(np.clip(2**29 // numbers, 512, 32768))
    wanted = -(-wanted // every) * every
    if chunk is not None or total is None:
        return wanted
    if total <= wanted:
        return -(-total // every) * every
    few = -(-total // wanted)
    for parts in range(few, 4 * few + 1):
        if total % parts == 0 and (total // parts) % every == 0:
            return total // parts
    return wanted


def healthy(infos: PyTree, finite: np.ndarray, count: int) -> int:
    """How many steps gave finite infos and left a finite state behind."""
    fine = count if finite.all() else count - 1
    for leaf in _samples.floats(infos):
        known = np.issubdtype(leaf.dtype, np.inexact)
        leaf = leaf if known else np.asarray(leaf, np.float32)  # bfloat16
        good = np.isfinite(leaf)
        if not good.all():
            bad = ~good.reshape(count, -1).all(axis=1)
            fine = min(fine, int(np.argmax(bad)))
    return fine


def located(law, state, block, most: int, dt, position: int, seconds: float):
    """(what diverged and when, the last finite state, how many samples it has seen).

    Halves the range in which the failure is; runs parts of the block again, once a
    run at most.
    """

    def after(count):
        return _part(law, state, block, dt, np.asarray(count, np.int32))

    low, high = 0, most  # the state after `low` samples is finite
    if np.asarray(after(high)[2]).all():
        low = high
    while low < high - 1 and low != most:
        middle = (low + high) // 2
        if np.asarray(after(middle)[2]).all():
            low = middle
        else:
            high = middle
    good = after(low)[0]
    bad, infos, _ = after(low + 1)
    here = jax.tree.map(lambda leaf: leaf[low], infos)
    names = _not_finite(here) or _not_finite(bad)
    sample = position + low
    return Divergence(sample, sample * seconds, names), good, low


def _not_finite(tree: PyTree) -> tuple[str, ...]:
    found = named_leaves(tree).items()
    return tuple(
        name
        for name, leaf in found
        if jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)
        and not bool(jnp.isfinite(jnp.asarray(leaf)).all())
    )
