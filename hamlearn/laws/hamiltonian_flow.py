"""Any Hamiltonian over states and weights as a law."""

from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Number, Params, PyTree, Scalar
from ..action.action import hamiltonian
from ..action.cost import Cost, as_number, output_loss
from ..action.trees import anew, inner, moved
from ..mechanics.causal import AbstractPolicy, causal_hamilton
from ..networks.base import Network
from ..networks.dynamics import started
from ..networks.partition import join, split
from ..signals.signal import Sample
from ..signals.streams import stream_samples
from .base import (
    AbstractFlow,
    Carried,
    Info,
    Rest,
    State,
    check_solver,
    solver_step,
    weights_held,
    without_rest,
)

OwnHamiltonian = Callable[[Network, PyTree, PyTree, Params, Sample], Scalar]


class LearningHamiltonian(eqx.Module):
    """H = ell + p_x.f - |p_w|^2/(2r), see `hl.action.hamiltonian`."""

    cost: Cost
    inertia: Number

    def __call__(self, network, x, p_x, p_w, sample) -> Scalar:
        """H at state x and costates p_x, p_w; `network` holds w."""
        return hamiltonian(
            self.cost, network, x, p_x, p_w, sample, inertia=self.inertia
        )


class HamiltonianFlow(AbstractFlow):
    """Hamilton's equations of any H over q = (x, w), with the costates of a policy.

        dq/dt = H_p,   dp/dt as the policy says (-s H_q - theta p),   p(0) = 0

    In one step both costates move, then the weights, then the state, each with what
    is newest; with a `solver` all at once.

    **Arguments:** `cost`: for the loss that is reported; `scalar`:
    H(network, x, p_x, p_w, sample); `policy`; `dissipation`: theta >= 0, in 1/time;
    `solver`; `name`: its title.
    """

    cost: Cost
    scalar: OwnHamiltonian
    policy: AbstractPolicy
    dissipation: Scalar
    solver: dfx.AbstractSolver | None
    name: str = eqx.field(static=True)

    def __init__(
        self,
        cost: Cost | None,
        scalar: OwnHamiltonian,
        policy: AbstractPolicy,
        dissipation: Number = 0.0,
        solver: dfx.AbstractSolver | None = None,
        name: str = "Hamiltonian flow",
    ):
        self.cost = Cost() if cost is None else cost
        _checks.function("hamiltonian", scalar, "network, x, p_x, p_w and sample")
        _checks.instance("policy", policy, AbstractPolicy)
        _checks.non_negative("dissipation", dissipation)
        if solver is not None:
            check_solver(solver)
        self.scalar, self.policy, self.solver = scalar, policy, solver
        self.dissipation, self.name = as_number(dissipation), name

    @property
    def title(self) -> str:
        return self.name

    def init(self, network, *, x0=None, key=None) -> State:
        network, x = started(network, x0, key)
        w, frozen = split(network)
        p_x, p_w = jax.tree.map(jnp.zeros_like, (x, w))
        memory = (p_x, self.policy.init((x, w)))
        return State(x, w, Carried(memory), p_w, Rest(frozen))

    def step(self, state, sample, dt):
        return self._stepped(self._restarted(state, sample), sample, dt)

    def estimate(self, state, sample, dt):
        state = self._restarted(state, sample)
        H_w = jax.grad(lambda w: self._value(state.x, w, state, sample))(state.w)
        after, info = self._stepped(state, sample, dt, held=True)
        w, update = state.w, state.update
        return H_w, State(after.x, w, after.credit, update, state.rest), info

    def check(self, state: State, sample: Sample, dt: Number) -> None:
        return None

    def chosen(self, state):
        return self

    def no_rates(self) -> str | None:
        kind = type(self.policy).__name__
        return f"`{kind}`, which jumps between samples" if self.policy.jumps else None

    def begin(self, state, t, signal):
        return state

    def vector_field(self, t: Number, y: State, args: PyTree) -> State:
        """(dx/dt, dw/dt, dp_x/dt, dp_w/dt) by one gradient of H."""
        rest, signal = args
        p_x, memory = y.credit.memory
        field = causal_hamilton(
            self._scalar_at, self.policy, dissipation=self._theta(y)
        )
        motion = (y.x, y.w), (p_x, y.update), memory
        q, p, memory = field(t, motion, (rest, signal(t)))
        return State(q[0], q[1], Carried((p[0], memory)), p[1], None)

    def observe(self, t: Number, y: State, args: PyTree) -> Info:
        """Output, loss, L = H - p.dq/dt and H."""
        rest, signal = args
        sample, network = signal(t), join(y.w, rest.frozen)
        output = network.readout(y.x, sample.input)
        q, p = (y.x, y.w), (y.credit.memory[0], y.update)
        at = lambda p: self._scalar_at(t, q, p, (rest, sample))
        value, H_p = jax.value_and_grad(at)(p)
        scalars = {"lagrangian": value - inner(p, H_p), "hamiltonian": value}
        return Info(output, output_loss(self.cost, output, sample), scalars)

    def _restarted(self, state, sample):
        """State and p_x anew where an episode begins; weights and p_w go on, and so
        does the memory of the policy, which is of both."""
        if sample.start is None:
            return state
        network, (p_x, memory) = state.network, state.credit.memory
        start = jnp.asarray(stream_samples(network, sample).start)
        fresh = network.initial_state(), jax.tree.map(jnp.zeros_like, p_x)
        x, p_x = anew(start, fresh, (state.x, p_x))
        return State(x, state.w, Carried((p_x, memory)), state.update, state.rest)

    def _stepped(self, state, sample, dt, *, held=False):
        t, args = jnp.zeros_like(dt), (state.rest, sample)
        info = self.observe(t, without_rest(state), args)
        if self.solver is None:
            state = self._in_turn(state, sample, dt, held)
        else:
            field = weights_held(self.vector_field) if held else self.vector_field
            state = solver_step(self.solver, field, state, sample, dt)
        p_x, memory = state.credit.memory
        p, memory = self.policy.settle(
            (p_x, state.update), info.more["hamiltonian"], memory
        )
        carried = Carried((p[0], memory))
        return State(state.x, state.w, carried, p[1], state.rest), info

    def _in_turn(self, state, sample, dt, held):
        t, args = jnp.zeros_like(dt), (state.rest, sample)
        field = weights_held(self.vector_field) if held else self.vector_field
        rate = field(t, without_rest(state), args)
        memory = moved(state.credit.memory, dt, rate.credit.memory)
        p = memory[0], moved(state.update, dt, rate.update)
        H = lambda q, p: self._scalar_at(t, q, p, args)
        velocity = lambda q: jax.grad(lambda p: H(q, p))(p)
        w = state.w
        if not held:
            w = moved(w, dt, velocity((state.x, w))[1])
        x = moved(state.x, dt, velocity((state.x, w))[0])
        return State(x, w, Carried(memory), p[1], state.rest)

    def _scalar_at(self, t: Number | None, q: PyTree, p: PyTree, args: Any) -> Scalar:
        rest, sample = args
        (x, w), (p_x, p_w) = q, p
        return self.scalar(join(w, rest.frozen), x, p_x, p_w, sample)

    def _value(self, x, w, state, sample):
        p = state.credit.memory[0], state.update
        return self._scalar_at(None, (x, w), p, (state.rest, sample))

    def _theta(self, y):
        return self.dissipation.astype(jnp.result_type(*jax.tree.leaves(y.x)))
