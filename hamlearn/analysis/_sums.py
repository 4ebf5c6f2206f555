"""A law that keeps its weights and adds its credit up, for `scan` to run."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Count, Int, Params, PyTree, Scalar
from ..action.cost import Cost
from ..laws.base import AbstractLaw, Info, State
from ..run.scan import scan
from ..signals import samples as _samples
from ..signals.signal import Sample


class Tally(eqx.Module):
    """What the law remembers, the credit added up, how many samples were seen."""

    inside: PyTree
    totals: Params
    seen: Count


class Summed(AbstractLaw):
    """A law whose weights are held, and whose g is added to one of several totals.

    g itself is in `more`, under the name of its weight.

    **Arguments:** `law`; `place`: the number of the total to which each sample
    counts, none where there is no such total; `count`: how many totals there are.
    """

    law: AbstractLaw
    cost: Cost
    place: Int[Array, "time"]
    count: int = eqx.field(static=True)

    def __init__(self, law: AbstractLaw, place: Any, count: int):
        self.law, self.cost = law, law.cost
        self.place, self.count = jnp.asarray(place, jnp.int32), count

    @property
    def title(self) -> str:
        return f"{self.law.title}, weights held"

    def init(self, network, *, x0=None, key=None):
        return self.around(self.law.init(network, x0=x0, key=key))

    def around(self, state: State) -> State:
        """A state of the law inside, with nothing added up."""
        none = lambda leaf: jnp.zeros((self.count, *leaf.shape), leaf.dtype)
        totals = jax.tree.map(none, state.w)
        return _with_credit(state, Tally(state.credit, totals, jnp.zeros((), int)))

    def step(self, state, sample, dt):
        g, after, info = self.estimate(state, sample, dt)
        tally = after.credit
        place = self.place[tally.seen]
        counts = (place >= 0) & (place < self.count)

        def add(totals, g):
            row = jax.lax.dynamic_index_in_dim(totals, place, keepdims=False)
            more = row + jnp.where(counts, g, 0)
            return jax.lax.dynamic_update_index_in_dim(totals, more, place, 0)

        totals = jax.tree.map(add, tally.totals, g)
        after = _with_credit(after, Tally(tally.inside, totals, tally.seen + 1))
        return after, Info(info.output, info.loss, g)

    def estimate(self, state, sample, dt):
        tally = state.credit
        inside = _with_credit(state, tally.inside)
        g, after, info = self.law.estimate(inside, sample, dt)
        tally = Tally(after.credit, tally.totals, tally.seen)
        return g, _with_credit(after, tally), info

    def check(self, state, sample, dt):
        self.law.check(_with_credit(state, state.credit.inside), sample, dt)

    def chosen(self, state):
        return Summed(self.law.chosen(state), self.place, self.count)


def each(law: AbstractLaw, state: State, samples: Sample, dt: Any) -> Params:
    """g at every sample of a stream, for use inside a transformation."""
    summed = Summed(law, -np.ones(samples.target.shape[0]), 1)
    record = lambda state, sample, info: info.more
    return scan(summed, summed.around(state), samples, dt, record)[1]


def sums(
    law: AbstractLaw, state: State, samples: Sample, dt: Any, place: Any, count: int
) -> Params:
    """The totals of `Summed` after a stream, for use inside a transformation."""
    summed, nothing = Summed(law, place, count), lambda state, sample, info: None
    after, _ = scan(summed, summed.around(state), samples, dt, nothing)
    return after.credit.totals


def begun(
    law: AbstractLaw, network: Any, samples: Any, dt: Any, x0: PyTree, key: Array | None
) -> tuple[State, Sample, Scalar]:
    """(the state before the first sample, samples and dt in its dtype), all checked."""
    _checks.instance("law", law, AbstractLaw)
    _checks.positive("dt", dt)
    state = law.init(network, x0=x0, key=key)
    dtype = _samples.state_dtype(state)
    samples, dt = _samples.traced(samples, dtype), jnp.asarray(dt, dtype)
    law.check(state, jax.tree.map(lambda leaf: leaf[0], samples), dt)
    return state, samples, dt


def _with_credit(state: State, credit: PyTree) -> State:
    return State(state.x, state.w, credit, state.update, state.rest)
