"""Many networks and step sizes through one compiled program, and what came of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..action.cost import Cost
from ..networks.partition import join, split
from ..run.scan import scan
from ..signals.signal import Sample
from ..tasks import AbstractTask, shaped
from .contenders import Contender

#: A run with a larger loss at any sample counts as diverged.
BOUND = 1e6


@dataclass(frozen=True)
class Runs:
    """What was recorded of each lane, at what is asked of it.

    **Attributes:** `losses`, `scores`: shape (lanes, answers), of the loss and the
    metric (zeros where there is none), times `weight`; `diverged`: by lane.
    """

    losses: np.ndarray
    scores: np.ndarray
    weight: np.ndarray
    diverged: np.ndarray

    def first(self, count: int) -> "Runs":
        """The first lanes alone."""
        cut = lambda a: a[:count]
        lanes = cut(self.losses), cut(self.scores)
        return Runs(*lanes, self.weight, cut(self.diverged))

    def mean_losses(self) -> np.ndarray:
        """One number per lane, infinite where it diverged."""
        return self._means(self.losses, np.inf)

    def mean_scores(self) -> np.ndarray:
        """One number per lane, NaN where it diverged."""
        return self._means(self.scores, np.nan)

    def curve(self, points: int = 50) -> np.ndarray:
        """Mean loss in equal stretches of the answers, a row per lane that did not
        diverge."""
        size = max(len(self.weight) // points, 1)
        count = len(self.weight) // size
        losses = self.losses[~self.diverged, : count * size]
        total = losses.reshape(len(losses), count, size).sum(axis=2)
        return total / self.weight[: count * size].reshape(count, size).sum(axis=1)

    def _means(self, values: np.ndarray, otherwise: float) -> np.ndarray:
        means = np.full(len(values), otherwise)
        good = ~self.diverged
        means[good] = values[good].sum(axis=1) / self.weight.sum()
        return means


class Drawn(eqx.Module):
    """What of a contender's networks is drawn with their seed: all that learns, and
    those other numbers that differ between two of them. The rest, such as the graph,
    is that of the first one."""

    frozen: Any
    varies: tuple[bool, ...] = eqx.field(static=True)

    def __init__(self, one: Any, other: Any):
        self.frozen = split(one)[1]
        pairs = zip(*(jax.tree.leaves(split(n)[1]) for n in (one, other)), strict=True)
        self.varies = tuple(
            eqx.is_inexact_array(a) and not np.array_equal(a, b) for a, b in pairs
        )

    def of(self, network: Any) -> tuple[Any, list[Any]]:
        """(what learns, other numbers that were drawn)."""
        w, frozen = split(network)
        pairs = zip(jax.tree.leaves(frozen), self.varies, strict=True)
        return w, [leaf for leaf, varies in pairs if varies]

    def network(self, w: Any, drawn: list[Any]) -> Any:
        """The network that `of` took apart."""
        leaves, tree = jax.tree.flatten(self.frozen)
        fresh = iter(drawn)
        pairs = zip(leaves, self.varies, strict=True)
        leaves = [next(fresh) if varies else leaf for leaf, varies in pairs]
        return join(w, jax.tree.unflatten(tree, leaves))


Run = Callable[[list[Any], list[float], list[Array], Sample], Runs]


def lanes(contender: Contender, task: AbstractTask, drawn: Drawn) -> Run:
    """(networks, step sizes, keys, samples) -> `Runs`, one lane of each."""
    program = _program(contender, Cost(loss=task.loss), task.metric, drawn)

    def run(networks, rates, keys, samples):
        stack = lambda *leaves: jnp.stack(leaves)
        parts = jax.tree.map(stack, *map(drawn.of, networks))
        sizes = jnp.asarray(rates, samples.target.dtype)
        losses, scores = program(parts, sizes, jnp.stack(keys), samples)
        return _asked(losses, scores, samples.weight, contender.steps)

    return run


def fitting(contender: Contender, task: AbstractTask, stream: Sample) -> Sample:
    """A stream as the contender's network should get it, in JAX's float."""
    made = shaped(
        stream,
        immediate=contender.immediate,
        steps=contender.steps,
        strictly_causal=task.strictly_causal,
    )
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), made)


def _program(contender, cost, metric, drawn) -> Callable[..., tuple[Array, Array]]:
    def record(state, sample, info):
        score = 0.0 if metric is None else metric(info.output, sample.target)
        return info.loss, jnp.asarray(score, info.loss.dtype)

    def lane(parts, rate, key, samples):
        law = contender.law(cost, rate)
        state = law.init(drawn.network(*parts), key=key)
        return scan(law, state, samples, 1 / contender.steps, record)[1]

    return jax.jit(jax.vmap(lane, (0, 0, 0, None)))


def _asked(losses: Any, scores: Any, weight: Any, steps: int) -> Runs:
    """The last step of every sample, where something is asked there."""
    losses = np.asarray(losses, np.float64)
    with np.errstate(invalid="ignore"):
        diverged = ~(np.abs(losses) < BOUND).all(axis=1)
    last = lambda a: np.asarray(a, np.float64)[..., steps - 1 :: steps]
    losses, scores = last(losses), last(scores)
    weight = np.ones(losses.shape[1]) if weight is None else last(weight)
    at = weight > 0
    return Runs(losses[:, at], weight[at] * scores[:, at], weight[at], diverged)
