"""Eligibility traces that see only a neuron's own leak: RFLO and e-prop."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._action import Cost
from .._network import split
from .._types import Array, Neurons, Params, PyTree
from ._online import AbstractOnlineRule, Moment, checked_cost, checked_optimizer
from ._rows import immediate, moving, require_rate_network, slopes, spread


class AbstractFeedback(eqx.Module):
    """How neurons hear of the error at the outputs."""

    @abstractmethod
    def init(self, network: Any, key: Array | None) -> PyTree:
        """What it keeps, fixed for good."""

    @abstractmethod
    def signal(self, moment: Moment, fixed: PyTree) -> Neurons:
        """The learning signal of every neuron."""


class SymmetricFeedback(AbstractFeedback):
    """ell_x itself: the transposed weights of the readout."""

    def init(self, network: Any, key: Array | None):
        return None

    def signal(self, moment, fixed):
        return moment.c_x


class RandomFeedback(AbstractFeedback):
    """B e, with e the error at the outputs and B ~ N(0, 1/outputs) fixed at random.

    `rule.init` draws B with its `key`.
    """

    def init(self, network: Any, key: Array | None):
        if key is None:
            _checks.reject("key", "given: the feedback weights are drawn", None)
        outputs = network.output_nodes.size
        if network.readout_map is not None:
            y = jnp.zeros(outputs, network.weight.dtype)
            outputs = eqx.filter_eval_shape(network.readout_map, y).size
        shape, dtype = (network.graph.num_nodes, outputs), network.weight.dtype
        return jax.random.normal(key, shape, dtype) / jnp.sqrt(outputs).astype(dtype)

    def signal(self, moment, fixed):
        return fixed @ moment.error


class RFLO(AbstractOnlineRule):
    """Random feedback local online learning.

        s_ij' = leak_i s_ij + slope_i x_j,   g_ij = (B e)_i s_ij

    with leak_i = 1 - dt/tau_i and slope_i = dt/tau_i sigma'(a_i): the trace of a weight
    fades with its neuron's own leak. Under `SymmetricFeedback` it is exact when the
    recurrent weights are zero. For a `RateNetwork`.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `feedback`: by default
    `RandomFeedback()`, which takes a `key` at `init`.

    Murray (2019), "Local online learning in recurrent networks with random feedback".
    """

    cost: Cost
    optimizer: optax.GradientTransformation
    feedback: AbstractFeedback

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        feedback: AbstractFeedback = RandomFeedback(),  # noqa: B008
    ):
        _checks.instance("feedback", feedback, AbstractFeedback)
        self.cost = checked_cost(cost)
        self.optimizer = checked_optimizer(optimizer)
        self.feedback = feedback

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rate_network("RFLO", network)
        w = moving(network, split(network)[0])
        zeros = jax.tree.map(jnp.zeros_like, w)
        return self.feedback.init(network, key), zeros

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        return _eligible(moment, self.feedback.signal(moment, fixed), trace)


class EProp(AbstractOnlineRule):
    """e-prop: an eligibility trace of each neuron's own dynamics, and learning signals.

        s_ij' = (dx_i'/dx_i with all signals between neurons held) s_ij + dx_i'/dw_ij
        g_ij = L_i s_ij

    L is the error at the readout carried back, by its transposed weights (symmetric)
    or random ones. A signal between neurons includes that of a neuron to itself, so on
    rate neurons, whose own dynamics are their leak, the trace is that of `RFLO`.

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `feedback`: by default
    `SymmetricFeedback()`.

    Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein, Maass (2020), "A solution to
    the learning dilemma for recurrent networks of spiking neurons".
    """

    cost: Cost
    optimizer: optax.GradientTransformation
    feedback: AbstractFeedback

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        feedback: AbstractFeedback = SymmetricFeedback(),  # noqa: B008
    ):
        _checks.instance("feedback", feedback, AbstractFeedback)
        self.cost = checked_cost(cost)
        self.optimizer = checked_optimizer(optimizer)
        self.feedback = feedback

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rate_network("EProp", network)
        w = moving(network, split(network)[0])
        zeros = jax.tree.map(jnp.zeros_like, w)
        return self.feedback.init(network, key), zeros

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        return _eligible(moment, self.feedback.signal(moment, fixed), trace)


def _eligible(moment: Moment, signal: Neurons, trace: Params) -> tuple[Params, Params]:
    """(signal_i s_ij, the trace one step on)."""
    network, u = moment.network, moment.sample.input
    w = moving(network, moment.w)
    now = slopes(network, moment.x, moment.sample, moment.dt)
    held = lambda x, w: moment.transition(x, moment.w | w)
    fresh = immediate(network, held, moment.x, w)
    heard, keep = spread(network, w, signal, u), spread(network, w, now.leak, u)
    g = {name: moment.c_w[name] + heard[name] * trace[name] for name in w}
    trace = jax.tree.map(lambda d, s, m: d * s + m, keep, trace, fresh)
    return moment.c_w | g, trace
