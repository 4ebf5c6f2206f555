"""Many networks and step sizes through one compiled program, and what came of each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array
from ..action.cost import Cost
from ..laws.base import AbstractLaw
from ..laws.held import WeightsHeld
from ..laws.law import Law
from ..networks.partition import join, split
from ..run.scan import scan
from ..sensitivities.frozen import Immediate
from ..signals.signal import Sample
from ..tasks import AbstractTask, shaped
from .contenders import Contender

#: A run with a larger loss at any sample counts as diverged.
BOUND = 1e6


@dataclass(frozen=True)
class Runs:
    """What was recorded of each lane, at what is asked of it.

    **Attributes:** `losses`, `scores`: shape (lanes, answers), of the loss and the
    metric (zeros where there is none), times `weight`; `diverged`: by lane; `answers`:
    what was said, shape (lanes, answers, outputs); `learned`: the weights at the end,
    a lane in front; `seconds`: that the program ran, compiling left out.
    """

    losses: np.ndarray
    scores: np.ndarray
    weight: np.ndarray
    diverged: np.ndarray
    answers: np.ndarray
    learned: Any
    seconds: float

    def first(self, count: int) -> "Runs":
        """The first lanes alone."""
        cut = lambda a: a[:count]
        return Runs(
            cut(self.losses),
            cut(self.scores),
            self.weight,
            cut(self.diverged),
            cut(self.answers),
            jax.tree.map(cut, self.learned),
            self.seconds,
        )

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
    compiled: dict[str, Any] = {}

    def run(networks, rates, keys, samples):
        stack = lambda *leaves: jnp.stack(leaves)
        parts = jax.tree.map(stack, *map(drawn.of, networks))
        sizes = jnp.asarray(rates, samples.target.dtype)
        arguments = parts, sizes, jnp.stack(keys), samples
        shapes = str(jax.tree.map(jnp.shape, arguments))
        if shapes not in compiled:
            compiled[shapes] = program.lower(*arguments).compile()
        began = time.perf_counter()
        after = jax.block_until_ready(compiled[shapes](*arguments))
        seconds = time.perf_counter() - began
        found, learned = after
        return _asked(found, learned, samples.weight, contender.steps, seconds)

    return run


def held_losses(
    contender: Contender,
    task: AbstractTask,
    drawn: Drawn,
    networks: list[Any],
    learned: Any,
    samples: Sample,
) -> np.ndarray:
    """Mean loss of every lane with its weights held as they have become, from rest.

    **Arguments:** `networks`: as they were drawn; `learned`: their weights now.
    """
    stack = lambda *leaves: jnp.stack(leaves)
    rest = jax.tree.map(stack, *(drawn.of(network)[1] for network in networks))
    law = _watching(contender.law(Cost(loss=task.loss), 0.01))
    steps = contender.steps
    losses = np.asarray(_watched(law, drawn, learned, rest, samples, 1 / steps))
    losses = np.asarray(losses, np.float64)[:, steps - 1 :: steps]
    weight = np.ones(losses.shape[1])
    if samples.weight is not None:
        weight = np.asarray(samples.weight, np.float64)[steps - 1 :: steps]
    at = weight > 0
    means = losses[:, at].sum(axis=1) / weight.sum()
    return np.where(np.isfinite(means), means, np.inf)


def _watching(law: AbstractLaw) -> AbstractLaw:
    """A law that lets the same network run and finds no credit: one program for all
    that differ in their credit alone."""
    if not isinstance(law, Law):
        return WeightsHeld(law)
    parts: Any = {"residual": law.residual, "motion": law.motion, "title": "held"}
    return WeightsHeld(Law(law.cost, Immediate(), **parts))


@eqx.filter_jit
def _watched(law, drawn, learned, rest, samples, dt):
    def lane(w, rest):
        state = law.init(drawn.network(w, rest), key=jax.random.key(0))
        return scan(law, state, samples, dt, lambda state, sample, info: info.loss)[1]

    return jax.vmap(lane)(learned, rest)


def fitting(contender: Contender, task: AbstractTask, stream: Sample) -> Sample:
    """A stream as the contender's network should get it, in JAX's float."""
    made = shaped(
        stream,
        immediate=contender.immediate,
        steps=contender.steps,
        strictly_causal=task.strictly_causal,
    )
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), made)


def _program(contender, cost, metric, drawn) -> Any:
    def record(state, sample, info):
        score = 0.0 if metric is None else metric(info.output, sample.target)
        return info.loss, jnp.asarray(score, info.loss.dtype), info.output

    def lane(parts, rate, key, samples):
        law = contender.law(cost, rate)
        state = law.init(drawn.network(*parts), key=key)
        after, found = scan(law, state, samples, 1 / contender.steps, record)
        return found, after.w

    return jax.jit(jax.vmap(lane, (0, 0, 0, None)))


def _asked(found, learned, weight, steps: int, seconds: float) -> Runs:
    """The last step of every sample, where something is asked there."""
    losses, scores, answers = found
    losses = np.asarray(losses, np.float64)
    with np.errstate(invalid="ignore"):
        diverged = ~(np.abs(losses) < BOUND).all(axis=1)
    last = lambda a: np.asarray(a, np.float64)[..., steps - 1 :: steps]
    losses, scores = last(losses), last(scores)
    answers = np.asarray(answers)[:, steps - 1 :: steps]
    weight = np.ones(losses.shape[1]) if weight is None else last(weight)
    at = weight > 0
    return Runs(
        losses[:, at],
        weight[at] * scores[:, at],
        weight[at],
        np.asarray(diverged),
        answers,
        learned,
        seconds,
    )
