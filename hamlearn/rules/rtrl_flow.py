"""Real-time recurrent learning as a differential equation."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Int, Params, PyTree, Scalar
from ..action.cost import Cost, output_loss, running_cost
from ..mechanics.solvers import Euler
from ..networks.base import AbstractNetwork
from ..networks.batch import Batch
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ..signals.signal import Sample
from ._base import AbstractFlow, solver_step
from ._online import OnlineInfo, checked_cost
from ._rows import Slopes, moving, slopes
from ._sensitivity import (
    along_any,
    along_rows,
    credited,
    flat_receivers,
    no_sensitivity,
)
from ._streams import single, stream_samples


class SensitivityFlow(eqx.Module):
    """What moves: state x, weights w, sensitivities S = dx/dw, one a stream."""

    x: PyTree
    w: Params
    S: Float[Array, "*batch n weights"]


class SensitivityStill(eqx.Module):
    """The part of the network that does not learn, and where its weights act."""

    frozen: PyTree
    rows: Int[Array, "weights"] | None


class RTRLFlowState(eqx.Module):
    """The flow and what it leaves alone."""

    flow: SensitivityFlow
    still: SensitivityStill

    @property
    def network(self) -> AbstractNetwork:
        """The network with its present weights."""
        return join(self.flow.w, self.still.frozen)


class RTRLFlow(AbstractFlow):
    """Exact gradients forward in continuous time, by the sensitivity equation.

        dx/dt = f(x, w, u)      dS/dt = f_x S + f_w,   S = dx/dw, S(0) = 0
        g = ell_w + ell_x S     dw/dt = -rate g

    With the weights held (rate 0) the integral of g is the gradient of the integral
    of ell: what the adjoint method finds after the end of time. With moving weights
    S is exact to the order of the rate. Euler steps make it `RTRL` with plain SGD.

    In a `RateNetwork`, or a `VoltageNetwork` with tau_r = 0, f_w has one entry a
    weight and f_x S is taken edge by edge, as in `RTRL`; any other module goes
    through forward derivatives. S is n times the number of weights that move the
    state, and that memory is constant in time.

    **Arguments:** `cost`: what is minimised; `rate` >= 0: of the gradient flow, in
    1/time; `solver`: any diffrax solver, one step of which is taken a sample.

    Williams & Zipser (1989), "A learning algorithm for continually running fully
    recurrent neural networks", section 4, in continuous time.
    """

    cost: Cost
    rate: Scalar
    solver: dfx.AbstractSolver

    def __init__(
        self,
        cost: Cost | None = None,
        *,
        rate: Any = 0.01,
        solver: dfx.AbstractSolver | None = None,
    ):
        _checks.non_negative("rate", rate)
        self.cost = checked_cost(cost)
        self.rate = jnp.asarray(rate)
        self.solver = Euler() if solver is None else solver
        _checks.instance("solver", self.solver, dfx.AbstractSolver)

    @property
    def jumps(self) -> bool:
        return False

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> RTRLFlowState:
        network = as_network(network, x0)
        x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
        w, frozen = split(network)
        inside, one = single(network), x
        if isinstance(network, Batch):
            one = jax.tree.map(lambda leaf: leaf[0], x)
        own = moving(inside, split(inside)[0])
        S = no_sensitivity(one, own)
        if isinstance(network, Batch):
            S = jnp.broadcast_to(S, (network.size, *S.shape))
        still = SensitivityStill(frozen, flat_receivers(inside, own))
        return RTRLFlowState(SensitivityFlow(x, w, S), still)

    def step(self, state, sample, dt):
        y, args = state.flow, (state.still, sample)
        info = self.observe(jnp.zeros_like(dt), y, args)
        y = solver_step(self.solver, self, y, args, dt)
        return RTRLFlowState(y, state.still), info

    def vector_field(self, t, y: SensitivityFlow, args) -> SensitivityFlow:
        """(dx/dt, dw/dt, dS/dt)."""
        still, signal = args
        network = join(y.w, still.frozen)
        along = lambda x, S, sample: _along(single(network), still.rows, x, S, sample)
        if isinstance(network, Batch):
            along = jax.vmap(along)
        sample = stream_samples(network, signal(t))
        x_rate, S_rate = along(y.x, y.S, sample)
        g = self.gradient(t, y, args)
        w_rate = jax.tree.map(lambda g: -self.rate.astype(g.dtype) * g, g)
        return SensitivityFlow(x_rate, w_rate, S_rate)

    def gradient(self, t: Scalar, y: SensitivityFlow, args: Any) -> Params:
        """g = ell_w + ell_x S at time t, the mean over the streams of a batch."""
        still, signal = args
        network = join(y.w, still.frozen)
        sample = stream_samples(network, signal(t))
        credit = lambda x, S, sample: _credit(self.cost, single(network), x, S, sample)
        if not isinstance(network, Batch):
            return credit(y.x, y.S, sample)
        g = jax.vmap(credit)(y.x, y.S, sample)
        return {f"network.{name}": jnp.mean(leaf, 0) for name, leaf in g.items()}

    def observe(self, t, y: SensitivityFlow, args) -> OnlineInfo:
        """Output and loss."""
        still, signal = args
        sample, network = signal(t), join(y.w, still.frozen)
        output = network.readout(y.x, sample.input)
        return OnlineInfo(output, output_loss(self.cost, output, sample))

    def flow(self, state: RTRLFlowState) -> SensitivityFlow:
        return state.flow

    def still(self, state: RTRLFlowState) -> SensitivityStill:
        return state.still

    def join(self, flow: SensitivityFlow, still: SensitivityStill) -> RTRLFlowState:
        return RTRLFlowState(flow, still)


def _credit(cost: Cost, network: Any, x: PyTree, S: Array, sample: Sample) -> Params:
    """ell_w + ell_x S of one stream."""
    w, frozen = split(network)
    ell = lambda x, w: running_cost(cost, join(w, frozen), x, sample)
    c_x, c_w = jax.grad(ell, argnums=(0, 1))(x, w)
    part = credited(c_x, moving(network, w), S)
    return c_w | {name: c_w[name] + part[name] for name in part}


def _along(network: Any, rows: Any, x: PyTree, S: Array, sample: Sample) -> Any:
    """(dx/dt, dS/dt) of one stream."""
    w, frozen = split(network)
    own = moving(network, w)
    drift = lambda x, some: join(w | some, frozen)(x, sample.input)
    x_rate = network(x, sample.input)
    if rows is None:
        return x_rate, along_any(drift, x, own, S)
    unit = slopes(network, x, sample, jnp.ones((), x.dtype))
    now = Slopes(unit.leak - 1, unit.slope, unit.rise)
    return x_rate, along_rows(network, now, drift, x, own, rows, S)
