"""Real-time recurrent learning: exact sensitivities dx/dw, carried forward in time."""

import diffrax as dfx

from ..action.cost import Cost
from ..sensitivities.blocks import ExactBlocks
from ..sensitivities.exact import Exact
from ..updates.base import UpdateLike
from .law import Law


def RTRL(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    block: int | None = None,
    inputs: int | None = None,
    solver: dfx.AbstractSolver | None = None,
) -> Law:
    """Exact gradients online, by the sensitivity matrix P = dx/dw.

        P_{k+1} = (1 + dt f_x) P_k + dt f_w,   g_k = ell_w + ell_x P_k

    With the weights held, sum_k g_k is the gradient of BPTT; P is n times the number
    of weights that move the state, and that memory is constant in time. With moving
    weights P is exact to the order of their rate.

    Over a `block` of samples P is carried on by n backward passes together, which are
    n^3 operations per sample in place of n^4 once b is about n. The gradient is the
    same; the weights move once a block.

    Imposed as dynamics; sensitivity `Exact` or `ExactBlocks`; any update. With a
    `solver`, an update that has rates and no blocks it is a differential equation,
    dP/dt = f_x P + f_w.

    Takes forward-mode derivatives of modules of your own: in them a function with
    derivatives of its own needs a `custom_jvp`.

    **Arguments:** `cost`: what is minimised; `update`: of `hl.updates` or optax, by
    default SGD at a rate of 0.01; `block`: samples per update, by default every sample
    is one; `inputs`: of a `block`, how many the network has, where it does not say so
    itself; `solver`: any diffrax solver.

    Williams & Zipser (1989), "A learning algorithm for continually running fully
    recurrent neural networks"; section 4 for continuous time. Blocks: Schmidhuber
    (1992), "A fixed size storage O(n^3) time complexity learning algorithm for fully
    recurrent continually running networks".
    """
    credit = Exact() if block is None else ExactBlocks(block, inputs)
    return Law(cost, credit, update, solver=solver, title="RTRL")
