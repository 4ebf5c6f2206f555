"""Hamiltonian learning: learning as optimal control, forward in time."""

import diffrax as dfx

from .. import _checks
from .._types import Number
from ..action.cost import Cost
from ..costates.flow import CostateFlow
from ..costates.sign import SignFlip
from ..mechanics.causal import AbstractPolicy
from ..updates.base import UpdateLike
from ..updates.inertia import Inertia, chosen
from .hamiltonian_flow import HamiltonianFlow, LearningHamiltonian, OwnHamiltonian
from .law import Law


def HamiltonianLearning(
    cost: Cost | None = None,
    policy: AbstractPolicy | None = None,
    *,
    inertia: Number | None = None,
    dissipation: Number | None = None,
    update: UpdateLike | None = None,
    solver: dfx.AbstractSolver | None = None,
    hamiltonian: OwnHamiltonian | None = None,
) -> Law | HamiltonianFlow:
    """Learning as optimal control, forward in time.

        dx/dt = H_{p_x} = f(x, w, u)          dw/dt = H_{p_w} = -p_w / r
        dp/dt = -s H_q - theta p,   q = (x, w),   p(0) = 0

    from the scalar H = ell + p_x.f - |p_w|^2/(2r), O(edges) in time and memory;
    nothing is stored of the past. With s = 1 these are Hamilton's equations, whose
    costates have their condition at the end of time. The policy chooses what to do
    about that; `SignFlip` is s = -1. Without dissipation the flipped flow does worse
    than predicting zero.

    As the time constants go to zero p_x tends to Backprop's errors, with an error of
    the order of the time constant; for recurrent networks to the fixed-point gradient
    of recurrent backpropagation.

    Imposed as dynamics; costate `CostateFlow`, a flow with a policy; update `Inertia`.
    In one step p_x, p_w, w and x move in turn, each with what is newest; with a
    `solver` all at once. A policy that reads H or acts on p_w belongs to inertia, and
    an own H over (x, w) *is* the motion of the weights: both costates then move
    together (`HamiltonianFlow`), and an `update` beside them is refused.

    **Arguments:**

    - `cost`: what is minimised; `policy`: how the costate is made causal.
    - `inertia`: r > 0; `dissipation`: theta >= 0, in 1/time. By default theta =
      sqrt((q + r_w)/r) and r = 1; with neither, r = (q + r_w)/1000: weights that react
      within 0.03 units of time, so that dt has to be well below.
    - `update`: another motion of the weights in place of inertia.
    - `solver`: any diffrax solver, one step of which is taken per sample.
    - `hamiltonian`: your own H(network, x, p_x, p_w, sample), a scalar; `network`
      holds w. `hl.action.hamiltonian` is one.

    Betti & Gori (2024), theorems 1 and 2; Melacci, Betti, Casoni, Guidi, Tiezzi, Gori,
    "A Unified Framework for Neural Computation and Learning Over Time".
    """
    cost = Cost() if cost is None else cost
    policy = SignFlip() if policy is None else policy
    _checks.instance("cost", cost, Cost)
    _checks.instance("policy", policy, AbstractPolicy)
    if update is not None and inertia is not None:
        _checks.reject("inertia", "None beside another update", inertia)
    other = update is not None or hamiltonian is not None
    r, theta = chosen(cost, inertia, dissipation, given=other)
    # Inertia goes down on g, as the flipped p_w does: without the flip p_w goes up.
    alone = not policy.joint and (isinstance(policy, SignFlip) or update is not None)
    if hamiltonian is None and alone:
        update = Inertia(r, theta) if update is None else update
        costate = CostateFlow(policy, theta)
        return Law(cost, costate, update, solver=solver, title=_title(policy))
    if update is not None:
        kind = (
            "a Hamiltonian of its own" if hamiltonian else f"`{type(policy).__name__}`"
        )
        wanted = f"None: {kind} moves the weights with the costates, by inertia"
        _checks.reject("update", wanted, update)
    H = LearningHamiltonian(cost, r) if hamiltonian is None else hamiltonian
    return HamiltonianFlow(cost, H, policy, theta, solver, _title(policy))


def _title(policy: AbstractPolicy) -> str:
    return f"Hamiltonian learning, {type(policy).__name__}"
