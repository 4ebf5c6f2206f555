"""SnAp: RTRL in which only the nearest sensitivities are kept."""

from ..action.cost import Cost
from ..sensitivities.snap import Diagonal, Sparse
from ..updates.base import UpdateLike
from .law import Law


def SnAp1(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    inputs: int | None = None,
) -> Law:
    """RTRL in which a weight into neuron i is followed in x_i alone.

        s_ij' = dx_i'/dx_i s_ij + dx_i'/dw_ij,   g_ij = ell_{x_i} s_ij

    with dx_i'/dx_i = leak_i + slope_i w_ii on rate neurons: `SnAp` of order 1 in its
    fastest form. One number per weight; exact when the recurrent weights are diagonal.
    Takes forward-mode derivatives of modules of your own: see `RTRL`.

    Imposed as dynamics; sensitivity `Diagonal`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `inputs`: how many the network has,
    where it does not say so itself.

    Menick, Elsen, Evci, Osindero, Simonyan, Graves (2021), "Practical real time
    recurrent learning with a sparse approximation", SnAp with n = 1.
    """
    return Law(cost, Diagonal(inputs), update, title="SnAp-1")


def SnAp(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    order: int,
    inputs: int | None = None,
) -> Law:
    """RTRL in which a weight is followed in all states that it soon reaches.

        P_{k+1} = mask * ((1 + dt f_x) P_k + dt f_w),   g_k = ell_w + ell_x P_k

    From one more than the longest shortest path on it is RTRL. Takes forward-mode
    derivatives of modules of your own: see `RTRL`.

    Imposed as dynamics; sensitivity `Sparse`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `order`: n of SnAp-n; `inputs`: how
    many the network has, where it does not say so itself.

    Menick et al. (2021), "Practical real time recurrent learning with a sparse
    approximation".
    """
    return Law(cost, Sparse(order, inputs), update, title=f"SnAp-{order}")
