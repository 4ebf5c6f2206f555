"""Real-time recurrent learning: exact sensitivities dx/dw, carried forward in time."""

from typing import Any

import diffrax as dfx

from ..action.cost import Cost
from ..sensitivities.exact import Exact
from .law import Law


def RTRL(
    cost: Cost | None = None,
    update: Any = None,
    *,
    solver: dfx.AbstractSolver | None = None,
) -> Law:
    """Exact gradients online, by the sensitivity matrix P = dx/dw.

        P_{k+1} = (1 + dt f_x) P_k + dt f_w,   g_k = ell_w + ell_x P_k

    With the weights held, sum_k g_k is the gradient of BPTT; P is n times the number
    of weights that move the state, and that memory is constant in time. With moving
    weights P is exact to the order of their rate.

    Imposed as dynamics; sensitivity `Exact`; any update. With a `solver` and an update
    that has rates it is a differential equation, dP/dt = f_x P + f_w.

    Takes forward-mode derivatives of modules of your own: in them a function with
    derivatives of its own needs a `custom_jvp`.

    **Arguments:** `cost`: what is minimised; `update`: of `hl.updates` or optax, by
    default SGD at a rate of 0.01; `solver`: any diffrax solver.

    Williams & Zipser (1989), "A learning algorithm for continually running fully
    recurrent neural networks"; section 4 for continuous time.
    """
    return Law(cost, Exact(), update, solver=solver, title="RTRL")
