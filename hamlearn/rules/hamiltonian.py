"""Hamiltonian learning: state, weights and their costates as one flow in time."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Params, PyTree, Scalar
from ..action.action import hamiltonian, lagrangian_at
from ..action.cost import Cost, output_loss
from ..costates.sign import SignFlip
from ..mechanics.causal import AbstractPolicy, causal_hamilton
from ..mechanics.solvers import Euler
from ..networks.base import AbstractNetwork
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ._base import AbstractFlow, solver_step


class HamiltonianFlow(eqx.Module):
    """What moves: state x, weights w, costates p_x and p_w, memory of the policy."""

    x: PyTree
    w: Params
    p_x: PyTree
    p_w: Params
    memory: PyTree


class HamiltonianState(eqx.Module):
    """The flow and the part of the network that does not learn."""

    flow: HamiltonianFlow
    frozen: PyTree

    @property
    def network(self) -> AbstractNetwork:
        """The network with its present weights."""
        return join(self.flow.w, self.frozen)


class HamiltonianInfo(eqx.Module):
    """Output and loss, Lagrangian and Hamiltonian (without the factor e^{theta t})."""

    output: Float[Array, "*batch outputs"]
    loss: Float[Array, "*time"]
    lagrangian: Float[Array, "*time"]
    hamiltonian: Float[Array, "*time"]


class HamiltonianLearning(AbstractFlow):
    """Learning as optimal control, forward in time.

        dx/dt = H_{p_x} = f(x, w, u)          dw/dt = H_{p_w} = -p_w / r
        dp/dt = -s H_q - theta p,   q = (x, w),   p(0) = 0

    All four come from one gradient of the scalar `hamiltonian`, O(edges) in time and
    memory; nothing is stored of the past. With s = 1 these are Hamilton's equations,
    whose costates have their condition at the end of time. The policy chooses what
    to do about that; `SignFlip` is s = -1. Without dissipation the flipped flow does
    worse than predicting zero: choose theta near sqrt((r_w + q)/r).

    As the time constants go to zero p_x tends to Backprop's errors, with an error of
    the order of the time constant; for recurrent networks to the fixed-point gradient
    of recurrent backpropagation.

    **Arguments:** `cost`: what is minimised; `policy`: how the costate is made
    causal; `solver`: any diffrax solver, one step of which is taken a sample.

    Betti & Gori (2024), theorems 1 and 2; Melacci, Betti, Casoni, Guidi, Tiezzi,
    Tiezzi, "A Unified Framework for Neural Computation and Learning Over Time".
    """

    cost: Cost
    policy: AbstractPolicy
    solver: dfx.AbstractSolver

    def __init__(
        self,
        cost: Cost | None = None,
        policy: AbstractPolicy | None = None,
        solver: dfx.AbstractSolver | None = None,
    ):
        self.cost = Cost() if cost is None else cost
        self.policy = SignFlip() if policy is None else policy
        self.solver = Euler() if solver is None else solver
        _checks.instance("cost", self.cost, Cost)
        _checks.instance("policy", self.policy, AbstractPolicy)
        _checks.instance("solver", self.solver, dfx.AbstractSolver)

    @property
    def jumps(self) -> bool:
        return self.policy.jumps

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> HamiltonianState:
        network = as_network(network, x0)
        x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
        w, frozen = split(network)
        zeros = jax.tree.map(jnp.zeros_like, (x, w))
        flow = HamiltonianFlow(x, w, *zeros, memory=self.policy.init((x, w)))
        return HamiltonianState(flow, frozen)

    def step(self, state, sample, dt):
        y, args = state.flow, (state.frozen, sample)
        info = self.observe(jnp.zeros_like(dt), y, args)
        y = solver_step(self.solver, self, y, args, dt)
        p, memory = self.policy.settle((y.p_x, y.p_w), info.hamiltonian, y.memory)
        return HamiltonianState(
            HamiltonianFlow(y.x, y.w, *p, memory=memory), state.frozen
        ), info

    def vector_field(self, t, y: HamiltonianFlow, args) -> HamiltonianFlow:
        """(dx/dt, dw/dt, dp_x/dt, dp_w/dt) by one gradient of the Hamiltonian."""
        field = causal_hamilton(
            self._hamiltonian, self.policy, dissipation=self.cost.dissipation
        )
        q, p = (y.x, y.w), (y.p_x, y.p_w)
        q_rate, p_rate, memory_rate = field(t, (q, p, y.memory), args)
        return HamiltonianFlow(*q_rate, *p_rate, memory=memory_rate)

    def observe(self, t, y: HamiltonianFlow, args) -> HamiltonianInfo:
        """Output, loss, L and H, with dw/dt = -p_w/r."""
        frozen, signal = args
        sample, network = signal(t), join(y.w, frozen)
        output = network.readout(y.x, sample.input)
        return HamiltonianInfo(
            output,
            output_loss(self.cost, output, sample),
            lagrangian_at(self.cost, network, y.x, y.p_w, sample),
            hamiltonian(self.cost, network, y.x, y.p_x, y.p_w, sample),
        )

    def flow(self, state: HamiltonianState) -> HamiltonianFlow:
        return state.flow

    def still(self, state: HamiltonianState) -> PyTree:
        return state.frozen

    def join(self, flow: HamiltonianFlow, still: PyTree) -> HamiltonianState:
        return HamiltonianState(flow, still)

    def _hamiltonian(self, t: Scalar, q: Any, p: Any, args: Any) -> Scalar:
        """H of q = (x, w) and p = (p_x, p_w)."""
        frozen, signal = args
        (x, w), (p_x, p_w) = q, p
        return hamiltonian(self.cost, join(w, frozen), x, p_x, p_w, signal(t))
