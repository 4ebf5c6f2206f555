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
from ..costates.gradient import AbstractMemory, exact_gradient
from ..costates.prospective import ProspectiveAdjoint
from ..laws.base import AbstractLaw, State
from ..laws.law import Law
from ..networks.base import AbstractNetwork
from ..networks.partition import join, split
from ..signals.signal import Sample
from ._places import numbers
from ._sums import begun, sums

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
    def halved(self) -> tuple[Sample, np.ndarray]:
        """(the stream with another second half, 0 at samples of the first, else 1)."""
        length = len(self.samples.target)
        place = (np.arange(length) >= length // 2).astype(np.int32)
        late = lambda leaf: place.reshape(-1, *[1] * (leaf.ndim - 1))
        changed = lambda leaf: jnp.asarray(np.asarray(leaf) + late(leaf), leaf.dtype)
        return jax.tree.map(changed, self.samples), place

    def keys(self, count: int) -> Any:
        """Keys for laws that draw."""
        return jax.random.split(jax.random.wrap_key_data(jnp.asarray(self.seed)), count)

    def gradient(self, cost: Cost) -> Numbers:
        """What BPTT finds."""
        found = exact_gradient(cast(cost), self.network, self.samples, dt=self.dt)
        return as_numbers(found.w)


@dataclass(frozen=True)
class Credit:
    """Credit by weight, one entry per draw (a single one of laws that draw nothing)."""

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
    problem: Problem, memory: AbstractMemory, *, timed: bool = True
) -> Credit:
    """BPTT over the whole stream."""
    w, frozen = split(problem.network)
    arrays, static = eqx.partition(frozen, eqx.is_array)
    network = lambda w, arrays: join(w, eqx.combine(arrays, static))
    run = lambda w, arrays, samples: (
        exact_gradient(
            Cost(), network(w, arrays), samples, dt=problem.dt, memory=memory
        ).w
    )
    call, work = _compiled(run, timed, w, arrays, problem.samples)
    g, pace = _timed(call, len(problem.samples.target), timed)
    return Credit([as_numbers(g)], None, None, work, pace)


def credit_of_law(
    law: AbstractLaw, problem: Problem, draws: int, *, timed: bool = True
) -> Credit:
    """The sum of a law's `estimate` over the stream, of a mean over a window times it.

    Without `timed` the program is compiled fast instead of compiled to be fast.

    **Raises:** `ValueError` where the law cannot take the network.
    """
    law, keys = cast(law), problem.keys(draws)
    state = _start(law, problem, keys[0])
    _, static = eqx.partition(state, eqx.is_array)

    def run(arrays, samples, place):
        state = eqx.combine(arrays, static)
        g = sums(law, state, samples, problem.dt, place, 1)
        return jax.tree.map(lambda leaf: _averaged(law) * leaf[0], g)

    arrays, (other, halves) = eqx.filter(state, eqx.is_array), problem.halved
    call, work = _compiled(run, timed, arrays, problem.samples, np.zeros_like(halves))
    g, pace = _timed(call, len(halves), timed)
    found = [as_numbers(g)]
    for key in keys[1:]:
        found.append(
            as_numbers(call(eqx.filter(_start(law, problem, key), eqx.is_array)))
        )
        if len(found) == 2 and _same(*found):
            found.pop()
            break
    sure, changed = (
        as_numbers(call(arrays, s, halves)) for s in (problem.samples, other)
    )
    causal = _same(sure, changed) if any(map(np.any, sure.values())) else None
    return Credit(found, causal, _carried(state), work, pace)


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


def _start(law: AbstractLaw, problem: Problem, key: Any) -> State:
    return begun(law, problem.network, problem.samples, problem.dt, None, key)[0]


def _averaged(law: AbstractLaw) -> int:
    """Over how many samples the law's g is a mean."""
    credit = law.credit if isinstance(law, Law) else None
    return credit.window if isinstance(credit, ProspectiveAdjoint) else 1


def _compiled(run: Any, fast: bool, *arguments: Any) -> tuple[Any, int]:
    """(the compiled program, whose last arguments may be left out; its memory)."""
    options = None if fast else {"xla_backend_optimization_level": 0}
    program = jax.jit(run, compiler_options=options).lower(*arguments).compile()
    call = lambda *given: program(*given, *arguments[len(given) :])
    analysis = program.memory_analysis()
    return call, int(analysis.temp_size_in_bytes)  # pyright: ignore[reportOptionalMemberAccess]


def _timed(call: Any, steps: int, timed: bool) -> tuple[Params, float]:
    """(the result, the best of 3 to 30 times in microseconds per sample)."""
    g, times = jax.block_until_ready(call()), []
    while timed and (len(times) < 3 or (len(times) < 30 and sum(times) < 0.1)):
        began = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - began)
    return g, min(times, default=float("nan")) / steps * 1e6


def _same(a: Numbers, b: Numbers) -> bool:
    return all(np.array_equal(a[name], b[name], equal_nan=True) for name in a)


def _carried(state: State) -> int:
    """Bytes of all numbers but those of the network that do not learn."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(numbers(state)))
