"""What causality costs: the action of a law over that of the clairvoyant optimum."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Number, Params, PyTree, Scalar
from ..action.cost import Cost
from ..laws.base import AbstractLaw
from ..laws.hamiltonian_flow import HamiltonianFlow, LearningHamiltonian
from ..laws.law import Law
from ..laws.stlp import STLP
from ..networks.base import Network, NetworkLike
from ..run.scan import scan
from ..signals.signal import Sample
from ..updates import Inertia
from ._sums import begun
from .two_point import Optimum, action, two_point


class ActionGap(eqx.Module):
    """The action of a causal law, that of the optimum, and their ratio."""

    law: Scalar
    optimum: Optimum

    @property
    def ratio(self) -> float:
        """How many times the optimum the law costs."""
        return float(self.law / self.optimum.value)


def gap(
    law: AbstractLaw,
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    settle: int = 0,
    cost: Cost | None = None,
    inertia: Number | None = None,
    dissipation: Number = 0.0,
    x0: PyTree = None,
    key: Array | None = None,
    find: Callable[..., Optimum] | None = None,
    **options: Any,
) -> ActionGap:
    """The cost of a causal law over the optimum of the same problem.

    **Arguments:** `settle`: how many first samples only the law sees. The optimum then
    starts from the state and weights it has reached: a settled law. With 0 both start
    cold. `cost`, `inertia`, `dissipation`: of the action that judges both, by default
    the law's own cost and inertia (1 for a law without), and no dissipation, which is
    a device of the law. `find`: what finds the optimum, by default `two_point`;
    `options`: for it.

    **Returns:** an `ActionGap`; the weights of a law move in jumps,
    v_k = (w_{k+1} - w_k)/dt.
    """
    judge = _judge(law, cost, inertia, dissipation)
    J, (start, x, after) = law_action(
        law, network, samples, dt=dt, settle=settle, x0=x0, key=key, **judge
    )
    find = two_point if find is None else find
    price = judge.pop("cost")
    return ActionGap(J, find(price, start, after, dt=dt, x0=x, **judge, **options))


def law_action(
    law: AbstractLaw,
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    settle: int = 0,
    cost: Cost | None = None,
    inertia: Number | None = None,
    dissipation: Number = 0.0,
    x0: PyTree = None,
    key: Array | None = None,
) -> tuple[Scalar, tuple[Network, PyTree, Sample]]:
    """(J of a causal law after it has settled, the problem that it then faced).

    Arguments as for `gap`; the problem is (network, its state, the samples left).
    """
    judge = _judge(law, cost, inertia, dissipation)
    state, samples, dt = begun(law, network, samples, dt, x0, key)
    before, after = (
        jax.tree.map(lambda leaf, part=part: leaf[part], samples)
        for part in (slice(None, settle), slice(settle, None))
    )
    state, _ = _path(law, state, before, dt)
    start, x = state.network, state.x
    _, path = _path(law, state, after, dt)
    v = jax.tree.map(
        lambda w, ws: jnp.diff(jnp.concatenate([w[None], ws]), axis=0) / dt,
        state.w,
        path,
    )
    price = judge.pop("cost")
    J = action(price, start, after, v, dt=dt, x0=x, **judge)
    return J, (start, x, after)


def own_inertia(law: AbstractLaw) -> Any:
    """r of a law whose weights have inertia, else 1."""
    if isinstance(law, STLP):
        return law.inertia
    if isinstance(law, Law) and isinstance(law.update, Inertia):
        return law.update.inertia
    flow = isinstance(law, HamiltonianFlow)
    if flow and isinstance(law.scalar, LearningHamiltonian):
        return law.scalar.inertia
    return 1.0


def _judge(law, cost, inertia, dissipation) -> dict[str, Any]:
    return {
        "cost": law.cost if cost is None else cost,
        "inertia": own_inertia(law) if inertia is None else inertia,
        "dissipation": dissipation,
    }


@eqx.filter_jit
def _path(law, state, samples, dt) -> tuple[Any, Params]:
    """(the state after some samples, the weights after each)."""
    return scan(law, state, samples, dt, lambda state, sample, info: state.w)
