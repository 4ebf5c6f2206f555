"""The smallest picture of the law in one call: a network that copies a signal."""

import dataclasses
import warnings
from typing import Any

from .. import _checks
from ..action.cost import Cost
from ..laws.along import CostAlong
from ..laws.hamiltonian import HamiltonianLearning
from ..mechanics.causal import AbstractPolicy
from ..run.result import DivergenceWarning, Result
from ..run.stream import stream
from ..tasks import Tracking
from .tracker import LEAST, NormalisedDrive, Settings, Stability, tracker

LOOK = 4096  # steps between two looks at the stability


def track(
    target: Tracking,
    *,
    policy: AbstractPolicy | None = None,
    loss_weight: float | None = None,
    weight_decay: float | None = None,
    inertia: float | None = None,
    dissipation: float | None = None,
    speed: float | None = None,
    neurons: int | None = None,
    seed: int | None = None,
    progress: bool = True,
) -> Result:
    """Copy a signal online with a fully connected network and Hamiltonian learning.

    The experiment of Betti & Gori (2024): every neuron hears every neuron and a
    constant input, neuron 0 is the output. The network is shown what it has to say, so
    this tests how fast and how stably the law moves weights, not what it learns: a
    neuron with a bias alone reaches .32 of the RMSE of repeating the last recorded
    value where five neurons reach .31, and one sample ahead the tracker is the last
    value. What laws learn is shown by `hl.compare`.

    Time is counted in sampling intervals and the signal in parts of its range, so that
    no unit of either matters. The cost is `NormalisedDrive`'s.

    **Arguments:** `target`: from `tasks`, held for 4 steps or more per interval;
    `policy`: default `SignFlip`; the others default to `Settings.suited_to`, per
    interval.

    **Returns:** the `Result`, at the times of the signal and in scaled values
    (`target.ratios(result.output)` and `target.errors` judge them). `stats` holds how
    near the run came to the end of its stability, of which it warns.

    **Raises:** `ValueError` for a target that is not held.
    """
    _checks.instance("target", target, Tracking)
    steps = target.steps
    if steps < LEAST:
        wanted = f"held for {LEAST} steps of `dt` or more per interval (40 are usual)"
        _checks.reject("target", wanted, f"one held for {steps:g}")
    chosen = Settings.suited_to(
        steps,
        loss_weight=loss_weight,
        weight_decay=weight_decay,
        inertia=inertia,
        dissipation=dissipation,
        speed=speed,
        neurons=neurons,
        seed=seed,
    )
    samples, dt = target.samples(), 1 / steps
    first = float(samples.target[0, 0])
    network, x0 = tracker(chosen.neurons, chosen.speed, chosen.seed, first)
    seen = [Stability().with_look(network.weight, chosen.speed * dt)]
    look = lambda state, _: seen.append(
        seen[-1].with_look(state.w["weight"], chosen.speed * dt)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        result = stream(
            tracking_law(chosen, policy), network, samples, dt=dt, x0=x0, chunk=LOOK,
            callback=look, progress=progress,
        )  # fmt: skip
    result = _in_time(result, target, seen[-1])
    said = seen[-1].warning()
    if said is not None:
        warnings.warn(said, UserWarning, stacklevel=2)
    if result.diverged is not None:
        warnings.warn(str(result.diverged), DivergenceWarning, stacklevel=2)
    return result


def tracking_law(settings: Settings, policy: AbstractPolicy | None = None) -> CostAlong:
    """Hamiltonian learning with the normalised drive, time in sampling intervals."""
    cost = Cost(loss_weight=settings.loss_weight, weight_decay=settings.weight_decay)
    law = HamiltonianLearning(
        cost, policy, inertia=settings.inertia, dissipation=settings.dissipation
    )
    return CostAlong(law, NormalisedDrive(cost))


def _in_time(result: Result, target: Tracking, seen: Stability) -> Result:
    """The same at the times of the signal, with what was seen of its stability."""
    diverged = result.diverged
    if diverged is not None:
        time = diverged.time * target.interval
        diverged = dataclasses.replace(diverged, time=time)
    return dataclasses.replace(
        result,
        times=result.times * target.interval,
        dt=target.dt,
        diverged=diverged,
        stats={"own_weight": seen.own_weight, "step": seen.step},
    )
