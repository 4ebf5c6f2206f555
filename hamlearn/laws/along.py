"""A law whose cost is a function of where the run is."""

from collections.abc import Callable

import equinox as eqx
import jax

from .. import _checks
from .._types import PyTree
from ..action.cost import Cost
from ..networks.base import Network
from ..signals.signal import Sample
from .base import AbstractLaw
from .hamiltonian_flow import HamiltonianFlow, LearningHamiltonian
from .law import Law

CostAt = Callable[[Network, PyTree, Sample], Cost]


class CostAlong(AbstractLaw):
    """A law under a running cost with q(t) and r_w(t) instead of two constants.

        ell(x, w, t) = q(t) loss(output, target) + r_w(t)/2 |w|^2

    q and r_w are given functions of time: they are read off the state before each
    step and then stand still, so nothing is differentiated through them, and the
    equations of the law are those it has with constants.

    **Arguments:** `law`: a `Law`, or what `HamiltonianLearning` made;
    `cost_at(network, x, sample)`: the `Cost` of this step, of the same `loss`.
    """

    law: Law | HamiltonianFlow
    cost_at: CostAt

    def __init__(self, law: Law | HamiltonianFlow, cost_at: CostAt):
        _checks.instance("law", law, (Law, HamiltonianFlow))
        _checks.function("cost_at", cost_at, "network, state and sample")
        self.law, self.cost_at = law, cost_at

    @property
    def cost(self) -> Cost:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The cost as the law was made with it."""
        return self.law.cost

    @property
    def title(self) -> str:
        return self.law.title

    def init(self, network, *, x0=None, key=None):
        return self.law.init(network, x0=x0, key=key)

    def step(self, state, sample, dt):
        return self._now(state, sample).step(state, sample, dt)

    def estimate(self, state, sample, dt):
        return self._now(state, sample).estimate(state, sample, dt)

    def check(self, state, sample, dt):
        self.law.check(state, sample, dt)

    def chosen(self, state):
        return CostAlong(self.law.chosen(state), self.cost_at)

    def _now(self, state, sample) -> AbstractLaw:
        cost = self.cost_at(state.network, state.x, sample)
        cost = jax.lax.stop_gradient(cost)
        return eqx.tree_at(_costs, self.law, _costs(self.law, cost))


def _costs(law: Law | HamiltonianFlow, cost: Cost | None = None) -> tuple[Cost, ...]:
    """The places of a law where its cost stands, or `cost` as often."""
    places = (law.cost,)
    if isinstance(law, HamiltonianFlow) and isinstance(law.scalar, LearningHamiltonian):
        places = (law.cost, law.scalar.cost)
    return places if cost is None else (cost,) * len(places)
