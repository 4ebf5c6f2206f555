"""What changes in the next state of a law when one number of this one is moved."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from ..laws.base import AbstractLaw, State
from ..run.scan import scan
from ._places import OUTPUTS, Spot, distances, leaves, numbers, place, with_numbers


def dependencies(step, state, graph, samples, kinds=()):
    """(which number changes which, where each of the causes and effects lives).

    Causes are the numbers of the state and the two targets, effects those of the next
    state. Taken at every sample, from states made random, and joined.
    """
    places = [place(leaf.shape, graph, kinds) for leaf in leaves(state).values()]
    near = [spot for one in places for spot in one.near]
    changes = None
    for k in range(len(samples.target)):
        now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        found, state, _ = step(state, now, 0.3)
        found = np.asarray(found)
        changes = found if changes is None else changes | found
    return changes, near + [(k,) for k in OUTPUTS], near


def perturbed(law: AbstractLaw, state: State, dt: float) -> Any:
    """(state, sample, noise) -> (bits that change, the next state, output).

    The state is made random by `noise`, then each number in it is moved in turn.
    """
    _, static = eqx.partition(state, eqx.is_array)

    # Runs once: a program that compiles fast is worth more than a fast program.
    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def step(arrays, sample, noise, kicks):
        state = eqx.combine(arrays, static)
        flat, unravel = ravel_pytree(numbers(state))
        both = jnp.concatenate([flat + noise, sample.target.astype(flat.dtype)])

        def after(number):
            kicked = both.at[number].add(kicks[number], mode="drop")
            mine = eqx.tree_at(lambda s: s.target, sample, kicked[flat.size :])
            one = jax.tree.map(lambda leaf: leaf[None], mine)
            now = with_numbers(state, unravel(kicked[: flat.size]))
            now, outputs = scan(law, now, one, dt, lambda s, _, info: info.output)
            effects = ravel_pytree(numbers(now))[0]
            return effects, eqx.filter(now, eqx.is_array), outputs[0]

        # The last kick is beyond all numbers, and so none.
        rows, *found = jax.lax.map(after, jnp.arange(both.size + 1))
        both_bad = jnp.isnan(rows[:-1]) & jnp.isnan(rows[-1])
        last = jax.tree.map(lambda leaf: leaf[-1], found)
        return (rows[:-1] != rows[-1]) & ~both_bad, *last

    size = sum(leaf.size for leaf in leaves(state).values())
    rng = np.random.default_rng(2)

    def run(state, sample, noise):
        arrays, targets = eqx.filter(state, eqx.is_array), sample.target.size
        moved = jnp.asarray(noise * rng.standard_normal(size))
        kicks = jnp.asarray(0.5 + rng.random(size + targets))
        changed, arrays, output = step(arrays, sample, moved, kicks)
        return changed, eqx.combine(arrays, static), output

    return run


def _pairs(changes, causes, effects):
    """(where the cause is, where the effect is) of every change.

    A number without a place that nothing but itself changes is given from outside,
    like a stored sample, and is no way for nodes to reach each other.
    """
    for cause, effect in zip(*np.nonzero(changes), strict=True):
        sources = np.flatnonzero(changes[:, cause]) if cause < len(effects) else []
        given = causes[cause] is None and all(k == cause for k in sources)
        if not given:
            yield causes[cause], effects[effect]


def reach(found: Any, graph: Any) -> int | None:
    """The most edges from a cause to its effect; None where one has no place."""
    hops, furthest = distances(graph), 0
    pairs: set[tuple[Spot, Spot]] = set(_pairs(*found))
    for a, b in pairs:
        if a is None or b is None:
            return None
        furthest = max(furthest, *(min(hops[i][j] for j in b) for i in a))
    return int(furthest)


def transport(changes, causes, effects, is_weight: np.ndarray) -> bool:
    """Whether the weight of an edge changes what is stored where the edge begins."""
    changes = changes.copy()
    changes[: len(effects)][~is_weight] = False
    for a, b in _pairs(changes, causes, effects):
        if a is None or b is None or len(a) != 2 or a[0] == a[1]:
            continue
        if b[-1] == a[0] and a[1] not in b:
            return True
    return False


def waits(step: Any, state: State, samples: Any) -> tuple[int, int]:
    """(the least, the most) samples from a target to the first weights it changes.

    From a random state, where every neuron hears something. A target that nothing
    answers within the samples says nothing; (0, 0) where that is true of all.
    """
    length = len(samples.target)

    def weights(state, first, kicked=False):
        """The weights after each sample from `first` on."""
        learned = []
        for k in range(first, length):
            sample = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
            if kicked and k == first:
                sample = eqx.tree_at(lambda s: s.target, sample, sample.target + 1)
            _, state, _ = step(state, sample, 0.0)
            learned.append((state, state.w))
        return learned

    first = jax.tree.map(lambda leaf: leaf[0], samples)
    _, state, _ = step(state, first, 0.3)
    usual, found = [(state, None), *weights(state, 1)], []
    for k in range(1, length):
        other = weights(usual[k - 1][0], k, kicked=True)
        pairs = zip(other, usual[k:], strict=True)
        moved = [not _same(a, b) for (_, a), (_, b) in pairs]
        found += [moved.index(True)] if True in moved else []
    return min(found, default=0), max(found, default=0)


def causal(step, state, samples) -> bool:
    """Whether what is reported and learned is the same, bit for bit, whatever comes.

    What comes is all later samples, and the target of the sample of the report.
    """
    last = len(samples.target) // 2

    def run(samples):
        outputs, learned, now = [], [], state
        for k in range(last + 1):
            sample = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
            learned.append(now.w)
            _, now, output = step(now, sample, 0.0)
            outputs.append(output)
        return outputs, learned

    other = eqx.tree_at(lambda s: s.target, samples, samples.target.at[last:].add(1))
    same = jax.tree.map(np.array_equal, run(samples), run(other))
    return all(jax.tree.leaves(same))


def _same(a: Any, b: Any) -> bool:
    equal = jax.tree.map(lambda a, b: np.array_equal(a, b, equal_nan=True), a, b)
    return all(jax.tree.leaves(equal))
