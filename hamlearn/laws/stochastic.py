"""Unbiased estimates of RTRL by random products."""

from ..action.cost import Cost
from ..sensitivities.stochastic import KroneckerTrace, RankOneTrace
from ..updates.base import UpdateLike
from .law import Law


def UORO(cost: Cost | None = None, update: UpdateLike | None = None) -> Law:
    """Unbiased online recurrent optimisation: dx/dw as a random matrix of rank one.

        s'     = rho_0 (1 + dt f_x) s + rho_1 nu
        theta' = theta / rho_0 + (dt f_w)^T nu / rho_1,   g = ell_w + (ell_x . s) theta

    Imposed as dynamics; sensitivity `RankOneTrace`; any update. Takes any module, by
    its forward-mode derivatives (see `RTRL`), and a `key` at `init`.

    **Arguments:** as for `RTRL`.

    Tallec & Ollivier (2018), "Unbiased online recurrent optimization".
    """
    return Law(cost, RankOneTrace(), update, title="UORO")


def KFRTRL(cost: Cost | None = None, update: UpdateLike | None = None) -> Law:
    """Kronecker-factored RTRL: dx_k/dw_ij as a random product a_ki h_j.

        a' = nu_1/p_1 (1 + dt f_x) a + nu_2/p_2 diag(slope)
        h' = nu_1 p_1 h             + nu_2 p_2 (sent, u, 1)

    Imposed as dynamics; sensitivity `KroneckerTrace`; any update. Takes a `key` at
    `init`.

    **Arguments:** as for `RTRL`.

    Mujika, Meier, Steger (2018), "Approximating real-time recurrent learning with
    random Kronecker factors".
    """
    return Law(cost, KroneckerTrace(), update, title="KF-RTRL")
