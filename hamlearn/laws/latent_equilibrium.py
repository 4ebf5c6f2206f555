"""Latent equilibrium: local, causal errors from the prospective energy."""

from typing import Any

import optax

from .._types import Number
from ..action.cost import Cost
from ..action.residual import Mismatch
from ..costates.filters import AbstractClosure, Prospective
from ..costates.latent import Errors, InstantErrors
from ..costates.motion import Latent
from ..costates.prospective import ProspectiveAdjoint
from ..costates.schedule import AbstractSchedule
from ..costates.times import AbstractLeak
from ..updates import Optax
from ..updates.base import UpdateLike
from .law import Law


def GLE(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    closure: AbstractClosure | None = None,
    schedule: AbstractSchedule | None = None,
    leak: AbstractLeak | None = None,
    nudging: Number = 0.0,
) -> Law:
    """Generalised latent equilibrium: online, local, with errors that look ahead.

    The exact law of the prospective energy E is (1 - tau_m d/dt) E_um +
    (1 - tau_r d/dt) E_ur = 0, the adjoint method, with filters of the future. Here
    the closure replaces them by causal ones:

        tau_m du/dt = -u + W r + b x + bias + beta lam,   r = phi(u + tau_r du/dt)
        s = phi'(u_r) (W^T lam) - dC/du_r,                lam = closure(s)
        g = dM/dw at fixed u, du/dt, lam

    dM/dW = -lam r^T, dM/dbias = -lam, dM/dtau_m = lam du/dt, dM/dtau_r = -s du/dt.
    Three passes over the edges per step, constant memory. lam estimates minus the
    derivative of the loss by the current into each neuron; an update is given g once
    per step, so that SGD at eta dt is the gradient flow of rate eta.

    Phases are exact at every frequency, gains are not: credit grows by
    (1 + w^2 tau_m^2)/(1 + w^2 tau_r^2) per layer. It is a law for feed-forward nets of
    slow neurons: with recurrence stronger than tau_r/tau_m its errors are unstable,
    about which `init` warns.

    Imposed as prospective mismatch; costate `Errors`; any update.

    **Arguments:**

    - `cost`: what is minimised; `update`: as for `RTRL`, by default SGD at 0.001.
    - `closure`: how errors are made causal; `Prospective` is GLE, the others are for
      comparison.
    - `schedule`: `LayerParallel` (as published) or `Sweeps`; `leak`: how leaky states
      step.
    - `nudging`: beta >= 0, how strongly errors push the voltages (a step later).

    Ellenberger et al. (2024), "Backpropagation through space, time and the brain".
    """
    motion = Latent(schedule, leak, nudging)
    closure = Prospective() if closure is None else closure
    costate = Errors(closure, motion.schedule, motion.leak)
    return Law(
        cost, costate, _slow(update), residual=Mismatch(), motion=motion, title="GLE"
    )


def LE(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    schedule: AbstractSchedule | None = None,
    leak: AbstractLeak | None = None,
    nudging: Number = 0.0,
) -> Law:
    """Latent equilibrium: neurons without a lag, errors at each instant.

    With tau_r = tau_m every neuron undoes its own slowness, the filters of the exact
    law cancel, and instantaneous backpropagation is the adjoint method:

        tau du/dt = -u + W phi(u + tau du/dt) + b x + bias + beta lam
        lam = phi'(u + tau du/dt) (W^T lam) - dC/d(u + tau du/dt),   dW/dt ~ lam r^T

    `GLE` with the closure `Unfiltered`, on a network with tau_r = tau_m.

    Imposed as prospective mismatch; costate `InstantErrors`; any update.

    **Arguments:** as for `GLE`.

    **Raises:** `ValueError` at `init` for a network with another tau_r, or whose time
    constants learn: they have no effect here that could be learned.

    Haider et al. (2021), "Latent equilibrium", NeurIPS.
    """
    motion = Latent(schedule, leak, nudging)
    costate = InstantErrors(motion.schedule)
    return Law(
        cost, costate, _slow(update), residual=Mismatch(), motion=motion, title="LE"
    )


def VLE(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    window: int,
    dissipation: Number = 0.0,
    discount: Number = 0.0,
) -> Law:
    """Variational latent equilibrium: the exact law, waiting for the end of a window.

        d/dt dL/dv = dL/du,   that is   lam = D+ [phi'(u_r) W^T lam - dC/du_r]
        D+ = (1 - tau_m d/dt)^-1 (1 - tau_r d/dt), with p(T) = 0

    for L(u, v, lam) = M(u + tau_m v, u + tau_r v, lam): the adjoint method, in
    continuous time backpropagation through time. Its filter integrates the future, so
    samples are kept for a window, at the end of which comes one update with the mean
    over it. Memory is O(window), twice the forward work.

    Imposed as prospective mismatch; costate `ProspectiveAdjoint`, over a window; any
    update.

    **Arguments:** `cost`, `update`: as for `GLE`; `window`: samples per update;
    `dissipation`: theta, `discount`: rho >= 0, in 1/time, of the action's weight.

    The Euler-Lagrange equations of the energy of Ellenberger et al. (2024); Brandt et
    al. (2026), "A variational latent equilibrium".
    """
    costate = ProspectiveAdjoint(window, dissipation, discount)
    return Law(cost, costate, _slow(update), residual=Mismatch(), title="VLE")


def _slow(update: Any) -> Any:
    return Optax(optax.sgd, learning_rate=1e-3) if update is None else update
