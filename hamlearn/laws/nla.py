"""Neuronal least action: voltages that follow the minimum of the energy itself."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from .. import _checks
from .._types import Number, PyTree, Scalar
from ..action.cost import Cost, as_number, output_loss
from ..action.prospective import prospective_energy
from ..action.trees import anew
from ..costates.prospective import require_voltages
from ..mechanics.solvers import Euler
from ..networks.batch import over_mean, over_streams, single
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
    without_rest,
)


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
    - `solver`: any diffrax solver, one step of which is taken per sample.
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
        rate: Number = 1e-3,
        nudging: Number = 0.1,
        solver: dfx.AbstractSolver | None = None,
        linear_solver: lx.AbstractLinearSolver | None = None,
    ):
        self.cost = Cost() if cost is None else cost
        _checks.instance("cost", self.cost, Cost)
        _checks.non_negative("rate", rate)
        _checks.positive("nudging", nudging)
        self.rate, self.nudging = as_number(rate), as_number(nudging)
        self.solver = Euler() if solver is None else solver
        cg = lx.CG(rtol=1e-8, atol=1e-12)
        self.linear_solver = cg if linear_solver is None else linear_solver
        check_solver(self.solver)
        _checks.instance("linear_solver", self.linear_solver, lx.AbstractLinearSolver)

    @property
    def title(self) -> str:
        return "NLA"

    def init(self, network, *, x0=None, key=None) -> State:
        network, u = started(network, x0, key)
        require_voltages(single(network))
        w, frozen = split(network)
        times = {"membrane_time_constant", "prospective_time_constant"} & set(w)
        if times:
            wanted = "without time constants: the energy at um = ur does not hold them"
            _checks.reject("network.learn", wanted, sorted(times))
        return State(u, w, Carried(None), None, Rest(frozen))

    def step(self, state, sample, dt):
        state, sample = self._restarted(state, sample)
        args = (state.rest, sample)
        info = self.observe(jnp.zeros_like(dt), without_rest(state), args)
        return solver_step(self.solver, self.vector_field, state, sample, dt), info

    def estimate(self, state, sample, dt):
        state, sample = self._restarted(state, sample)
        E = lambda w: self._energy(state.x, join(w, state.rest.frozen), sample)
        g = jax.grad(E)(state.w)
        held = eqx.tree_at(lambda law: law.rate, self, jnp.zeros_like(self.rate))
        return g, *held.step(state, sample, dt)

    def check(self, state: State, sample: Sample, dt: Number) -> None:
        return None

    def chosen(self, state):
        return self

    def no_rates(self) -> str | None:
        return None

    def begin(self, state, t, signal):
        return state

    def vector_field(self, t: Number, y: State, args: PyTree) -> State:
        """(du/dt, dw/dt)."""
        rest, signal = args
        E = lambda u, w, t: self._energy(u, join(w, rest.frozen), signal(t))
        descent = jax.grad(E, argnums=1)(y.x, y.w, t)
        w_rate = jax.tree.map(lambda g: -self.rate.astype(g.dtype) * g, descent)
        slope = lambda u, w, t: jax.grad(E)(u, w, t)
        E_u, drift = jax.jvp(
            lambda w, t: slope(y.x, w, t), (y.w, t), (w_rate, jnp.ones_like(t))
        )
        tau = single(join(y.w, rest.frozen)).tau_m
        _, hessian = jax.linearize(lambda u: slope(u, y.w, t), y.x)
        operator = lx.FunctionLinearOperator(
            hessian,
            jax.ShapeDtypeStruct(y.x.shape, y.x.dtype),
            lx.positive_semidefinite_tag,
        )
        solution = lx.linear_solve(
            operator, -E_u / tau - drift, self.linear_solver, throw=False
        )
        return State(solution.value, w_rate, Carried(None), None, None)

    def observe(self, t: Number, y: State, args: PyTree) -> Info:
        """Output, loss and energy at time t."""
        rest, signal = args
        sample, network = signal(t), join(y.w, rest.frozen)
        output = over_streams(network, single(network).output)(y.x)
        loss = output_loss(self.cost, output, sample)
        return Info(output, loss, {"energy": self._energy(y.x, network, sample)})

    def _restarted(self, state, sample):
        """(voltages anew where an episode begins, the sample of every stream)."""
        sample = stream_samples(state.network, sample)
        if sample.start is None:
            return state, sample
        fresh = state.network.initial_state()
        u = anew(jnp.asarray(sample.start), fresh, state.x)
        return State(u, state.w, state.credit, state.update, state.rest), sample

    def _energy(self, u, network, sample) -> Scalar:
        """E(u, u), the mean over the streams of a batch."""
        beta = self.nudging.astype(u.dtype)

        def one(u, sample):
            return prospective_energy(
                self.cost, single(network), u, u, sample, nudging=beta
            )

        return over_mean(network, over_streams(network, one)(u, sample))
