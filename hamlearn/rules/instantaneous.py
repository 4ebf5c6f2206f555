"""Laws that treat every sample as if the network had come to rest at it."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optax

from .. import _checks
from .._types import Array, Int, Params, PyTree
from ..action.cost import Cost
from ..networks.partition import join
from ..networks.rate import RateNetwork
from ._online import AbstractOnlineRule, Moment, checked_cost, checked_optimizer
from ._rows import RowNetwork, own_time, require_rows, slopes


class Instantaneous(AbstractOnlineRule):
    """Backprop through the network at each sample, as if it had come to rest there.

        p <- h ell_x + (1 + h f_x)^T p,   p_0 = h ell_x,   g = ell_w + f_w^T p

    for a number of sweeps, each of which carries credit one edge back. h is the time
    constant of every neuron; on rate neurons, with p_i = tau_i delta_i, that is

        delta_i = ell_{x_i} + sum_k sigma'_k w_ki delta_k,   g_ij = delta_i sigma'_i x_j

    On an acyclic graph it is exact Backprop of the resting network after as many
    sweeps as the longest path; with cycles it is the start of the series whose limit
    `RecurrentBackprop` finds. A module that is no network of neurons has no time
    constants of its own: h is the step dt, and s sweeps are the credit of s + 1 steps
    under the present derivatives. `sweeps=0` is the vjp of one step and the readout.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `sweeps`: by default the length
    of the longest path, so needed for a graph with cycles and for other modules.
    """

    draws: ClassVar[bool] = False
    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    sweeps: int | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        if self.sweeps is not None:
            _checks.at_least("sweeps", self.sweeps, 0)

    def start(self, network: Any, x: PyTree, key: Array | None):
        return _number_of_sweeps(self.sweeps, network), None

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        network, u = moment.network, moment.sample.input
        _, by_x = jax.vjp(lambda x: network(x, u), moment.x)
        if isinstance(network, RowNetwork):
            scale = lambda p: own_time(network) * p
        else:
            scale = lambda p: jax.tree.map(lambda a: moment.dt.astype(a.dtype) * a, p)
        sum_of = lambda *trees: jax.tree.map(lambda *a: sum(a[1:], a[0]), *trees)
        sweep = lambda _, p: sum_of(p, scale(sum_of(moment.c_x, by_x(p)[0])))
        p = jax.lax.fori_loop(0, fixed, sweep, scale(moment.c_x))
        return _through_drift(moment, p), None


class FeedbackAlignment(AbstractOnlineRule):
    """`Instantaneous` with fixed random weights B on the way back: no weight transport.

        delta_i = ell_{x_i} + sum_k sigma'_k b_ki delta_k,   g_ij = delta_i sigma'_i x_j

    For a `RateNetwork`, or a `VoltageNetwork` with tau_r = 0.

    **Arguments:** as for `Instantaneous`. B is drawn like fresh weights, from the
    `key` of `init`.

    Lillicrap, Cownden, Tweed, Akerman (2016), "Random synaptic feedback weights
    support error backpropagation for deep learning".
    """

    draws: ClassVar[bool] = False
    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    sweeps: int | None = eqx.field(static=True, default=None, kw_only=True)

    def __check_init__(self):
        if self.sweeps is not None:
            _checks.at_least("sweeps", self.sweeps, 0)

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rows(self, network, "which replaces weights between neurons on the way")
        if key is None:
            _checks.reject("key", "given: the feedback weights are drawn", None)
        drawn = RateNetwork(network.graph, dtype=network.weight.dtype, key=key)
        return (_number_of_sweeps(self.sweeps, network), drawn.weight), None

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        network, (sweeps, back) = moment.network, fixed
        now = slopes(network, moment.x, moment.sample, moment.dt)
        time, dt = own_time(network), moment.dt.astype(now.slope.dtype)
        transpose = jax.linear_transpose(
            lambda x: network.graph.aggregate(back, x), moment.x
        )
        gain = now.slope * time / dt
        arrive = lambda delta: now.felt(transpose(gain * delta)[0])
        sweep = lambda _, delta: moment.c_x + arrive(delta)
        delta = jax.lax.fori_loop(0, sweeps, sweep, moment.c_x)
        return _through_drift(moment, time * delta), None


class RecurrentBackprop(AbstractOnlineRule):
    """Recurrent backpropagation: the exact gradient of a network at rest.

        f_x^T lambda = -ell_x,   g = ell_w + f_w^T lambda

    Exact where dx/dt = f = 0 holds at the sample; it ignores slowness. Takes any
    module; f_x^T enters as a product, and the solver decides what becomes of it.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `linear_solver`: any of lineax;
    the default is direct. A singular f_x gives NaN.

    Almeida (1987), "A learning rule for asynchronous perceptrons with feedback in a
    combinatorial environment"; Pineda (1987), "Generalization of back-propagation to
    recurrent neural networks".
    """

    draws: ClassVar[bool] = False
    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    linear_solver: lx.AbstractLinearSolver = eqx.field(default=lx.LU(), kw_only=True)

    def __check_init__(self):
        _checks.instance("linear_solver", self.linear_solver, lx.AbstractLinearSolver)

    def start(self, network: Any, x: PyTree, key: Array | None):
        return None, None

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        u = moment.sample.input
        _, by_x = jax.vjp(lambda x: moment.network(x, u), moment.x)
        shape = jax.eval_shape(lambda: moment.x)
        operator = lx.FunctionLinearOperator(lambda p: by_x(p)[0], shape)
        answer = lx.linear_solve(operator, moment.c_x, self.linear_solver, throw=False)
        fine = answer.result == lx.RESULTS.successful
        p = jax.tree.map(lambda leaf: jnp.where(fine, -leaf, jnp.nan), answer.value)
        return _through_drift(moment, p), None


def _through_drift(moment: Moment, p: PyTree) -> Params:
    """ell_w + f_w^T p."""
    u = moment.sample.input
    _, by_w = jax.vjp(lambda w: join(w, moment.frozen)(moment.x, u), moment.w)
    return jax.tree.map(jnp.add, moment.c_w, by_w(p)[0])


def _number_of_sweeps(sweeps: int | None, network: Any) -> Int[Array, ""]:
    if sweeps is None:
        if not isinstance(network, RowNetwork):
            _checks.reject("sweeps", "given: the module has no graph", None)
        levels = network.graph.levels()
        if levels is None:
            _checks.reject("sweeps", "given: the graph has cycles", None)
        sweeps = int(np.max(levels))
    return jnp.asarray(sweeps, jnp.int32)
