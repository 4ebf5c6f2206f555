"""Where the energy of Hamiltonian learning comes from and goes to, along a run."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._action import hamiltonian, inner, lagrangian_at
from .._network import join
from .._signal import Sample
from .._types import Array, Float, PyTree
from ..rules.hamiltonian import HamiltonianLearning
from ._table import Table


class Energy(eqx.Module):
    """Scalars along a run, and the powers that change H.

    `hamiltonian`, `lagrangian`: at each sample; `exchanged`: the jump of H because
    the next sample is another; `dissipated`: theta p.H_p dt; `turned`: the work of
    the policy, (dp/dt + H_q + theta p).H_p dt, zero for Hamilton's own equations.
    """

    hamiltonian: Float[Array, "time"]
    lagrangian: Float[Array, "time"]
    exchanged: Float[Array, "time"]
    dissipated: Float[Array, "time"]
    turned: Float[Array, "time"]

    @property
    def residual(self) -> Array:
        """dH - exchanged + dissipated - turned of each step, of the order dt^2."""
        change = jnp.diff(self.hamiltonian)
        flow = self.exchanged + self.turned - self.dissipated
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
            ("turned by the policy", total(self.turned)),
            ("dissipated", -total(self.dissipated)),
            ("left over by the step size", float(np.sum(np.asarray(self.residual)))),
            ("mean L", float(np.mean(np.asarray(self.lagrangian)))),
        )
        return Table("Energy balance", ("part", "energy"), values)


def energy(
    rule: HamiltonianLearning,
    network: Any,
    samples: Sample,
    *,
    dt: Any,
    x0: PyTree = None,
    key: Array | None = None,
) -> Energy:
    """The energy balance of Hamiltonian learning over a stream.

        dH/dt = d_t H + (dp/dt + H_q + theta p).H_p - theta p.H_p

    with q = (x, w), dq/dt = H_p. For true Hamiltonian equations without dissipation
    and with constant signals H is conserved; a sign flip turns energy, it does not
    conserve it.

    **Arguments:** `samples`: with time as leading axis; `rule`, `network`, `dt`, `x0`,
    `key`: as for `stream`.
    """
    _checks.instance("rule", rule, HamiltonianLearning)
    state = rule.init(network, x0=x0, key=key)
    dt = jnp.asarray(dt, jnp.result_type(*state.flow.w.values()))
    return _energy(rule, state, samples, dt)


@eqx.filter_jit
def _energy(rule, state, samples, dt):
    moving, still = eqx.partition(state, eqx.is_array)
    following = jax.tree.map(
        lambda leaf: jnp.concatenate([leaf[1:], leaf[-1:]]), samples
    )

    def body(moving, now):
        (sample, after), state = now, eqx.combine(moving, still)
        parts = _powers(rule, state, sample, dt)
        state, _ = rule.step(state, sample, dt)
        y = state.flow
        jump = _H(rule, state.frozen, after)(*_split(y)) - _H(
            rule, state.frozen, sample
        )(*_split(y))
        return eqx.filter(state, eqx.is_array), (*parts, jump)

    _, (H, L, dissipated, turned, jump) = jax.lax.scan(
        body, moving, (samples, following)
    )
    return Energy(H, L, jump, dissipated, turned)


def _powers(rule, state, sample, dt):
    """(H, L, energy dissipated and turned over the step that begins here)."""
    y, theta = state.flow, rule.cost.dissipation
    q, p = _split(y)
    H = _H(rule, state.frozen, sample)
    value, (H_q, H_p) = jax.value_and_grad(H, argnums=(0, 1))(q, p)
    rate = rule.vector_field(jnp.zeros_like(dt), y, (state.frozen, sample))
    p_rate = (rate.p_x, rate.p_w)
    lost = theta * inner(p, H_p)
    turned = inner(p_rate, H_p) + inner(H_q, H_p) + lost
    network = join(y.w, state.frozen)
    L = lagrangian_at(rule.cost, network, y.x, y.p_w, sample)
    return value, L, dt * lost, dt * turned


def _H(rule, frozen, sample):
    def H(q, p):
        return hamiltonian(rule.cost, join(q[1], frozen), q[0], p[0], p[1], sample)

    return H


def _split(y):
    return (y.x, y.w), (y.p_x, y.p_w)
