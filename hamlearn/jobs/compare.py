"""Laws side by side on one stream: quality, credit, time and memory."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from .. import _checks
from ..analysis import alignment
from ..networks.partition import join, split
from ..signals.signal import Sample
from ..tasks import AbstractPaired
from .comparison import Comparison, Entry
from .contenders import USUAL, Contender, contenders

#: Step sizes that every law is tried at.
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
#: The seed that step sizes are chosen with; the others are scored.
TUNING_SEED = 1000
#: A run with a larger number in its state or loss counts as diverged.
BOUND = 1e6


def compare(
    task: AbstractPaired,
    rules: Mapping[str, Contender] | None = None,
    *,
    neurons: int = 16,
    seeds: int = 5,
    rates: Any = RATES,
    progress: bool = True,
) -> Comparison:
    """Let several laws learn one stream online, and say what each is worth.

    A law's step size is the one of `rates` with the least mean loss over the first
    half of the stream, over networks of their own (one for every five seeds); the
    scores are from the second half, with new networks. Losses are prequential: every
    answer is given before its sample teaches anything. A run that leaves all bounds
    has an infinite loss, and is counted.

    **Arguments:** `task`: from `hl.tasks.forecast`, or a `hl.tasks.Paired` of any
    inputs and answers; `rules`: by name, by default the usual ones of `contenders()`;
    `neurons`: of every network; `seeds`: how many networks are scored; `rates`: the
    step sizes.

    **Returns:** a `Comparison`, which prints as a table and plots. For each law: the
    median loss over seeds beside that of a trivial answer; the cosine of its update
    with the exact gradient by BPTT, of its own network as it has become, over all
    weights but biases, the median over windows of 32 samples; µs a sample; bytes
    carried from sample to sample and used within one.

    **Raises:** `ValueError` for an empty list of laws, or step sizes that are not
    positive.
    """
    _checks.instance("task", task, AbstractPaired)
    _checks.at_least("neurons", neurons, 2)
    _checks.at_least("seeds", seeds, 1)
    _checks.positive("rates", rates)
    if rules is None:
        known = contenders()
        rules = {name: known[name] for name in USUAL}
    if not rules:
        _checks.reject("rules", "at least one law", "none")
    floors, entries, began = task.floors(), [], time.perf_counter()
    bar = tqdm(rules.items(), unit=" laws", leave=False, disable=not progress)
    for name, contender in bar:
        bar.set_description(name)
        entry = _entry(name, contender, task, neurons, seeds, tuple(rates))
        entries.append(entry)
    seconds = time.perf_counter() - began
    return Comparison(task, tuple(entries), floors, neurons, seeds, seconds)


def _entry(name, contender, task, neurons, seeds, rates) -> Entry:
    """One law, tuned on the first half and scored on the second."""
    first, second = (_samples(contender, task, half) for half in (False, True))
    sizes = neurons, task.inputs, task.outputs
    build = lambda seed: contender.network(jax.random.key(seed), *sizes)
    tries = max(seeds // len(rates), 1)
    lanes = max(tries * len(rates), seeds)  # one program for both halves
    run = _lanes(contender, split(build(0))[1])
    fresh = [build(TUNING_SEED + k // len(rates)) for k in range(lanes)]
    tuned = run(_stacked(fresh), _filled(rates, lanes), first)
    tuned = np.asarray(tuned, np.float64)[: tries * len(rates)].mean(axis=1)
    losses = tuned.reshape(tries, len(rates)).mean(axis=0)
    rate = float(rates[int(np.argmin(_as_loss(losses)))])
    networks = [build(seed % seeds) for seed in range(lanes)]
    scored = run(_stacked(networks), _filled([rate], lanes), second)
    scored = np.asarray(scored, np.float64)[:seeds]
    bad = ~np.isfinite(scored).all(axis=1)
    # Where all diverge, the least step size still says what a sample costs.
    rule = contender.rule(min(rates) if bad.all() else rate)
    cost = _cost(contender, rule, networks[int(np.argmin(bad))], second)
    agreement = _cosine(contender, rule, cost.network, second)
    return Entry(
        rule=name,
        note=contender.note,
        losses=tuple(_as_loss(scored.mean(axis=1))),
        curve=_curve(scored[~bad]),
        cosine=agreement["all"],
        cosine_recurrent=agreement["weight"],
        us_per_sample=cost.us,
        us_spread=cost.spread,
        memory_bytes=cost.bytes,
        weights=sum(leaf.size for leaf in split(networks[0])[0].values()),
        step_size=rate,
        tuning=dict(zip(map(float, rates), _as_loss(losses), strict=True)),
        diverged=int(bad.sum()),
    )


def _samples(contender: Contender, task: AbstractPaired, second: bool) -> Sample:
    shape = {"immediate": contender.immediate, "steps": contender.steps}
    made = task.half(second, **shape)
    dtype = jnp.zeros(()).dtype
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), made)


def _lanes(contender: Contender, frozen: Any) -> Callable[..., Any]:
    """(weights, step sizes, samples) -> losses at every answer; one lane each."""

    def lane(w, rate, samples):
        rule = contender.rule(rate)
        state = rule.init(join(w, frozen), key=jax.random.key(0))
        step = _guarded(_stepper(contender, rule, state, samples.target.dtype))
        start = (_moving(state), jnp.ones((), bool))
        losses = jax.lax.scan(step, start, samples)[1]
        return losses.reshape(-1, contender.steps)[:, -1]

    return jax.jit(jax.vmap(lane, (0, 0, None)))


def _stepper(contender: Contender, rule: Any, state: Any, dtype: Any):
    """(what moves of the state, a sample) -> (the same after it, loss), for a scan."""
    _, still = eqx.partition(state, eqx.is_array)
    dt = jnp.asarray(1 / contender.steps, dtype)

    def step(moving, sample):
        state, info = rule.step(eqx.combine(moving, still), sample, dt)
        return eqx.filter(state, eqx.is_array), info.loss

    return step


def _guarded(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` that stands still, at an infinite loss, once something is out of bounds.

    Early enough for linear solvers, which raise at what is not finite.
    """

    def small(leaf):
        return jnp.all(jnp.abs(leaf) < BOUND) if eqx.is_inexact_array(leaf) else True

    def guarded(carry, sample):
        moving, good = carry
        after, loss = step(moving, sample)
        bounded = [small(leaf) for leaf in jax.tree.leaves((after, loss))]
        good = good & jnp.all(jnp.stack([jnp.asarray(b) for b in bounded]))
        after = jax.tree.map(lambda a, b: jnp.where(good, a, b), after, moving)
        return (after, good), jnp.where(good, loss, jnp.inf)

    return guarded


def _moving(state: Any) -> Any:
    strong = lambda leaf: jnp.asarray(leaf, leaf.dtype)
    return jax.tree.map(strong, eqx.filter(state, eqx.is_array))


class _Cost(eqx.Module):
    network: Any
    us: float
    spread: tuple[float, float]
    bytes: int


def _cost(contender, rule, network, samples, blocks: int = 10) -> _Cost:
    """Learn in blocks through one compiled program, and measure all but the first."""
    state = rule.init(network, key=jax.random.key(0))
    size = samples.target.shape[0] // contender.steps // blocks * contender.steps
    at = lambda k: jax.tree.map(lambda a: a[k * size : (k + 1) * size], samples)
    step = _stepper(contender, rule, state, samples.target.dtype)
    moving = _moving(state)
    advance = jax.jit(lambda moving, block: jax.lax.scan(step, moving, block))
    compiled = advance.lower(moving, at(0)).compile()
    seconds = []
    for k in range(blocks):
        block = jax.block_until_ready(at(k))
        began = time.perf_counter()
        moving, _ = jax.block_until_ready(compiled(moving, block))
        seconds.append((time.perf_counter() - began) * contender.steps / size * 1e6)
    us = np.percentile(seconds[1:], [25, 50, 75])
    learned = eqx.combine(moving, eqx.partition(state, eqx.is_array)[1]).network
    scratch = compiled.memory_analysis()
    used = 0 if scratch is None else int(scratch.temp_size_in_bytes)
    carried = sum(leaf.nbytes for leaf in jax.tree.leaves(moving))
    return _Cost(learned, float(us[1]), (float(us[0]), float(us[2])), carried + used)


def _cosine(contender, rule, network, samples) -> dict[str, float]:
    """Median cosine with the exact gradient over windows, weights held, by part."""
    window = 32 * contender.steps
    windows = max(min(samples.target.shape[0] // window - 1, 8), 1)
    used = jax.tree.map(lambda leaf: leaf[: (windows + 1) * window], samples)
    table = alignment(
        rule,
        network,
        used,
        dt=1 / contender.steps,
        window=window,
        skip=window,
        key=jax.random.key(0),
    )
    return {row["part"]: float(row["cosine"]) for row in table.rows()}


def _curve(losses: np.ndarray, points: int = 50) -> np.ndarray:
    """Mean loss in equal stretches of the stream, a row a seed."""
    size = max(losses.shape[1] // points, 1)
    used = losses[:, : losses.shape[1] // size * size]
    return used.reshape(len(losses), used.shape[1] // size, size).mean(axis=2)


def _stacked(networks: list) -> Any:
    return jax.tree.map(lambda *w: jnp.stack(w), *[split(n)[0] for n in networks])


def _filled(rates: Any, lanes: int) -> Any:
    return jnp.resize(jnp.asarray(rates, jnp.zeros(()).dtype), (lanes,))


def _as_loss(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.inf)
