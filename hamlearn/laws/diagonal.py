"""RTRL of diagonal layers, at the cost of the network."""

from .._types import Number
from ..action.cost import Cost
from ..sensitivities.deep import MeanSlopes
from ..sensitivities.stacked import AbstractLink, PassedTraces
from ..sensitivities.units import UnitTraces
from ..updates.base import UpdateLike
from .law import Law


def DiagonalRTRL(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    link: AbstractLink | None = None,
) -> Law:
    """Exact gradients online of units that do not hear each other, alone or two deep.

        T' = (dx_i'/dx_i) T + dx_i'/dw,   E_kappa' = a_kappa E_kappa + dy_j/dw
        g = ell_w + ell_x T + Re sum_kappa r_kappa E_kappa

    with one trace T per weight and K filters E per weight of the lower layer, K the
    number of poles that the modes of the upper layer share. `RTRL` is the same where
    this is exact, and falls back on all of dx/dw where it is not; this law refuses
    such a network by name. With a `link` it approximates: `hl.sensitivities.AtOnce()`
    is the rule with instantaneous error between layers, `FittedPoles(filters=K)`
    serves modes with poles of their own.

    Imposed as dynamics; sensitivity `UnitTraces`, or `PassedTraces` with a link; any
    update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `link`: how layers are linked.

    One layer: Zucchet, Meier, Schug, Mujika, Sacramento (2023), "Online learning of
    long-range dependencies".
    """
    if link is None:
        return Law(cost, UnitTraces(), update, title="diagonal RTRL")
    title = f"diagonal RTRL, {type(link).__name__}"
    return Law(cost, PassedTraces(link), update, title=title)


def MeanSlopeRTRL(
    cost: Cost | None = None, update: UpdateLike | None = None, *, leak: Number = 0.02
) -> Law:
    """`DiagonalRTRL` of three layers: the upper two exact, the lowest nearly.

        F_{kappa lam}' = alpha_kappa F_{kappa lam} + E_lam
        g = (exact paths) + Re sum r_kappa Re(mean(dy/dh) M E_lam)_kappa

    On the way from the middle memory to the upper one the slopes of the middle layer
    stand by their running means; where it is linear nothing is lost. `RTRL` of such a
    stack carries all of dx/dw.

    Imposed as dynamics; sensitivity `MeanSlopes`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `leak`: of the running mean, per
    sample.
    """
    return Law(cost, MeanSlopes(leak), update, title="mean-slope RTRL")
