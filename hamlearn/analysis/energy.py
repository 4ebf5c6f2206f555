"""Where the energy of a law comes from and goes to, along a run."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float, Number, PyTree, Scalar
from ..action.cost import Cost
from ..action.trees import inner, scaled
from ..costates.base import AbstractCostateFlow
from ..costates.flow import CostateFlow
from ..laws.base import (
    AbstractLaw,
    Carried,
    Info,
    State,
    without_rest,
)
from ..laws.hamiltonian_flow import HamiltonianFlow
from ..laws.law import Law
from ..laws.stlp import STLP, phase
from ..networks.base import NetworkLike
from ..run.patience import Patience
from ..run.scan import scan
from ..run.tables import Table
from ..signals.signal import Sample
from ..updates import AbstractUpdateFlow, Inertia
from ._sums import begun


class EnergyBalance(eqx.Module):
    """Scalars along a run, and the powers that change H.

    `hamiltonian`, `lagrangian`: at each sample; `exchanged`: the jump of H because
    the next sample is another; `dissipated`: theta p.dq/dt dt; `work`: what the policy
    of Hamiltonian learning does, (dp/dt + H_q + theta p).H_p dt, zero for Hamilton's
    own equations, or what the constraints of STLP do, zero where they are at rest.
    """

    hamiltonian: Float[Array, "time"]
    lagrangian: Float[Array, "time"]
    exchanged: Float[Array, "time"]
    dissipated: Float[Array, "time"]
    work: Float[Array, "time"]

    @property
    def residual(self) -> Array:
        """dH - exchanged + dissipated - work of each step, of the order dt^2."""
        change = jnp.diff(self.hamiltonian)
        flow = self.exchanged + self.work - self.dissipated
        return change - flow[:-1]

    def rows(self) -> list[dict[str, Any]]:
        """Totals over the run, as the rows of a table."""
        return self._table().rows()

    def __repr__(self) -> str:
        return repr(self._table())

    def _table(self) -> Table:
        H = np.asarray(self.hamiltonian)
        total = lambda leaf: float(np.sum(np.asarray(leaf)[:-1]))
        values = (
            ("change of H", float(H[-1] - H[0])),
            ("exchanged with the signals", total(self.exchanged)),
            ("work of policy or constraints", total(self.work)),
            ("dissipated", -total(self.dissipated)),
            ("left over by the step size", float(np.sum(np.asarray(self.residual)))),
            ("mean L", float(np.mean(np.asarray(self.lagrangian)))),
        )
        return Table("Energy balance", ("part", "energy"), values)


def energy_balance(
    law: AbstractLaw,
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    x0: PyTree = None,
    key: Array | None = None,
    progress: bool = True,
) -> EnergyBalance:
    """The energy balance of a law with a Hamiltonian over a stream.

        dH/dt = d_t H + (dp/dt + H_q + theta p).H_p - theta p.H_p

    with q = (x, w), dq/dt = H_p. For true Hamiltonian equations without dissipation
    and with constant signals H is conserved; a sign flip turns energy, it does not
    conserve it. An update other than `Inertia` moves w by itself, which counts as
    work. STLP has H = T + V, dq/dt = v and p = M v; with R the reaction of the
    constraints

        dH/dt = d_t V + R.v - theta v.M v

    **Arguments:** `law`: `HamiltonianLearning`, another law whose costate is a flow
    and whose update has rates, `HamiltonianFlow` or `STLP`; `samples`: with time as
    leading axis, for STLP with the rates of their input; `network`, `dt`, `x0`,
    `key`: as for `stream`; `progress`: a word on standard error after two seconds.

    **Raises:** `ValueError` for a law without a Hamiltonian.
    """
    watched = _watched(law)
    state, samples, dt = begun(law, network, samples, dt, x0, key)
    first = jax.tree.map(lambda leaf: leaf[0], samples)
    state = watched.law.begin(state, jnp.zeros_like(dt), first)
    with Patience("energy balance", progress=progress):
        found = jax.block_until_ready(_run(watched, state, samples, dt))
    H, L, lost, work, start, end = found
    jump = jnp.concatenate([start[1:] - end[:-1], jnp.zeros_like(end[-1:])])
    return EnergyBalance(H, L, jump, dt * lost, dt * work)


@eqx.filter_jit
def _run(law, state, samples, dt):
    record = lambda state, sample, info: tuple(info.more[name] for name in _PARTS)
    return scan(law, state, samples, dt, record)[1]


_PARTS = ("hamiltonian", "lagrangian", "lost", "work", "start", "end")


def _watched(law: AbstractLaw) -> "_AbstractWatched":
    if isinstance(law, STLP):
        return _Mechanics(law)
    if isinstance(law, HamiltonianFlow):
        return _Canonical(law)
    if (
        isinstance(law, Law)
        and isinstance(law.credit, AbstractCostateFlow)
        and isinstance(law.update, AbstractUpdateFlow)
    ):
        return _Canonical(law)
    wanted = (
        "one with a Hamiltonian (`HamiltonianLearning`, `HamiltonianFlow`, `STLP`, "
        "or a flow of costates with an update that has rates)"
    )
    _checks.reject("law", wanted, f"{law.title}")


class _AbstractWatched(AbstractLaw):
    """A law that reports the powers that change its H at every step.

    `start` and `end` are H before and after the step under its one sample: between
    the end of a step and the start of the next the sample alone is another.
    """

    law: eqx.AbstractVar[Any]

    @abstractmethod
    def powers(self, state: State, sample: Sample, dt: Scalar) -> dict[str, Scalar]:
        """H, L, the power lost and that of all else, where the step begins."""

    @abstractmethod
    def total(self, y: State, rest: PyTree, sample: Sample) -> Scalar:
        """H at a moving state."""

    def init(self, network, *, x0=None, key=None):
        return self.law.init(network, x0=x0, key=key)

    def step(self, state, sample, dt):
        found = self.powers(state, sample, dt)
        found["start"] = self.total(without_rest(state), state.rest, sample)
        after, info = self.law.step(state, sample, dt)
        found["end"] = self.total(without_rest(after), state.rest, sample)
        return after, Info(info.output, info.loss, found)

    def estimate(self, state, sample, dt):
        return self.law.estimate(state, sample, dt)

    def check(self, state, sample, dt):
        self.law.check(state, sample, dt)

    def chosen(self, state):
        return self

    @property
    def title(self):
        return self.law.title


class _Canonical(_AbstractWatched):
    """Hamilton's equations with any policy: dH/dt is H_y times the rate of y."""

    law: Law | HamiltonianFlow
    cost: Cost

    def __init__(self, law: Law | HamiltonianFlow):
        self.law, self.cost = law, law.cost

    def powers(self, state, sample, dt):
        t, y, args = jnp.zeros_like(dt), without_rest(state), (state.rest, sample)
        more = self.law.observe(t, y, args).more
        H_y = jax.grad(self.total)(y, state.rest, sample)
        rate = self.law.vector_field(t, y, args)
        lost = inner(H_y, self._lost(y))
        work = inner(H_y, rate) + lost
        return {"lost": lost, "work": work} | {k: more[k] for k in _PARTS[:2]}

    def total(self, y, rest, sample):
        t = jnp.zeros((), jnp.result_type(*jax.tree.leaves(y.x)))
        return self.law.observe(t, y, (rest, sample)).more["hamiltonian"]

    def _lost(self, y: State) -> State:
        """theta times each costate, in the place of its rate."""
        none = jax.tree.map(jnp.zeros_like, y)
        if isinstance(self.law, HamiltonianFlow):
            theta_x = theta_w = self.law.dissipation
            p_x, memory = y.credit.memory
            lost = (scaled(theta_x, p_x), jax.tree.map(jnp.zeros_like, memory))
        else:
            costate, update = self.law.credit, self.law.update
            theta_x = costate.dissipation if isinstance(costate, CostateFlow) else 0.0
            theta_w = update.dissipation if isinstance(update, Inertia) else 0.0
            lost = scaled(theta_x, y.credit.memory)
        credit = Carried(lost, none.credit.motion, none.credit.key)
        return State(none.x, none.w, credit, scaled(theta_w, y.update), None)


class _Mechanics(_AbstractWatched):
    """STLP: H is kinetic and potential energy, T + V; p.dq/dt is twice T."""

    law: STLP
    cost: Cost

    def __init__(self, law: STLP):
        self.law, self.cost = law, law.cost

    def powers(self, state, sample, dt):
        t, args = jnp.zeros_like(dt), (state.rest, sample)
        y = without_rest(self.law.project(t, without_rest(state), args))
        more = self.law.observe(t, y, args).more
        H, L = more["energy"], more["lagrangian"]
        reacted = self.law.motion(state.rest.fixed.gram).react(t, phase(y), args)
        lost = self.law.dissipation.astype(H.dtype) * (H + L)
        work = inner(reacted.reaction, phase(y).v)
        return {"hamiltonian": H, "lagrangian": L, "lost": lost, "work": work}

    def total(self, y, rest, sample):
        t = jnp.zeros((), jnp.result_type(*jax.tree.leaves(y.x)))
        return self.law.observe(t, y, (rest, sample)).more["energy"]
