"""Laws that put a causal filter, fixed or learned, in place of the future's error."""

import optax

from .._types import Number
from ..action.cost import Cost
from ..costates.filtered import FilteredErrors
from ..costates.filters import AbstractClosure
from ..costates.learned import Learned
from ..sensitivities.filtered import FilteredTraces, SplitTraces
from ..sensitivities.synthetic import SyntheticGradients
from ..updates.base import UpdateLike
from .law import Law


def Filtered(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    closure: AbstractClosure | None = None,
    sweeps: int | None = None,
    traces: bool = True,
) -> Law:
    """Errors at the instant, each made causal by a filter of its own neuron.

        s = ell_x + W^T (sigma' lam),   lam = closure(s)
        e_ij' = leak_i e_ij + dx_i'/dw_ij,   g_ij = s_i e_ij

    One family: the closures `Unfiltered` (instantaneous), `Prospective` (as in GLE),
    `ProspectiveGain`, `SignFlipped` and `Learned`. The trace carries the future of the
    neuron's own leak, s what passes through others; without `traces` the costate lam
    itself carries both, g = -tau lam dx'/dw. `DiagonalFiltered` is the same between
    layers of modes, `GLE(closure=...)` for voltage neurons.

    Imposed as dynamics; sensitivity `SplitTraces`, or costate `FilteredErrors` without
    traces; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `closure`: by default `Learned()`;
    `sweeps`: as for `FilteredErrors`; `traces`.
    """
    closure = Learned() if closure is None else closure
    title = f"filtered errors, {type(closure).__name__}"
    kind = SplitTraces if traces else FilteredErrors
    return Law(cost, kind(closure, sweeps), update, title=title)


def DiagonalFiltered(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    closure: AbstractClosure | None = None,
) -> Law:
    """`DiagonalRTRL` in stacks, with a filter of the error between layers.

        lam = closure(q),   g_jk = (direct path) + Re sum_i lam_i M_ij dy_j/dw_jk

    with q the derivative of the loss by the states of the layer above. Each layer's
    own traces are exact; with `Unfiltered` it is the rule with instantaneous error
    between layers, `DiagonalRTRL(link=AtOnce())`.

    Imposed as dynamics; sensitivity `FilteredTraces`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `closure`: by default `Learned()`.
    """
    closure = Learned() if closure is None else closure
    title = f"diagonal, {type(closure).__name__}"
    return Law(cost, FilteredTraces(closure), update, title=title)


def DNI(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    mixing: Number = 1.0,
    optimizer: optax.GradientTransformation | None = None,
) -> Law:
    """Synthetic gradients from the state, by a one-step target.

        G = A (x, 1),   (ell_x + G_k) J_k - G_{k-1} -> 0,   g = (ell_x + kappa G) dx/dw

    Imposed as dynamics; sensitivity `SyntheticGradients` at lambda = 0; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `mixing`: kappa; `optimizer`: of A.

    Jaderberg et al. (2017), "Decoupled neural interfaces using synthetic gradients".
    """
    credit = SyntheticGradients(mixing=mixing, optimizer=optimizer)
    return Law(cost, credit, update, title="DNI")


def BPLambda(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    decay: float = 1.0,
    discount: Number = 1.0,
    mixing: Number = 1.0,
    optimizer: optax.GradientTransformation | None = None,
) -> Law:
    """Synthetic gradients by a lambda-weighted target, with traces in place of windows.

    Imposed as dynamics; sensitivity `SyntheticGradients`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; the others as for
    `SyntheticGradients`.

    Pemberton & Costa (2024), "BP(lambda): Online learning via synthetic gradients".
    """
    credit = SyntheticGradients(
        decay, discount=discount, mixing=mixing, optimizer=optimizer
    )
    return Law(cost, credit, update, title="BP(lambda)")
