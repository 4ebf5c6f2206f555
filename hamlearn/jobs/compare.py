"""Laws side by side on one stream: quality, credit, time and memory."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from .. import _checks
from .._types import Array
from ..action.cost import Cost
from ..networks.partition import join, split
from ..run.guard import terminable
from ..signals.signal import Sample
from ..tasks import AbstractTask, Forecast, Recording, halves
from ..tasks.recording import FrameLike
from .comparison import Comparison, Entry, trivial_floor
from .contenders import USUAL, Contender, contenders
from .data import made_of
from .lanes import Drawn, Runs, fitting, held_losses, lanes
from .measures import cosines, price

#: Step sizes that every law is tried at.
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
#: Samples that are asked, at the least, of the two streams of a comparison.
LEAST = 64
#: Samples, at the most, that weights are held over to see what they are worth.
HELD = 4000
#: The seed that step sizes are chosen with; the others are scored.
TUNING_SEED = 1000


def compare(
    task: AbstractTask | Recording | FrameLike,
    laws: Mapping[str, Contender] | None = None,
    *,
    neurons: int = 16,
    seeds: int = 5,
    rates: Sequence[float] = RATES,
    most: int | None = None,
    progress: bool = True,
) -> Comparison:
    """Let several laws learn one stream online, and say what each is worth.

    A law's step size is the one of `rates` with the least mean loss over a first
    stream of half the task's length, over networks of their own (one for every five
    seeds); the scores are from a second stream, with new networks. Losses are
    prequential: every answer is given before its sample teaches anything. Online loss
    also rewards following the stream, so beside it stands the loss with weights held as
    they have become, from rest, on up to 4,000 samples of the first stream, which they
    never learned from. A run that leaves all bounds has an infinite loss, and is
    counted. Interrupted by Ctrl-C or SIGTERM, laws that are finished are returned.

    **Arguments:**

    - `task`: any of `hl.tasks`, or yours. Its loss is what laws go down on, its
      metric is reported beside it. A data frame or series, or a `Recording` of
      `hl.tasks.read`, is forecast one sample ahead, by its first column.
    - `laws`: by name, by default the usual ones of `hamlearn.jobs.contenders()`.
    - `neurons`: of every network; `seeds`: how many networks are scored; `rates`: the
      step sizes; `most`: samples of the task that are used; `progress`: whether a bar,
      and how a frame was understood, are shown.

    **Returns:** a `Comparison`, which prints as a table and plots. For each law: the
    median loss over seeds beside that of a trivial answer; the cosine of its update
    with the exact gradient by BPTT, of its own network as it has become, over all
    weights but biases, the median over windows of 32 samples; µs per sample; bytes
    carried from sample to sample and used within one.

    **Raises:** `ValueError` for an empty list of laws, step sizes that are not
    positive, and tasks that are too short or ask nothing.
    """
    asked: AbstractTask = made_of(task, Forecast, progress=progress)
    laws = _checked(asked, laws, neurons, seeds, rates, most)
    rates = tuple(float(rate) for rate in rates)
    floors, streams = asked.floors(), halves(asked, most=most)
    _check_enough(asked, floors, streams)
    setting, began = Setting(asked, streams, neurons, seeds, rates), time.perf_counter()
    bar = tqdm(laws.items(), unit=" laws", leave=False, disable=not progress)
    entries = []
    try:
        with terminable():
            for name, contender in bar:
                bar.set_description(name)
                entries.append(_entry(name, contender, setting))
    except (KeyboardInterrupt, SystemExit):
        if not entries:
            raise
    seconds = time.perf_counter() - began
    first, second = (len(stream.target) for stream in streams)
    missing = tuple(laws)[len(entries) :]
    return Comparison(
        asked,
        tuple(entries),
        floors,
        neurons,
        seeds,
        first,
        second,
        seconds,
        streams[1],
        missing,
    )


def _checked(task, laws, neurons, seeds, rates, most) -> Mapping[str, Contender]:
    """The laws, once all arguments are as they should be."""
    _checks.instance("task", task, AbstractTask)
    _checks.at_least("neurons", neurons, 2)
    _checks.at_least("seeds", seeds, 1)
    _checks.positive("rates", rates)
    _checks.shape("rates", rates, ("rates",))
    if most is not None:
        _checks.at_least("most", most, 2 * LEAST)
    if laws is None:
        known = contenders()
        laws = {name: known[name] for name in USUAL}
    if not isinstance(laws, Mapping):
        wanted = (
            "a dictionary of a `Contender` by name, such as "
            "`{'rtrl': hamlearn.jobs.contenders()['rtrl']}`"
        )
        _checks.reject("laws", wanted, _checks.shown(laws))
    if not laws:
        _checks.reject("laws", "at least one law", "none")
    for name, contender in laws.items():
        _checks.instance(f"laws[{name!r}]", contender, Contender)
    return laws


def _check_enough(task, floors, streams) -> None:
    """There are samples to choose on and to score on, and something to learn."""
    asked = lambda s: len(s.target) if s.weight is None else int((s.weight > 0).sum())
    least = min(map(asked, streams))
    if least < LEAST:
        wanted = (
            f"a stream of at least {2 * LEAST} samples that are asked, half to choose "
            "step sizes on and half to score"
        )
        _checks.reject("task", wanted, f"{task.name}, with {least} in one half")
    name, trivial = trivial_floor(floors)
    if not trivial > 1e-12:
        wanted = "a stream that is not foretold without learning"
        got = f"{task.name}, where {name} is right all through the second half"
        _checks.reject("task", wanted, got)


@dataclass(frozen=True)
class Setting:
    """What all laws of a comparison share."""

    task: AbstractTask
    streams: tuple[Sample, Sample]
    neurons: int
    seeds: int
    rates: tuple[float, ...]

    def network(self, contender: Contender, seed: int) -> Any:
        """A contender's network, the same for every law that has its kind."""
        sizes = self.neurons, self.task.inputs, self.task.outputs
        return contender.network(jax.random.key(seed), *sizes)


def law_key(seed: int) -> Array:
    """What the law of a seed draws from, apart from what its network was drawn from."""
    return jax.random.fold_in(jax.random.key(seed), 1)


def _entry(name: str, contender: Contender, setting: Setting) -> Entry:
    """One law, tuned on the first stream and scored on the second."""
    tuning, scored, held = _runs(contender, setting)
    rate = min(tuning, key=lambda rate: tuning[rate])
    seed = int(np.argmin(scored.diverged))
    learned = jax.tree.map(lambda leaf: leaf[seed], scored.learned)
    # Where all diverge, the least step size still says what a sample costs.
    used = min(setting.rates) if scored.diverged.all() else rate
    law = contender.law(Cost(loss=setting.task.loss), used)
    network = setting.network(contender, seed)
    best = join(learned, split(network)[1])
    samples = fitting(contender, setting.task, setting.streams[1])
    shared: Any = {"steps": contender.steps, "key": law_key(seed)}
    paid = price(law, network, samples, **shared)
    agreement = cosines(law, paid.network, samples, **shared)
    return Entry(
        law=name,
        note=contender.note,
        losses=tuple(scored.mean_losses().tolist()),
        held=tuple(np.where(scored.diverged, np.inf, held).tolist()),
        best=best,
        answers=scored.answers[seed],
        control=contender.control,
        scores=tuple(scored.mean_scores().tolist()) if setting.task.metric else (),
        curve=scored.curve(),
        cosine=agreement["all"],
        cosine_recurrent=agreement.get("weight", math.nan),
        us_per_sample=paid.us,
        us_spread=paid.spread,
        memory_bytes=paid.memory_bytes,
        weights=sum(leaf.size for leaf in split(network)[0].values()),
        step_size=rate,
        tuning=tuning,
        diverged=int(scored.diverged.sum()),
    )


def _runs(
    contender: Contender, setting: Setting
) -> tuple[dict[float, float], Runs, np.ndarray]:
    """(the mean loss at every step size, the runs of all seeds at the best one, the
    loss of each with its weights held)."""
    seeds, rates = setting.seeds, setting.rates
    tries = max(seeds // len(rates), 1)
    width = max(tries * len(rates), seeds)  # one program for both streams
    build = lambda seed: setting.network(contender, seed)
    parts = Drawn(build(0), build(TUNING_SEED))
    run = lanes(contender, setting.task, parts)

    def on(stream: Sample, seeds: list[int], rates: list[float]) -> Runs:
        networks, keys = map(build, seeds), map(law_key, seeds)
        samples = fitting(contender, setting.task, stream)
        return run(list(networks), rates, list(keys), samples)

    drawn = [TUNING_SEED + k // len(rates) for k in range(width)]
    tried = [rates[k % len(rates)] for k in range(width)]
    tuned = on(setting.streams[0], drawn, tried).first(tries * len(rates))
    means = tuned.mean_losses().reshape(tries, len(rates)).mean(axis=0)
    tuning = dict(zip(rates, means.tolist(), strict=True))
    best = min(tuning, key=lambda rate: tuning[rate])
    again = [k % seeds for k in range(width)]
    scored = on(setting.streams[1], again, [best] * width).first(seeds)
    cut = lambda leaf: leaf[: HELD + 1]
    fresh = fitting(contender, setting.task, jax.tree.map(cut, setting.streams[0]))
    networks = [build(seed) for seed in range(seeds)]
    held = held_losses(contender, setting.task, parts, networks, scored.learned, fresh)
    return tuning, scored, held
