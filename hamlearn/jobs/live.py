"""Copying a stream whose range is not known before it has been seen."""

import dataclasses
import math
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from ..action.cost import Cost
from ..laws.base import AbstractLaw, Carried, Info, State
from ..mechanics.causal import AbstractPolicy
from ..run.result import Result
from ..run.stream import stream
from ..signals.signal import Sample
from ..tasks import Tracking
from .track import Watch, tracking_law
from .tracker import LEAST, Settings, Stability, tracker


class RunningScale(AbstractLaw):
    """A tracking law that scales its target by the range it has seen so far.

        scaled = (y - m)/R,   R doubles until |scaled| <= 1/2

    Where y leaves m +- R/2 the range seen is centred anew and R is twice it, so that
    there are as many changes as doublings. The output neuron is moved to the same
    value in the new scale, with its bias, and the costates shrink with it.

    **Arguments:** `law`: of a network of `tracker`.
    """

    law: AbstractLaw

    def __init__(self, law: AbstractLaw):
        _checks.instance("law", law, AbstractLaw)
        self.law = law

    @property
    def cost(self) -> Cost:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The cost of the law inside."""
        return self.law.cost

    @property
    def title(self) -> str:
        return self.law.title

    def init(self, network, *, x0=None, key=None):
        state = self.law.init(network, x0=x0, key=key)
        zero = jnp.zeros((), state.x.dtype)
        return _with(state, (state.credit, (zero, zero, zero, zero + 4)))

    def step(self, state, sample, dt):
        return self._seen(state, sample, dt, self.law.step)

    def estimate(self, state, sample, dt):
        kept = []

        def find(*args):
            g, after, info = self.law.estimate(*args)
            kept.append(g)
            return after, info

        after, info = self._seen(state, sample, dt, find)
        return kept[0], after, info

    def check(self, state, sample, dt):
        return None

    def chosen(self, state):
        return self

    def _seen(self, state: State, sample: Sample, dt: Any, find: Any):
        inside, (low, high, m, R) = state.credit
        y = sample.target[0]
        low, high = jnp.minimum(low, y), jnp.maximum(high, y)
        out = jnp.abs(y - m) > R / 2
        centre = jnp.where(out, (low + high) / 2, m)
        size = jnp.where(out, 2 * (high - low), R)
        state = _rescaled(_with(state, inside), m, R, centre, size)
        scaled = eqx.tree_at(
            lambda s: s.target, sample, (sample.target - centre) / size
        )
        after, info = find(state, scaled, dt)
        after = _with(after, (after.credit, (low, high, centre, size)))
        output = info.output * size + centre
        return after, Info(output, info.loss * size**2, info.more)


def _with(state: State, credit: Any) -> State:
    return State(state.x, state.w, credit, state.update, state.rest)


def _rescaled(state: State, m: Any, R: Any, centre: Any, size: Any) -> State:
    """The output neuron at the same value in another scale, and all held where they
    are: the biases take up what the others hear of it."""
    x0, changed = state.x[0], (m != centre) | (size != R)
    inside = lambda x: jnp.clip(x, -0.99, 0.99)
    x1 = jnp.where(changed, inside((x0 * R + m - centre) / size), x0)
    rise = jnp.where(changed, jnp.arctanh(inside(x1)) - jnp.arctanh(inside(x0)), 0)
    bias = state.w["bias"] - state.w["weight"][:, 0] * (x1 - x0)
    share = jnp.where(changed, R / size, jnp.ones_like(R))
    memory, update = jax.tree.map(
        lambda leaf: share * leaf, (state.credit.memory, state.update)
    )
    credit = Carried(memory, state.credit.motion, state.credit.key)
    w = state.w | {"bias": bias.at[0].add(rise)}
    return State(state.x.at[0].set(x1), w, credit, update, state.rest)


class Live:
    """Values from an iterable, each held for so many steps, in a unit of their own.

    Counted from the first value in units of the first change, so that single precision
    is enough for any unit; nothing of the future is used. A NaN holds the last value,
    which is not asked for then; those before the first value are left out.
    """

    def __init__(self, values: Iterable[float], steps: int):
        _checks.at_least("steps", steps, LEAST)
        if not isinstance(values, Iterable):
            _checks.reject("values", "an iterable of numbers", _checks.shown(values))
        self.values, self.steps = values, steps
        self.first, self.unit = 0.0, 0.0
        self.known: list[bool] = []

    def __iter__(self) -> Iterator[Sample]:
        none, scaled = np.zeros(0), np.zeros(1)
        for value in self.values:
            value = _number(value)
            known = not math.isnan(value)
            if not known and not self.known:
                continue
            if known:
                self.first = self.first if self.known else value
                self.unit = self.unit or abs(value - self.first)
                scaled = np.array([(value - self.first) / (self.unit or 1.0)])
            self.known.append(known)
            for _ in range(self.steps):
                yield Sample(none, scaled, np.asarray(float(known)))

    def unscaled(self, output: np.ndarray) -> np.ndarray:
        """An output in the unit of the values."""
        scale = self.unit or 1.0
        return np.asarray(output, np.float64).reshape(-1) * scale + self.first

    def signal(self, values: np.ndarray, name: str) -> Tracking:
        """What came, a value a step, as a signal that was tracked."""
        starts = np.arange(0, len(values), self.steps)
        asked = np.repeat(self.known, self.steps)[: len(values)]
        starts = starts[asked[starts]]
        arrived = np.searchsorted(starts, np.arange(len(values)), side="right") - 1
        return Tracking(
            name,
            values,
            values[starts[np.maximum(arrived - 1, 0)]],
            dt=1 / self.steps,
            interval=1.0,
            starts=starts,
            asked=asked,
            time_unit="samples",
            source="values as they came, scaled by the range seen so far",
        )


def _number(value: Any) -> float:
    """One value, or NaN where none is."""
    array = _checks.real("values", value)
    _checks.shape("values", array, ())
    if np.isinf(array):
        _checks.reject("values", "finite, or NaN where one is missing", value)
    return float(array)


def track_live(
    values: Iterable[float],
    *,
    steps: int = 40,
    settings: Settings | None = None,
    policy: AbstractPolicy | None = None,
    name: str = "live",
    progress: bool = True,
) -> tuple[Tracking, Result]:
    """`hl.track` for values as they come, scaled by the range seen so far.

    **Arguments:** `values`: any iterable of numbers, one per sampling interval, NaN
    where one is missing; `steps`: for which each is held; `settings`: by default those
    that suit the steps; `policy`: default `SignFlip`.

    **Returns:** (the signal that came, the `Result`), `output` and `target` in the unit
    of the values, losses in units of the first change, time in sampling intervals.

    **Raises:** `ValueError` where no value comes.
    """
    live = Live(values, steps)
    if settings is not None:
        _checks.instance("settings", settings, Settings)
    chosen = Settings.suited_to(float(steps)) if settings is None else settings
    network, x0 = tracker(chosen.neurons, chosen.speed, chosen.seed)
    law = RunningScale(tracking_law(chosen, policy))
    watch = Watch(Stability(), chosen.speed / steps)
    watch.look(network.weight)
    result = stream(
        law, network, live, dt=1 / steps, x0=x0, callback=watch, progress=progress
    )
    named = {k: live.unscaled(result.info[k])[:, None] for k in ("output", "target")}
    stats = watch.stats()
    result = dataclasses.replace(result, info=result.info | named, stats=stats)
    if (said := watch.seen.warning()) is not None:
        warnings.warn(said, UserWarning, stacklevel=2)
    return live.signal(result.target[:, 0], name), result
