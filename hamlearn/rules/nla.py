"""Neuronal least action: voltages that follow the minimum of the energy itself."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from .. import _checks
from .._types import Array, Float, Params, PyTree, Scalar
from ..action.cost import Cost, output_loss
from ..action.prospective import prospective_energy
from ..mechanics.solvers import Euler
from ..networks.base import AbstractNetwork
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ._base import AbstractFlow, solver_step
from ._streams import checked_voltage, over_streams, single, stream_samples


class NLAFlow(eqx.Module):
    """What moves: voltages and weights."""

    u: Float[Array, "*batch neurons"]
    w: Params


class NLAState(eqx.Module):
    """The flow, and the rest of the network."""

    flow: NLAFlow
    frozen: PyTree

    @property
    def network(self) -> AbstractNetwork:
        """The network with its present weights."""
        return join(self.flow.w, self.frozen)


class NLAInfo(eqx.Module):
    """Output, loss and the energy E."""

    output: Float[Array, "*time_batch outputs"]
    loss: Float[Array, "*time"]
    energy: Float[Array, "*time"]


class NLA(AbstractFlow):
    """Neuronal least action: a Newton flow on the energy, with prediction.

    The prospective energy E at um = ur = u, where u looks ahead of a low-pass copy of
    itself; least action in that copy is

        (1 + tau d/dt) dE/du = 0
        Hess du/dt = -(1/tau) dE/du - d/dt dE/du at fixed u,     dw/dt = -eta dE/dw

    so that |dE/du| falls by e^-1 in every tau, whatever the input does. What
    voltages then follow, dE/du = 0, is what `LE` follows at once and in O(edges); the
    Hessian here is met by conjugate gradients, each iteration O(edges).

    Samples that carry the rates of their input and target (`Signal.jets`) are
    followed without a lag; after a jump of held ones u takes a few tau.

    **Arguments:**

    - `cost`: C; `rate`: eta >= 0 of the weights; `nudging`: beta > 0 of the energy.
    - `solver`: any diffrax solver, one step of which is taken a sample.
    - `linear_solver`: any of lineax for a positive definite Hessian.

    tau is the membrane time constant of each neuron; tau_r is not used.

    Senn et al. (2024), "A neuronal least-action principle for real-time learning in
    cortical circuits", eLife.
    """

    cost: Cost
    rate: Scalar
    nudging: Scalar
    solver: dfx.AbstractSolver
    linear_solver: lx.AbstractLinearSolver

    def __init__(
        self,
        cost: Cost | None = None,
        *,
        rate: Any = 1e-3,
        nudging: Any = 0.1,
        solver: dfx.AbstractSolver | None = None,
        linear_solver: lx.AbstractLinearSolver | None = None,
    ):
        self.cost = Cost() if cost is None else cost
        _checks.instance("cost", self.cost, Cost)
        _checks.non_negative("rate", rate)
        _checks.positive("nudging", nudging)
        self.rate, self.nudging = jnp.asarray(rate), jnp.asarray(nudging)
        self.solver = Euler() if solver is None else solver
        cg = lx.CG(rtol=1e-8, atol=1e-12)
        self.linear_solver = cg if linear_solver is None else linear_solver
        _checks.instance("solver", self.solver, dfx.AbstractSolver)
        _checks.instance("linear_solver", self.linear_solver, lx.AbstractLinearSolver)

    @property
    def jumps(self) -> bool:
        return False

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> NLAState:
        network = as_network(network, x0)
        checked_voltage(network)
        u = network.initial_state() if x0 is None else jnp.asarray(x0)
        w, frozen = split(network)
        times = {"membrane_time_constant", "prospective_time_constant"} & set(w)
        if times:
            wanted = "without time constants: the energy at um = ur does not hold them"
            _checks.reject("network.learn", wanted, sorted(times))
        return NLAState(NLAFlow(u, w), frozen)

    def step(self, state, sample, dt):
        sample = stream_samples(state.network, sample)
        y, args = state.flow, (state.frozen, sample)
        info = self.observe(jnp.zeros_like(dt), y, args)
        return NLAState(solver_step(self.solver, self, y, args, dt), state.frozen), info

    def vector_field(self, t, y: NLAFlow, args) -> NLAFlow:
        """(du/dt, dw/dt)."""
        frozen, signal = args
        E = lambda u, w, t: self._energy(u, join(w, frozen), signal(t))
        descent = jax.grad(E, argnums=1)(y.u, y.w, t)
        w_rate = jax.tree.map(lambda g: -self.rate.astype(g.dtype) * g, descent)
        slope = lambda u, w, t: jax.grad(E)(u, w, t)
        E_u, drift = jax.jvp(
            lambda w, t: slope(y.u, w, t), (y.w, t), (w_rate, jnp.ones_like(t))
        )
        tau = single(join(y.w, frozen)).tau_m
        _, hessian = jax.linearize(lambda u: slope(u, y.w, t), y.u)
        operator = lx.FunctionLinearOperator(
            hessian,
            jax.ShapeDtypeStruct(y.u.shape, y.u.dtype),
            lx.positive_semidefinite_tag,
        )
        solution = lx.linear_solve(
            operator, -E_u / tau - drift, self.linear_solver, throw=False
        )
        return NLAFlow(solution.value, w_rate)

    def observe(self, t, y: NLAFlow, args) -> NLAInfo:
        """Output, loss and energy at time t."""
        frozen, signal = args
        sample, network = signal(t), join(y.w, frozen)
        output = over_streams(network, single(network).output)(y.u)
        loss = output_loss(self.cost, output, sample)
        return NLAInfo(output, loss, self._energy(y.u, network, sample))

    def flow(self, state: NLAState) -> NLAFlow:
        return state.flow

    def still(self, state: NLAState) -> PyTree:
        return state.frozen

    def join(self, flow: NLAFlow, still: PyTree) -> NLAState:
        return NLAState(flow, still)

    def _energy(self, u, network, sample) -> Scalar:
        """E(u, u), the mean over the streams of a batch."""
        beta = self.nudging.astype(u.dtype)

        def one(u, sample):
            return prospective_energy(
                self.cost, single(network), u, u, sample, nudging=beta
            )

        return jnp.mean(over_streams(network, one)(u, sample))
