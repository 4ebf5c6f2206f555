"""Eligibility traces that see only a neuron's own leak: RFLO and e-prop."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._types import Array, Neurons, PyTree
from ..action.cost import Cost
from ..networks.partition import split
from ._online import (
    AbstractOnlineRule,
    Moment,
    checked_cost,
    checked_optimizer,
    number_of_inputs,
)
from ._rows import immediate, moving, require_rows, slopes, spread


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
        x, dtype = network.initial_state(), network.weight.dtype
        u = jnp.zeros(number_of_inputs(network), dtype)
        outputs = eqx.filter_eval_shape(network.readout, x, u).size
        size = (network.graph.num_nodes, outputs)
        return jax.random.normal(key, size, dtype) / jnp.sqrt(outputs).astype(dtype)

    def signal(self, moment, fixed):
        return fixed @ moment.error


class AbstractEligibility(AbstractOnlineRule):
    """g_ij = L_i s_ij: a trace of the neuron's own leak times a learning signal.

    s_ij' = leak_i s_ij + dx_i'/dw_ij,   leak_i = 1 - dt/tau_i
    """

    draws: ClassVar[bool] = False
    feedback: eqx.AbstractVar[AbstractFeedback]

    def start(self, network: Any, x: PyTree, key: Array | None):
        require_rows(self, network, "whose trace fades with a neuron's own leak")
        w = moving(network, split(network)[0])
        zeros = jax.tree.map(jnp.zeros_like, w)
        return self.feedback.init(network, key), zeros

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        network, u = moment.network, moment.sample.input
        w = moving(network, moment.w)
        now = slopes(network, moment.x, moment.sample, moment.dt)
        held = lambda x, w: moment.transition(x, moment.w | w)
        fresh = immediate(network, held, moment.x, w)
        signal = self.feedback.signal(moment, fixed)
        heard, keep = spread(network, w, signal, u), spread(network, w, now.leak, u)
        g = {name: moment.c_w[name] + heard[name] * trace[name] for name in w}
        trace = jax.tree.map(lambda d, s, m: d * s + m, keep, trace, fresh)
        return moment.c_w | g, trace


class RFLO(AbstractEligibility):
    """Random feedback local online learning.

        s_ij' = leak_i s_ij + slope_i x_j,   g_ij = (B e)_i s_ij

    with leak_i = 1 - dt/tau_i and slope_i = dt/tau_i sigma'(a_i): the trace of a weight
    fades with its neuron's own leak. Under `SymmetricFeedback` it is exact when the
    recurrent weights are zero. For a `RateNetwork`, or a `VoltageNetwork` with
    tau_r = 0 (whose slope is dt/tau_i, and which sends phi(x_j)).

    **Arguments:** `cost`, `optimizer`: as for `RTRL`; `feedback`: by default
    `RandomFeedback()`, which takes a `key` at `init`.

    Murray (2019), "Local online learning in recurrent networks with random feedback".
    """

    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    feedback: AbstractFeedback = eqx.field(default=RandomFeedback(), kw_only=True)

    def __check_init__(self):
        _checks.instance("feedback", self.feedback, AbstractFeedback)


class EProp(AbstractEligibility):
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

    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )
    feedback: AbstractFeedback = eqx.field(default=SymmetricFeedback(), kw_only=True)

    def __check_init__(self):
        _checks.instance("feedback", self.feedback, AbstractFeedback)
