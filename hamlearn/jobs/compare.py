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
from ..networks.partition import split
from ..signals.signal import Sample
from ..tasks import AbstractTask, halves
from .comparison import Comparison, Entry
from .contenders import USUAL, Contender, contenders
from .lanes import Drawn, Runs, fitting, lanes
from .measures import cosines, price

#: Step sizes that every law is tried at.
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
#: The seed that step sizes are chosen with; the others are scored.
TUNING_SEED = 1000


def compare(
    task: AbstractTask,
    laws: Mapping[str, Contender] | None = None,
    *,
    neurons: int = 16,
    seeds: int = 5,
    rates: Sequence[float] = RATES,
    progress: bool = True,
) -> Comparison:
    """Let several laws learn one stream online, and say what each is worth.

    A law's step size is the one of `rates` with the least mean loss over a first
    stream of half the task's length, over networks of their own (one for every five
    seeds); the scores are from a second stream, with new networks. Losses are
    prequential: every answer is given before its sample teaches anything. A run that
    leaves all bounds has an infinite loss, and is counted.

    **Arguments:**

    - `task`: any of `hl.tasks`, or yours. Its loss is what laws go down on, its
      metric is reported beside it.
    - `laws`: by name, by default the usual ones of `hamlearn.jobs.contenders()`.
    - `neurons`: of every network; `seeds`: how many networks are scored; `rates`: the
      step sizes.

    **Returns:** a `Comparison`, which prints as a table and plots. For each law: the
    median loss over seeds beside that of a trivial answer; the cosine of its update
    with the exact gradient by BPTT, of its own network as it has become, over all
    weights but biases, the median over windows of 32 samples; µs per sample; bytes
    carried from sample to sample and used within one.

    **Raises:** `ValueError` for an empty list of laws, or step sizes that are not
    positive.
    """
    laws = _checked(task, laws, neurons, seeds, rates)
    rates = tuple(float(rate) for rate in rates)
    floors, streams = task.floors(), halves(task)
    setting, began = Setting(task, streams, neurons, seeds, rates), time.perf_counter()
    bar = tqdm(laws.items(), unit=" laws", leave=False, disable=not progress)
    entries = []
    for name, contender in bar:
        bar.set_description(name)
        entries.append(_entry(name, contender, setting))
    seconds = time.perf_counter() - began
    first, second = (len(stream.target) for stream in streams)
    return Comparison(
        task, tuple(entries), floors, neurons, seeds, first, second, seconds
    )


def _checked(task, laws, neurons, seeds, rates) -> Mapping[str, Contender]:
    """The laws, once all arguments are as they should be."""
    _checks.instance("task", task, AbstractTask)
    _checks.at_least("neurons", neurons, 2)
    _checks.at_least("seeds", seeds, 1)
    _checks.positive("rates", rates)
    if laws is None:
        known = contenders()
        laws = {name: known[name] for name in USUAL}
    if not laws:
        _checks.reject("laws", "at least one law", "none")
    for name, contender in laws.items():
        _checks.instance(f"laws[{name!r}]", contender, Contender)
    return laws


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
    tuning, scored = _runs(contender, setting)
    rate = min(tuning, key=lambda rate: tuning[rate])
    seed = int(np.argmin(scored.diverged))
    # Where all diverge, the least step size still says what a sample costs.
    used = min(setting.rates) if scored.diverged.all() else rate
    law = contender.law(Cost(loss=setting.task.loss), used)
    network = setting.network(contender, seed)
    samples = fitting(contender, setting.task, setting.streams[1])
    shared: Any = {"steps": contender.steps, "key": law_key(seed)}
    paid = price(law, network, samples, **shared)
    agreement = cosines(law, paid.network, samples, **shared)
    return Entry(
        law=name,
        note=contender.note,
        losses=tuple(scored.mean_losses().tolist()),
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


def _runs(contender: Contender, setting: Setting) -> tuple[dict[float, float], Runs]:
    """(the mean loss at every step size, the runs of all seeds at the best one)."""
    seeds, rates = setting.seeds, setting.rates
    tries = max(seeds // len(rates), 1)
    width = max(tries * len(rates), seeds)  # one program for both streams
    build = lambda seed: setting.network(contender, seed)
    run = lanes(contender, setting.task, Drawn(build(0), build(TUNING_SEED)))

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
    return tuning, on(setting.streams[1], again, [best] * width).first(seeds)
