"""Where the energy of a law comes from and goes to, along a run."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float, PyTree
from ..action.action import hamiltonian, lagrangian_at
from ..action.cognitive import potential_energy
from ..action.trees import inner
from ..networks.partition import join
from ..rules.hamiltonian import HamiltonianLearning
from ..rules.stlp import STLP
from ..signals import samples as _samples
from ..signals.signal import Sample
from ._table import Table


class Energy(eqx.Module):
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


def energy(
    rule: HamiltonianLearning | STLP,
    network: Any,
    samples: Sample,
    *,
    dt: Any,
    x0: PyTree = None,
    key: Array | None = None,
) -> Energy:
    """The energy balance of Hamiltonian learning or of STLP over a stream.

        dH/dt = d_t H + (dp/dt + H_q + theta p).H_p - theta p.H_p

    with q = (x, w), dq/dt = H_p. For true Hamiltonian equations without dissipation
    and with constant signals H is conserved; a sign flip turns energy, it does not
    conserve it. STLP has H = T + V, dq/dt = v and p = M v; with R the reaction of the
    constraints

        dH/dt = d_t V + R.v - theta v.M v

    **Arguments:** `samples`: with time as leading axis, for STLP with the rates of
    their input; `rule`, `network`, `dt`, `x0`, `key`: as for `stream`.
    """
    _checks.instance("rule", rule, (HamiltonianLearning, STLP))
    state = rule.init(network, x0=x0, key=key)
    dt = jnp.asarray(dt, _samples.state_dtype(state))
    if isinstance(rule, HamiltonianLearning):
        return _balance(_Flow(rule), state, samples, dt)
    first = jax.tree.map(lambda leaf: leaf[0], samples)
    state = rule.begin(state, jnp.zeros_like(dt), first)
    return _balance(_Mechanics(rule), state, samples, dt)


@eqx.filter_jit
def _balance(law, state, samples, dt):
    moving, still = eqx.partition(state, eqx.is_array)
    following = jax.tree.map(
        lambda leaf: jnp.concatenate([leaf[1:], leaf[-1:]]), samples
    )

    def body(moving, now):
        (sample, after), state = now, eqx.combine(moving, still)
        parts = law.powers(state, sample, dt)
        state, _ = law.rule.step(state, sample, dt)
        jump = law.total(state, after) - law.total(state, sample)
        return eqx.filter(state, eqx.is_array), (*parts, jump)

    _, (H, L, dissipated, work, jump) = jax.lax.scan(body, moving, (samples, following))
    return Energy(H, L, jump, dissipated, work)


class _Flow(eqx.Module):
    """Hamiltonian learning: H is the Hamiltonian."""

    rule: HamiltonianLearning

    def powers(self, state, sample, dt):
        """(H, L, energy dissipated, work) of the step that begins here."""
        y, theta = state.flow, self.rule.cost.dissipation
        q, p = (y.x, y.w), (y.p_x, y.p_w)
        value, (H_q, H_p) = jax.value_and_grad(self._H, argnums=(0, 1))(
            q, p, state.frozen, sample
        )
        rate = self.rule.vector_field(jnp.zeros_like(dt), y, (state.frozen, sample))
        lost = theta * inner(p, H_p)
        work = inner((rate.p_x, rate.p_w), H_p) + inner(H_q, H_p) + lost
        network = join(y.w, state.frozen)
        L = lagrangian_at(self.rule.cost, network, y.x, y.p_w, sample)
        return value, L, dt * lost, dt * work

    def total(self, state, sample):
        y = state.flow
        return self._H((y.x, y.w), (y.p_x, y.p_w), state.frozen, sample)

    def _H(self, q, p, frozen, sample):
        network = join(q[1], frozen)
        return hamiltonian(self.rule.cost, network, q[0], p[0], p[1], sample)


class _Mechanics(eqx.Module):
    """STLP: H is kinetic and potential energy."""

    rule: STLP

    def powers(self, state, sample, dt):
        """(H, L, energy dissipated, work) of the step that begins here."""
        t, args = jnp.zeros_like(dt), (state.still, sample)
        y = self.rule.project(t, state.flow, args)
        info = self.rule.observe(t, y, args)
        twice_kinetic = info.energy + info.lagrangian
        reaction = self.rule.motion(state.still.gram).react(t, y, args).reaction
        lost = self.rule.cost.dissipation * twice_kinetic
        return info.energy, info.lagrangian, dt * lost, dt * inner(reaction, y.v)

    def total(self, state, sample):
        """V alone: T does not know the sample."""
        rule = self.rule
        return potential_energy(
            rule.cost, state.network, state.flow.q, sample,
            slack=rule.slack, potential=rule.potential,
        )  # fmt: skip
