"""The summed credit of a law on one random stream, and what it takes to find it."""

import time
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Params
from ..action.cost import Cost
from ..networks.base import AbstractNetwork
from ..networks.partition import join, split
from ..rules._base import AbstractConstrained, AbstractRule
from ..rules.bptt import AbstractScan, stream_gradient
from ..signals.signal import Sample
from .alignment import direction

Numbers = dict[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """A network, with its weights held, and a random stream in the present dtype."""

    network: AbstractNetwork
    samples: Sample
    dt: Any
    seed: np.ndarray

    @classmethod
    def make(cls, network: Any, inputs: int, steps: int, dt: float, seed: np.ndarray):
        """Standard normal inputs and targets, the same in every precision."""
        dtype = jnp.zeros(()).dtype
        rng = np.random.default_rng(seed)
        u = jnp.asarray(rng.standard_normal((steps, inputs)), dtype)
        y = eqx.filter_eval_shape(network.readout, network.initial_state(), u[0])
        target = jnp.asarray(rng.standard_normal((steps, *y.shape)), dtype)
        return cls(network, Sample(u, target), jnp.asarray(dt, dtype), seed)

    @property
    def halves(self) -> tuple[Sample, Any]:
        """(the stream with another second half, 1 for samples of the first)."""
        length = len(self.samples.target)
        early = np.arange(length) < length // 2
        late = lambda leaf: (~early).reshape(-1, *[1] * (leaf.ndim - 1))
        changed = lambda leaf: jnp.asarray(np.asarray(leaf) + late(leaf), leaf.dtype)
        other = jax.tree.map(changed, self.samples)
        return other, jnp.asarray(early, self.samples.target.dtype)

    def keys(self, count: int) -> Any:
        """Keys for laws that draw."""
        return jax.random.split(jax.random.wrap_key_data(jnp.asarray(self.seed)), count)

    def gradient(self, cost: Cost) -> Numbers:
        """What BPTT finds."""
        g, _ = stream_gradient(cast(cost), self.network, self.samples, dt=self.dt)
        return as_numbers(g)


@dataclass(frozen=True)
class Credit:
    """Credit by weight, one entry a draw (a single one of laws that draw nothing)."""

    draws: list[Numbers]
    causal: bool | None
    state_bytes: int | None
    work_bytes: int
    us: float

    @property
    def mean(self) -> Numbers:
        """The mean over draws."""
        return jax.tree.map(lambda *g: sum(g) / len(g), *self.draws)


def credit_of_bptt(
    problem: Problem, memory: AbstractScan, *, timed: bool = True
) -> Credit:
    """BPTT over the whole stream."""
    w, frozen = split(problem.network)
    arrays, static = eqx.partition(frozen, eqx.is_array)
    network = lambda w, arrays: join(w, eqx.combine(arrays, static))
    run = lambda w, arrays, samples: stream_gradient(
        Cost(), network(w, arrays), samples, dt=problem.dt, memory=memory
    )[0]
    call, work = _compiled(run, timed, w, arrays, problem.samples)
    g, pace = _timed(call, len(problem.samples.target), timed)
    return Credit([as_numbers(g)], None, None, work, pace)


def credit_of_law(
    rule: AbstractRule, problem: Problem, draws: int, *, timed: bool = True
) -> Credit:
    """The sum of a law's `direction` over the stream.

    Without `timed` the program is compiled fast instead of compiled to be fast.

    **Raises:** `ValueError` where the law cannot take the network.
    """
    rule, keys = cast(rule), problem.keys(draws)
    state = _start(rule, problem, keys[0])
    _, static = eqx.partition(state, eqx.is_array)

    def run(arrays, samples, counted):
        w, _ = split(eqx.combine(arrays, static).network)

        def body(carry, now):
            (arrays, total), (sample, m) = carry, now
            state = eqx.combine(arrays, static)
            g, state = direction(rule, state, w, sample, problem.dt)
            total = jax.tree.map(lambda s, g: s + m * g, total, g)
            return (eqx.filter(state, eqx.is_array), total), None

        start = (arrays, jax.tree.map(jnp.zeros_like, w))
        return jax.lax.scan(body, start, (samples, counted))[0][1]

    arrays = eqx.filter(state, eqx.is_array)
    other, early = problem.halves
    every = jnp.ones_like(early)
    call, work = _compiled(run, timed, arrays, problem.samples, every)
    g, pace = _timed(call, len(early), timed)
    found = [as_numbers(g)]
    for key in keys[1:]:
        arrays_k = eqx.filter(_start(rule, problem, key), eqx.is_array)
        found.append(as_numbers(call(arrays_k)))
        if len(found) == 2 and _same(*found):
            found.pop()
            break
    sure, changed = (
        as_numbers(call(arrays, s, early)) for s in (problem.samples, other)
    )
    causal = _same(sure, changed) if any(map(np.any, sure.values())) else None
    size = _bytes(state) - _bytes(split(state.network)[1])
    return Credit(found, causal, size, work, pace)


def cast(module: Any) -> Any:
    """`module` with its floating-point arrays in the present default dtype."""
    dtype = jnp.zeros(()).dtype
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf, dtype) if eqx.is_inexact_array(leaf) else leaf,
        module,
    )


def as_numbers(g: Params) -> Numbers:
    """`g` in NumPy's double precision."""
    return {name: np.asarray(leaf, np.float64) for name, leaf in g.items()}


def compare(g: Numbers, exact: Numbers) -> tuple[float, float]:
    """(cosine, relative error), NaN where a size is zero."""
    a, b = flat(g), flat(exact)
    with np.errstate(all="ignore"):
        cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
        return float(cosine), float(np.linalg.norm(a - b) / np.linalg.norm(b))


def flat(g: Numbers) -> np.ndarray:
    """All numbers in one vector."""
    return np.concatenate([g[name].ravel() for name in sorted(g)])


def require_gradient(exact: Numbers) -> None:
    """**Raises:** `ValueError` where no weight matters."""
    if not any(map(np.any, exact.values())):
        wanted = "one with weights that its output depends on"
        _checks.reject("network", wanted, "one whose gradient is zero")


def _start(rule: AbstractRule, problem: Problem, key: Any) -> Any:
    state = rule.init(problem.network, key=key)
    rule.check(problem.network, problem.dt)
    if isinstance(rule, AbstractConstrained):
        first = jax.tree.map(lambda leaf: leaf[0], problem.samples)
        state = rule.begin(state, jnp.zeros_like(problem.dt), first)
    return state


def _compiled(run: Any, fast: bool, *arguments: Any) -> tuple[Any, int]:
    """(the compiled program, whose last arguments may be left out; its memory)."""
    options = None if fast else {"xla_backend_optimization_level": 0}
    program = jax.jit(run, compiler_options=options).lower(*arguments).compile()
    call = lambda *given: program(*given, *arguments[len(given) :])
    analysis = program.memory_analysis()
    return call, int(analysis.temp_size_in_bytes)  # pyright: ignore[reportOptionalMemberAccess]


def _timed(call: Any, steps: int, timed: bool) -> tuple[Params, float]:
    """(the result, the best of 3 to 30 times in microseconds a sample)."""
    g, times = jax.block_until_ready(call()), []
    while timed and (len(times) < 3 or (len(times) < 30 and sum(times) < 0.1)):
        began = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - began)
    return g, min(times, default=float("nan")) / steps * 1e6


def _same(a: Numbers, b: Numbers) -> bool:
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


def _bytes(tree: Any) -> int:
    return sum(
        a.nbytes for a in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))
    )
