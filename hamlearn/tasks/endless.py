"""Tasks whose streams are drawn from a key and never end."""

from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float
from ..signals.signal import Sample
from .task import AbstractTask, drawn


class AbstractEndless(AbstractTask):
    """A task that draws its samples from a key: `draw` is all that it has to say."""

    @abstractmethod
    def draw(self, key: Array, steps: int) -> Sample:
        """One stream of `steps` samples, in JAX, to be mapped and jitted."""

    def samples(
        self,
        key: Array | None = None,
        steps: int | None = None,
        *,
        batch: int | None = None,
        test: bool = False,
    ) -> Sample:
        """A stream, from another key to be tested on; see `AbstractTask.samples`.

        **Arguments:** `batch`: so many streams, along a second axis.
        """
        key, steps = drawn(self, key, steps, test=test)
        if batch is not None:
            _checks.at_least("batch", batch, 1)
        return _drawn(self, key, steps, batch)


@eqx.filter_jit
def _drawn(task: AbstractEndless, key: Array, steps: int, batch: int | None) -> Sample:
    """Compiled once for equal tasks and numbers."""
    if batch is None:
        return task.draw(key, steps)
    keys = jax.random.split(key, batch)
    return jax.vmap(lambda key: task.draw(key, steps), out_axes=1)(keys)


def episodes(
    one: Callable[[Array], Sample], length: int, key: Array, steps: int
) -> Sample:
    """Episodes of a length, one after the other, cut off at a number of steps."""
    made = jax.vmap(one)(jax.random.split(key, -(-steps // length)))
    flat = lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:steps]
    return jax.tree.map(flat, made)


def at_end(length: int, steps: int) -> Float[Array, "time"]:
    """Weights of the loss: 1 in the last steps of an episode."""
    return jnp.zeros(length).at[length - steps :].set(1)


def choice(second: Array, length: int) -> tuple[Array, Array]:
    """(targets, weights) of an episode that ends in the first or the second answer."""
    answer = jax.nn.one_hot(second.astype(int), 2, dtype=float)
    return jnp.tile(answer, (length, 1)), at_end(length, 1)


def distractors(
    key: Array, steps: int, channels: int, probability: float
) -> Float[Array, "time channels"]:
    """In every sample, with a probability, a 1 in one channel out of several."""
    a, b = jax.random.split(key)
    shown = jax.random.bernoulli(a, probability, (steps, 1))
    where = jax.random.randint(b, (steps,), 0, channels)
    return jnp.where(shown, jax.nn.one_hot(where, channels, dtype=float), 0)


def check_distractors(channels: int, probability: float) -> None:
    """**Raises:** `ValueError` naming the one that is none."""
    _checks.at_least("channels", channels, 0)
    _checks.number("probability", probability)
    if not 0 <= probability <= 1:
        _checks.reject("probability", "between 0 and 1", probability)
