"""Real-time recurrent learning: exact sensitivities dx/dw, carried forward in time."""

from typing import Any, ClassVar

import equinox as eqx
import optax

from .._types import Array, PyTree
from ..action.cost import Cost
from ..networks.partition import split
from ._online import AbstractOnlineRule, Moment, checked_cost, checked_optimizer
from ._rows import moving, slopes
from ._sensitivity import (
    along_any,
    along_rows,
    credited,
    flat_receivers,
    no_sensitivity,
)


class RTRL(AbstractOnlineRule):
    """Exact gradients online, by the sensitivity matrix P = dx/dw.

        P_{k+1} = (1 + dt f_x) P_k + dt f_w,   g_k = ell_w + ell_x P_k

    With the weights held, sum_k g_k is the gradient of BPTT. P is n times the number
    of weights that move the state, and that memory is constant in time.

    In a `RateNetwork`, or a `VoltageNetwork` with tau_r = 0, dt f_w has one entry a
    weight, and f_x P is taken edge by edge: O(edges) operations a weight and no
    product of Jacobians. Any other module, with any pytrees as state and parameters,
    goes through forward derivatives (f_x P) and transposed ones (f_w).

    **Arguments:** `cost`: what is minimised; `optimizer`: any of optax's, by default
    SGD at a rate of 0.01.

    Williams & Zipser (1989), "A learning algorithm for continually running fully
    recurrent neural networks".
    """

    draws: ClassVar[bool] = False
    cost: Cost = eqx.field(converter=checked_cost, default=None)
    optimizer: optax.GradientTransformation = eqx.field(
        converter=checked_optimizer, default=None
    )

    def start(self, network: Any, x: PyTree, key: Array | None):
        w = moving(network, split(network)[0])
        return flat_receivers(network, w), no_sensitivity(x, w)

    def credit(self, moment: Moment, fixed: PyTree, trace: PyTree):
        network, w = moment.network, moving(moment.network, moment.w)
        part = credited(moment.c_x, w, trace)
        g = moment.c_w | {name: moment.c_w[name] + part[name] for name in w}
        step = lambda x, w: moment.transition(x, moment.w | w)
        if fixed is None:
            return g, along_any(step, moment.x, w, trace)
        now = slopes(network, moment.x, moment.sample, moment.dt)
        return g, along_rows(network, now, step, moment.x, w, fixed, trace)
