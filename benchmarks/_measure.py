"""Programs compiled once, timed in turn, with the compiler's count of their memory."""

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl
from hamlearn.laws.base import with_rest, without_rest
from hamlearn.run.scan import strong

REPEATS = 9


@dataclasses.dataclass
class Program:
    """One compiled function of arrays, and what the compiler says of it.

    `samples`: how many one call learns from; `carried`: bytes of the law's state;
    `peak`: of arguments, results and scratch together; `moved`: bytes that XLA says a
    sample reads and writes, and `flops`: it counts the body of a loop once.
    """

    name: str
    run: Callable[[], Any]
    samples: int
    carried: int
    scratch: int
    peak: int
    flops: float
    moved: float
    compile_s: float
    structure: Any

    def result(self) -> Any:
        """What a call returns, put together again."""
        return jax.tree.unflatten(self.structure, self.run())


def compiled(
    name: str, function: Callable[..., Any], *arguments: Any, samples: int, carried: Any
) -> Program:
    """Compile `function` for these arguments.

    It is given plain arrays and returns such: to take modules apart at every call
    costs as much as thirty samples of a small network, and more for a large graph.
    """
    leaves, tree = jax.tree.flatten(arguments)
    structures = []

    def flat(leaves):
        found, structure = jax.tree.flatten(function(*jax.tree.unflatten(tree, leaves)))
        structures.append(structure)
        return found

    began = time.perf_counter()
    program = jax.jit(flat).lower(leaves).compile()
    seconds = time.perf_counter() - began
    memory, analysis = program.memory_analysis(), program.cost_analysis()
    return Program(
        name,
        lambda: program(leaves),
        samples,
        nbytes(carried),
        0 if memory is None else int(memory.temp_size_in_bytes),
        0 if memory is None else _peak(memory),
        float((analysis or {}).get("flops", math.nan)),
        float((analysis or {}).get("bytes accessed", math.nan)),
        seconds,
        structures[0],
    )


def _peak(memory: Any) -> int:
    used = memory.argument_size_in_bytes + memory.output_size_in_bytes
    return int(used + memory.temp_size_in_bytes - memory.alias_size_in_bytes)


def clock() -> float:
    """Seconds of the processor on a CPU, which others do not lengthen, or by the wall.

    The benchmarks run on one core of a CPU, see `_one_core`; waiting for a GPU costs
    no processor time.
    """
    on_cpu = jax.default_backend() == "cpu"
    return time.process_time() if on_cpu else time.perf_counter()


def of_law(
    name: str, law: Any, network: Any, samples: Any, dt: float, *, copies: int = 0
) -> Program:
    """A law over a block of samples, from its start, as `over_samples` has it."""
    run, given = over_samples(law, network, samples, dt, copies=copies)
    length = samples.target.shape[0]
    return compiled(name, run, *given, samples=length, carried=given[:2])


def over_samples(
    law: Any, network: Any, samples: Any, dt: float, *,
    x0: Any = None, key: Any = None, copies: int = 0,
) -> tuple[Callable[..., Any], tuple[Any, Any, Any]]:  # fmt: skip
    """(the loop over the samples, what it takes: arrays that move, others, samples).

    With `copies`, so many learners at once, each with its own weights and stream.
    """
    state = law.init(network, x0=x0, key=jax.random.key(0) if key is None else key)
    state = strong(state)
    arrays, static = eqx.partition(state.rest, eqx.is_array)
    loss = lambda state, sample, info: info.loss

    def run(moving, fixed, samples):
        state = with_rest(moving, eqx.combine(fixed, static))
        state, losses = hl.scan(law, state, samples, dt, loss)
        return without_rest(state), losses

    given = without_rest(state), arrays, samples
    if not copies:
        return run, given
    many = jax.vmap(run, in_axes=(0, None, 1), out_axes=(0, 1))
    moving, samples = _repeated(given[0], copies, 0), _repeated(samples, copies, 1)
    return many, (moving, arrays, samples)


def _repeated(tree: Any, copies: int, axis: int) -> Any:
    many = lambda leaf: jnp.repeat(jnp.expand_dims(leaf, axis), copies, axis)
    return jax.tree.map(many, tree)


def nbytes(tree: Any) -> int:
    """Bytes of all arrays."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree) if eqx.is_array(leaf))


def in_turn(programs: Sequence[Program], *, repeats: int = REPEATS) -> dict[str, Any]:
    """µs per sample of each, run one after the other in rounds, each waited for.

    Ratios between programs are to be taken round by round: load on the machine then
    falls on both.
    """
    times: dict[str, list[float]] = {program.name: [] for program in programs}
    for k in range(repeats + 1):
        for program in programs:
            began = clock()
            jax.block_until_ready(program.run())
            if k:  # the first round warms up
                us = (clock() - began) / program.samples * 1e6
                times[program.name].append(us)
    return {name: np.array(values) for name, values in times.items()}


def row(program: Program, times: dict[str, Any], **against: str) -> dict[str, Any]:
    """Figures of one program; `against` names others to take ratios to."""
    us = times[program.name]
    found = {
        "law": program.name,
        "us_per_sample": quartiles(us),
        "compile_s": program.compile_s,
        "state_bytes": program.carried,
        "scratch_bytes": program.scratch,
        "peak_bytes": program.peak,
        "flops_per_sample": program.flops,  # XLA counts the body of a loop once
        "samples_a_call": program.samples,
    }
    for label, other in against.items():
        if other in times:
            found[f"ratio_to_{label}"] = quartiles(us / times[other])
    return found


def quartiles(values: Any) -> dict[str, float]:
    """Median, and the middle half."""
    low, median, high = np.percentile(np.asarray(values, float), [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high)}


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float | None:
    """The slope of log values against log sizes, over the upper half of the sizes."""
    if len(sizes) < 2:
        return None
    upper = max(len(sizes) // 2, 2)
    logs = np.log([list(sizes)[-upper:], list(values)[-upper:]])
    return float(np.polyfit(logs[0], logs[1], 1)[0])
