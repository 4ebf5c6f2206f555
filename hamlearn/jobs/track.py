"""The smallest picture of the law in one call: a network that copies a signal."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .. import _checks
from ..action.cost import Cost
from ..laws.along import CostAlong
from ..laws.base import State
from ..laws.hamiltonian import HamiltonianLearning
from ..mechanics.causal import AbstractPolicy
from ..run.result import DivergenceWarning, Result
from ..run.stream import resume, stream
from ..tasks import Recording, Tracking
from ..tasks.recording import FrameLike
from .data import made_of
from .tracker import LEAST, NormalisedDrive, Settings, Stability, tracker

LOOK = 4096  # steps, at most, between two looks at the stability


def track(
    target: Tracking | Recording | FrameLike,
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
    checkpoint: str | Path | None = None,
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

    **Arguments:** `target`: from `tasks`, held for 4 steps or more per interval; or a
    data frame or series, or a `Recording` of `tasks.read`, of which the first column is
    copied; `progress`: whether a bar, and how a frame was understood, are shown;
    `policy`: default `SignFlip`; `checkpoint`: a directory, with which an interrupted
    run saves and returns what was done; the others default to `Settings.suited_to`,
    per interval.

    Over gaps nothing is asked: weights go on with the motion that they have.

    **Returns:** the `Result`, at the times of the signal and in scaled values
    (`target.ratios(result.output)` and `target.errors` judge them; the target of a
    frame is `tasks.from_frame(frame)`). `stats` holds how near the run came to the end
    of its stability, of which it warns.

    **Raises:** `ValueError` for a target that is not held.
    """
    signal: Tracking = made_of(target, Recording.tracking, progress=progress)
    _checks.instance("target", signal, Tracking)
    steps = signal.steps
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
    law = tracking_law(chosen, policy)
    first = float((signal.values[0] - signal.offset) * signal.scale)
    network, x0 = tracker(chosen.neurons, chosen.speed, chosen.seed, first)
    watch = Watch(Stability(), chosen.speed / steps)
    watch.look(network.weight)
    chunk = _chunk(len(signal.values))
    options = {"dt": 1 / steps, "x0": x0, "chunk": chunk, "progress": progress}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        try:
            result = stream(
                law, network, signal.samples(), callback=watch, checkpoint=checkpoint,
                **options,
            )  # fmt: skip
        except (KeyboardInterrupt, SystemExit):
            if checkpoint is None or not watch.done:
                raise
            samples = signal.samples(steps=watch.done)
            result = resume(checkpoint, law, network, samples, **options)
    result = _in_time(result, signal, watch)
    for said in (watch.seen.warning(), result.diverged):
        if said is not None:
            kind = UserWarning if isinstance(said, str) else DivergenceWarning
            warnings.warn(str(said), kind, stacklevel=2)
    return result


def _chunk(length: int) -> int:
    """Steps between two looks; a rest of another length would be another program."""
    sizes = range(LOOK, LOOK // 4, -1)
    return next((size for size in sizes if length % size == 0), LOOK)


@dataclasses.dataclass
class Watch:
    """What is seen of a run on the way, between chunks."""

    seen: Stability
    speed_dt: float
    done: int = 0

    def look(self, weight: Any) -> None:
        """Once at the recurrent weights."""
        self.seen = self.seen.with_look(weight, self.speed_dt)

    def __call__(self, state: State, done: int) -> None:
        self.done = done
        self.look(state.w["weight"])

    def stats(self) -> dict[str, float]:
        """What a `Result` tells of it."""
        return {"own_weight": self.seen.own_weight, "step": self.seen.step}


def by_sample(target: Tracking, result: Result) -> dict[str, np.ndarray]:
    """A tracked signal at the times at which values were recorded, in its own unit.

    **Returns:** `time`; `target` and `last`, the value and the one before; `output`,
    at the end of the time for which the value was asked for; `error`, the RMS over that
    time; the mean `loss` (and `lagrangian`, `hamiltonian`) over it.
    """
    done = len(result.output)
    starts, asked = target.starts[target.starts < done], target.asked[:done]
    total = lambda values: np.add.reduceat(values, starts) if done else values
    counts = total(asked.astype(int))
    output = target.unscaled(result.output)
    mean = lambda values: total(values * asked) / counts
    squares = (output - target.values[:done]) ** 2
    scalars = ("loss", "lagrangian", "hamiltonian")
    return {
        "time": starts * target.dt,
        "target": target.values[starts],
        "last": target.last[starts],
        "output": output[starts + counts - 1],
        "error": np.sqrt(mean(squares)),
        **{k: mean(result.info[k]) for k in scalars if k in result.info},
    }


def tracking_law(settings: Settings, policy: AbstractPolicy | None = None) -> CostAlong:
    """Hamiltonian learning with the normalised drive, time in sampling intervals."""
    cost = Cost(loss_weight=settings.loss_weight, weight_decay=settings.weight_decay)
    law = HamiltonianLearning(
        cost, policy, inertia=settings.inertia, dissipation=settings.dissipation
    )
    return CostAlong(law, NormalisedDrive(cost))


def _in_time(result: Result, target: Tracking, watch: Watch) -> Result:
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
        stats=watch.stats(),
    )
