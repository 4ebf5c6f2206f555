"""Tasks with memory, and the laws and networks that `memory` lets learn them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.laws import (
    UORO,
    DiagonalRTRL,
    EProp,
    MeanSlopeRTRL,
    SlidingBPTT,
    SpikingEProp,
)
from hamlearn.networks import (
    Memoryless,
    MixedHead,
    OwnHead,
    ProductHead,
    SpikingNetwork,
)
from hamlearn.sensitivities import AtOnce, Immediate

MODES = 16


@dataclass(frozen=True)
class Learner:
    """A law, made of (cost, step size), on a network, made of a key."""

    law: Callable[[Any, Any], Any]
    network: Callable[[Any], Any]
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A task for one pass of so many samples; `record`: where its rows are kept;
    `anew`: whether each of its trials starts from rest."""

    task: Any
    samples: int
    learners: dict[str, Learner]
    record: str
    dt: float = 1.0
    anew: bool = False

    def stream(self, key: Any, steps: int) -> hl.Sample:
        """Samples of the task."""
        made = self.task.samples(key, steps)
        if not self.anew:
            return made
        start = jnp.arange(steps) % self.task.episode == 0
        return hl.Sample(made.input, made.target, made.weight, start=start)


def adam(rate: Any) -> Any:
    return hl.updates.Optax(optax.adam, learning_rate=rate)


def rmsprop(rate: Any) -> Any:
    return hl.updates.Optax(optax.rmsprop, learning_rate=rate)


def by_adam(law: Any, **options: Any) -> Callable[[Any, Any], Any]:
    return lambda cost, rate: law(cost, adam(rate), **options)


def frozen(cost: Any, rate: Any) -> Any:
    """The readout alone learns; of a layer its head."""
    return hl.Law(cost, Immediate(), adam(rate), title="frozen")


def immediate(cost: Any, rate: Any) -> Any:
    """Credit of the last step alone, its second moment divided out."""
    return SlidingBPTT(cost, rmsprop(rate), window=2)


def dense(task: Any, slow: Any, key: Any) -> hl.RateNetwork:
    """As many numbers of state as 16 modes have, all connected."""
    a, b = jax.random.split(key)
    n = 2 * MODES
    return hl.RateNetwork(
        hl.Digraph.complete(n, self_loops=True), inputs=task.inputs, outputs=n,
        time_constant=slow, readout=eqx.nn.Linear(n, task.outputs, key=a), key=b,
    )  # fmt: skip


def one_layer(
    task: Any, samples: int, longest: float, phase: float, modes: int = MODES,
    trials: int = 34,
) -> Case:  # fmt: skip
    """One diagonal layer, its rivals on the same layer, and dense nets beside it."""
    layer = partial(
        hl.DiagonalNetwork, inputs=task.inputs, outputs=task.outputs,
        time_constant=(1.0, longest), phase=phase,
    )  # fmt: skip
    make = lambda key: layer(modes, key=key)
    wide = lambda key: layer(12 * modes, hidden=modes, key=key)
    fast = lambda key: dense(task, 2.0, key)
    drawn = np.geomspace(1.0, longest, 2 * MODES)
    slow = lambda key: dense(task, drawn, key)
    rates, quick = (3e-4, 1e-3, 3e-3), (1e-3, 3e-3, 1e-2)
    learners = {
        "exact traces": Learner(by_adam(DiagonalRTRL), make, rates),
        "BPTT, window 322": Learner(by_adam(hl.BPTT, window=322), make, quick),
        "BPTT, window of two trials": Learner(
            by_adam(hl.BPTT, window=trials), make, quick
        ),
        "sliding BPTT, 16": Learner(by_adam(SlidingBPTT, window=16), make, rates),
        "UORO": Learner(by_adam(UORO), make, (1e-4, 3e-4, 1e-3)),
        "immediate, RMSprop": Learner(immediate, make, (1e-4, *rates[:2])),
        "frozen": Learner(frozen, make, rates),
        "frozen, 12 times the modes": Learner(frozen, wide, (1e-4, *rates[:2])),
        "RFLO, dense": Learner(by_adam(EProp), fast, rates),
        "SnAp-1, dense": Learner(by_adam(hl.SnAp1), fast, rates),
        "RFLO, slow neurons": Learner(by_adam(EProp), slow, rates),
        "SnAp-1, slow neurons": Learner(by_adam(hl.SnAp1), slow, rates),
    }
    return Case(task, samples, learners, "memory_cue")


def lower(task: Any, remembers: bool, learns: bool, longest: float, key: Any) -> Any:
    """Gated outputs, of 16 modes or of the input alone."""
    a, b = jax.random.split(key)
    head = ProductHead(MODES, inputs=task.inputs, key=a)
    if not remembers:
        learn = ("head",) if learns else ()
        return Memoryless(head, inputs=task.inputs, learn=learn)
    learn = ("log_decay", "log_frequency", "log_gain", "input_weight", "head")
    return hl.DiagonalNetwork(
        MODES, inputs=task.inputs, head=head, time_constant=(1.0, longest),
        learn=learn if learns else (), key=b,
    )  # fmt: skip


def two_layers(
    task: Any, longest: float, remembers: bool, product: bool, learns: bool, key: Any
) -> hl.Stack:
    """16 gated units below 16 modes with four poles."""
    a, b, c = jax.random.split(key, 3)
    head = MixedHead(
        MODES, inputs=MODES, outputs=task.outputs, hidden=MODES, product=product, key=c
    )
    high = hl.DiagonalNetwork(
        MODES, inputs=MODES, time_constant=(1.0, longest), classes=4, head=head, key=b
    )
    return hl.Stack([lower(task, remembers, learns, longest, a), high])


def three_layers(task: Any, longest: float, key: Any) -> hl.Stack:
    """12 gated units, and two memories of 12 modes with three poles each."""
    a, b, c, d = jax.random.split(key, 4)
    low = Memoryless(ProductHead(12, inputs=task.inputs, key=a), inputs=task.inputs)
    options = {"inputs": 12, "time_constant": (1.0, longest), "classes": 3}
    middle = OwnHead(12, inputs=12, key=b)
    return hl.Stack(
        [
            low,
            hl.DiagonalNetwork(12, head=middle, key=c, **options),
            hl.DiagonalNetwork(12, outputs=task.outputs, key=d, **options),
        ]
    )


def gated(task: Any, longest: float, product: bool, key: Any) -> hl.DiagonalNetwork:
    """One layer that chooses by its input what to keep and what to write."""
    a, b = jax.random.split(key)
    head = MixedHead(
        MODES, inputs=task.inputs, outputs=task.outputs, hidden=MODES,
        product=product, key=a,
    )  # fmt: skip
    return hl.DiagonalNetwork(
        MODES, inputs=task.inputs, gated=True, time_constant=(1.0, longest), head=head,
        key=b,
    )  # fmt: skip


def stack(
    task: Any, samples: int, longest: float, *, remembers: bool = False,
    product: bool = False,
) -> Case:  # fmt: skip
    """A gate before the memory."""
    pair = partial(two_layers, task, longest, remembers, product)
    one = partial(gated, task, longest, product)
    rates = (6e-4, 1.2e-3, 2.4e-3) if remembers else (3e-4, 6e-4, 1.2e-3)
    window = 2 * task.episode
    learners = {
        "shared poles, exact": Learner(
            by_adam(DiagonalRTRL), partial(pair, True), rates
        ),
        "instantaneous between": Learner(
            by_adam(DiagonalRTRL, link=AtOnce()), partial(pair, True), rates
        ),
        "lower layer frozen": Learner(
            by_adam(DiagonalRTRL), partial(pair, False), rates
        ),
        "one gated layer, exact": Learner(by_adam(DiagonalRTRL), one, rates),
        "UORO": Learner(by_adam(UORO), partial(pair, True), (1e-4, 3e-4, 6e-4)),
        "BPTT, window of two trials": Learner(
            by_adam(hl.BPTT, window=window),
            partial(pair, True),
            tuple(3 * rate for rate in rates),
        ),
    }
    return Case(task, samples, learners, "memory_stack")


def deep(task: Any, samples: int, longest: float) -> Case:
    """Three layers."""
    make, rates = partial(three_layers, task, longest), (3e-4, 6e-4, 1.2e-3)
    learners = {
        "three layers, mean slopes": Learner(by_adam(MeanSlopeRTRL), make, rates),
        "three layers, instantaneous": Learner(
            by_adam(DiagonalRTRL, link=AtOnce()), make, rates
        ),
        "three layers, BPTT of two trials": Learner(
            by_adam(hl.BPTT, window=2 * task.episode), make, (1e-3, 2e-3, 4e-3)
        ),
    }
    return Case(task, samples, learners, "memory_stack")


def spiking(task: Any, samples: int) -> Case:
    """Spiking neurons, half of them with thresholds that adapt; 10 ms per sample.

    As published each trial starts from rest: adaptation would carry one into the next.
    """
    make = lambda key: SpikingNetwork(
        100, inputs=task.inputs, outputs=task.outputs, adaptive=50, threshold=0.3,
        adaptation=0.3, time_constant=20.0, adaptation_time_constant=400.0,
        readout_time_constant=20.0, key=key,
    )  # fmt: skip
    learners = {
        "e-prop": Learner(by_adam(SpikingEProp), make, (1e-4, 2e-4, 4e-4)),
        "frozen": Learner(frozen, make, (3e-4, 1e-3, 3e-3)),
    }
    return Case(task, samples, learners, "memory_spiking", dt=10.0, anew=True)


def cases() -> dict[str, Callable[[], Case]]:
    """By name, made when asked for."""
    t = hl.tasks
    made: dict[str, Callable[[], Case]] = {}
    # lag: (samples, probability of a distractor in one of eight channels)
    cues = {
        2: (20_000, 1.0),
        8: (20_000, 1.0),
        32: (50_000, 0.25),
        128: (60_000, 1 / 16),
    }
    for lag, (samples, often) in cues.items():
        task = t.DelayedCue(lag, 8, often)
        made[f"cue, lag {lag}"] = partial(
            one_layer, task, samples, 200.0, 0.3, trials=2 * task.episode
        )
    crowded = t.DelayedCue(32, 8, 1.0)
    made["cue, lag 32, 32 distractors"] = partial(
        one_layer, crowded, 50_000, 200.0, 0.3, trials=66
    )
    made["trace conditioning, 40"] = partial(
        one_layer, t.TraceConditioning(40), 40_000, 100.0, 1.0, trials=280
    )
    made["copy, 5 of 8 after 5"] = partial(
        one_layer, t.Copy(8, 5, 5, 8), 40_000, 30.0, 3.0, modes=32, trials=30
    )
    flag, match = t.Flag, t.MatchToSample
    made["flag, lag 8"] = partial(stack, flag(8, probability=1.0), 60_000, 30.0)
    made["flag, lag 32"] = partial(stack, flag(32), 100_000, 100.0)
    made["late flag (3), lag 8"] = partial(
        stack, flag(8, late=3, channels=0), 60_000, 30.0, remembers=True
    )
    made["late flag (3), lag 16"] = partial(
        stack, flag(16, late=3, channels=0), 100_000, 60.0, remembers=True
    )
    made["match to sample, lag 8"] = partial(
        stack, match(8, 8, 1.0), 100_000, 30.0, product=True
    )
    made["match to sample, lag 32"] = partial(
        stack, match(32, 8, 0.25), 150_000, 150.0, product=True
    )
    made["three layers, flag, lag 32"] = partial(deep, flag(32), 100_000, 100.0)
    made["evidence, 7 cues"] = partial(spiking, t.EvidenceAccumulation(), 400_000)
    return made


def ceiling(task: Any) -> str:
    """What knows everything, by name among the floors."""
    return next(k for k in ("exact", "taps beyond") if k in task.floors())
