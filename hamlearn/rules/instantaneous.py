"""Laws that treat every sample as if the network had come to rest at it."""

from typing import Any

import jax
import jax.numpy as jnp
import lineax as lx
import numpy as np
import optax

from .. import _checks
from .._action import Cost
from .._network import RateNetwork, join
from .._types import Array, Float, Int, Params, PyTree
from ._online import AbstractOnlineRule, Moment, checked_cost, checked_optimizer
from ._rows import require_rate_network


class Instantaneous(AbstractOnlineRule):
    """Backprop through the graph at each sample, as if neurons had no time constants.

        delta_i = ell_{x_i} + sum_k sigma'_k w_ki delta_k,   g_ij = delta_i sigma'_i x_j

    by sweeps over all neurons at once, each of which carries credit one edge back.
    On an acyclic graph it is exact Backprop of the resting network after as many
    sweeps as the longest path; with cycles it is the start of the series whose limit
    `RecurrentBackprop` finds. For a `RateNetwork`.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `sweeps`: by default the length
    of the longest path, so needed for a graph with cycles.
    """

    cost: Cost
    optimizer: optax.GradientTransformation
    sweeps: int | None

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        sweeps: int | None = None,
    ):
        self.cost = checked_cost(cost)
        self.optimizer = checked_optimizer(optimizer)
        self.sweeps = _checked_sweeps(sweeps)

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rate_network("Instantaneous", network)
        return _number_of_sweeps(self.sweeps, network), None

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        return _swept(moment, moment.network.weight, fixed), None


class FeedbackAlignment(AbstractOnlineRule):
    """`Instantaneous` with fixed random weights B on the way back: no weight transport.

        delta_i = ell_{x_i} + sum_k sigma'_k b_ki delta_k,   g_ij = delta_i sigma'_i x_j

    **Arguments:** as for `Instantaneous`. B is drawn like fresh weights, from the
    `key` of `init`.

    Lillicrap, Cownden, Tweed, Akerman (2016), "Random synaptic feedback weights
    support error backpropagation for deep learning".
    """

    cost: Cost
    optimizer: optax.GradientTransformation
    sweeps: int | None

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        sweeps: int | None = None,
    ):
        self.cost = checked_cost(cost)
        self.optimizer = checked_optimizer(optimizer)
        self.sweeps = _checked_sweeps(sweeps)

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rate_network("FeedbackAlignment", network)
        if key is None:
            _checks.reject("key", "given: the feedback weights are drawn", None)
        drawn = RateNetwork(network.graph, dtype=network.weight.dtype, key=key)
        return (_number_of_sweeps(self.sweeps, network), drawn.weight), None

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        sweeps, back = fixed
        return _swept(moment, back, sweeps), None


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

    cost: Cost
    optimizer: optax.GradientTransformation
    linear_solver: lx.AbstractLinearSolver

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        linear_solver: lx.AbstractLinearSolver = lx.LU(),  # noqa: B008
    ):
        _checks.instance("linear_solver", linear_solver, lx.AbstractLinearSolver)
        self.cost = checked_cost(cost)
        self.optimizer = checked_optimizer(optimizer)
        self.linear_solver = linear_solver

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


def _swept(moment: Moment, back: Float[Array, "..."], sweeps: Int[Array, ""]) -> Params:
    """ell_w + f_w^T (tau delta), with `back` in place of w on the way back."""
    network = moment.network
    a = network.drive(moment.x, moment.sample.input)
    _, rise = jax.jvp(network.activation, (a,), (jnp.ones_like(a),))
    transpose = jax.linear_transpose(
        lambda x: network.graph.aggregate(back, x), moment.x
    )
    sweep = lambda _, delta: moment.c_x + transpose(rise * delta)[0]
    delta = jax.lax.fori_loop(0, sweeps, sweep, moment.c_x)
    return _through_drift(moment, network.time_constant * delta)


def _through_drift(moment: Moment, p: PyTree) -> Params:
    """ell_w + f_w^T p."""
    u = moment.sample.input
    _, by_w = jax.vjp(lambda w: join(w, moment.frozen)(moment.x, u), moment.w)
    return jax.tree.map(jnp.add, moment.c_w, by_w(p)[0])


def _checked_sweeps(sweeps: Any) -> int | None:
    if sweeps is not None:
        _checks.at_least("sweeps", sweeps, 0)
    return sweeps


def _number_of_sweeps(sweeps: int | None, network: Any) -> Int[Array, ""]:
    if sweeps is None:
        levels = network.graph.levels()
        if levels is None:
            _checks.reject("sweeps", "given: the graph has cycles", None)
        sweeps = int(np.max(levels))
    return jnp.asarray(sweeps, jnp.int32)
