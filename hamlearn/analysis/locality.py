"""Which laws are local in space and time: measured, not declared.

Every number that a law carries is perturbed, one at a time, on random states of a
sparse network, and what changes in the next state is compared bit by bit. Where a
number lives (a node, an edge, both) follows from the shape of its leaf.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from .. import _checks
from ..laws.base import AbstractFlow, AbstractLaw, State
from ..run.scan import scan
from ..run.tables import Table
from ._places import (
    OUTPUTS,
    MakeNetwork,
    Spot,
    distances,
    leaves,
    made,
    numbers,
    place,
    random_jets,
    rate_chain,
    rate_ring,
    read_ring,
    voltage_chain,
    weights,
    with_numbers,
)

COLUMNS = (
    "law", "local_in_space", "local_in_time", "causal", "per_node", "per_edge",
    "weight_transport",
)  # fmt: skip
_NETWORKS = (
    rate_ring, rate_chain, read_ring, voltage_chain(0.0), voltage_chain(1.0),
)  # fmt: skip


@dataclass(frozen=True)
class Audited:
    """A law with what its audit needs to know.

    **Attributes:** `law`; `network`: a function from the activation of its neurons to
    the network, by default the first that the law takes of a ring and a row of rate
    neurons, a ring with a readout, and two rows of voltage neurons; `exchanges`: how
    many exchanges between neighbours the law is given per step.
    """

    law: AbstractLaw
    network: MakeNetwork | None = None
    exchanges: int = 1


def locality(laws: Mapping[str, AbstractLaw | Audited], *, dt: float = 0.1) -> Table:
    """Audit laws: a table with one row each.

    - `local_in_space`: what is stored at a node or edge changes with what is at most
      one edge away; where a law keeps k past samples, or is given k exchanges per step,
      k edges. `hops` is the number of edges found, None for a change with what has no
      place, such as a stored random vector for the whole network.
    - `local_in_time`: nothing is stored that has an axis of time.
    - `causal`: what is learned and reported at a sample is the same, bit for bit,
      whatever comes later, its own target included. (A law that waits for the end of
      a window is causal in this sense; it is not local in time.)
    - `per_node`, `per_edge`: numbers stored beside x and w, over nodes and edges; a
      matrix of nodes times edges counts with the edges.
    - `weight_transport`: a node needs the weight of an edge that leaves it (in a
      linear network, where no slope of another neuron depends on that weight; outputs
      are neurons, so that there is no readout to go back through). A law with a global
      normalisation needs every weight everywhere.

    On a ring or in a row a neuron hears one other, so that hearing and answering, the
    two exchanges of a step, reach no further than one edge.

    **Arguments:** `laws`: by name, without momentum in their optimizers, which would
    count as storage; or `Audited`; `dt`: of the audit's own samples.
    """
    rows = tuple((name, *_audit(_audited(law), dt)) for name, law in laws.items())
    return Table("Locality, measured by perturbation", (*COLUMNS, "hops"), rows)


def storage(law: AbstractLaw | Audited, *, dt: float = 0.1) -> Table:
    """What a law carries, and where it lives: one row per leaf of its state.

    **Arguments:** as for `locality`, but one law.
    """
    audited = _audited(law)
    graph, state = _start(audited, jnp.tanh)
    rows = []
    for name, leaf in leaves(state).items():
        at = place(leaf.shape, graph)
        rows.append((name, str(leaf.shape), at.lives, at.size, at.past or None))
    title = f"State of {audited.law.title} on {graph}"
    return Table(title, ("leaf", "shape", "lives", "numbers", "past"), tuple(rows))


def extent(law: AbstractLaw, *, dt: float = 0.1) -> tuple[bool | None, bool | None]:
    """(local in space, local in time), as in `locality`; None where it does not run."""
    try:
        graph, state = _start(_audited(law), jnp.tanh)
    except ValueError:
        return None, None
    depth = max(place(a.shape, graph).past for a in leaves(state).values())
    step, samples = _perturbed(law, state, dt), random_jets(0, 3 + 2 * depth)
    reach = _reach(_dependencies(step, state, graph, samples), graph)
    return reach is not None and reach <= max(depth, 1), depth == 0


def _audited(law: AbstractLaw | Audited) -> Audited:
    law = law if isinstance(law, Audited) else Audited(law)
    _checks.instance("laws", law.law, AbstractLaw)
    _checks.at_least("exchanges", law.exchanges, 1)
    return law


def _start(audited: Audited, activation: Any) -> tuple[Any, State]:
    """(graph, state) of the law on the first network that it takes."""
    law, key, refusal = audited.law, jax.random.key(1), None
    for make in _NETWORKS if audited.network is None else (audited.network,):
        network = made(make, activation, str(jnp.zeros(()).dtype))
        try:
            state = law.init(network, key=key)
        except ValueError as error:
            refusal = refusal or error
            continue
        if isinstance(law, AbstractFlow):
            first = jax.tree.map(lambda leaf: leaf[0], random_jets(1, 1))
            state = law.begin(state, jnp.zeros(()), first)
        return network.graph, state  # pyright: ignore[reportAttributeAccessIssue]
    raise refusal or ValueError("no network")


def _audit(audited: Audited, dt: float) -> tuple[Any, ...]:
    graph, state = _start(audited, jnp.tanh)
    places = [place(leaf.shape, graph) for leaf in leaves(state).values()]
    depth = max(place.past for place in places)
    step, samples = _perturbed(audited.law, state, dt), random_jets(0, 3 + 2 * depth)
    reach = _reach(_dependencies(step, state, graph, samples), graph)
    causal = _causal(step, state, samples)
    _, linear = _start(audited, _linear)
    step = _perturbed(audited.law, linear, dt)
    found = _dependencies(step, linear, graph, samples)
    transport = _transport(*found, weights(linear))
    # x and w themselves are no extra storage.
    stored = lambda kind: sum(p.size for p in places if p.counts_with == kind)
    per_node = stored("node") / graph.num_nodes - 1
    per_edge = stored("edge") / graph.num_edges - 1
    local = reach is not None and reach <= max(depth, audited.exchanges)
    return local, depth == 0, causal, per_node, per_edge, transport, reach


def _dependencies(step, state, graph, samples):
    """(which number changes which, where each of the causes and effects lives).

    Causes are the numbers of the state and the two targets, effects those of the next
    state. Taken at every sample, from states made random, and joined.
    """
    near = [s for leaf in leaves(state).values() for s in place(leaf.shape, graph).near]
    changes = None
    for k in range(len(samples.target)):
        now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        found, state, _ = step(state, now, 0.3)
        found = np.asarray(found)
        changes = found if changes is None else changes | found
    return changes, near + [(k,) for k in OUTPUTS], near


def _perturbed(law: AbstractLaw, state: State, dt: float) -> Any:
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


def _reach(found: Any, graph: Any) -> int | None:
    """The most edges from a cause to its effect; None where one has no place."""
    hops, furthest = distances(graph), 0
    pairs: set[tuple[Spot, Spot]] = set(_pairs(*found))
    for a, b in pairs:
        if a is None or b is None:
            return None
        furthest = max(furthest, *(min(hops[i][j] for j in b) for i in a))
    return int(furthest)


def _transport(changes, causes, effects, is_weight: np.ndarray) -> bool:
    """Whether the weight of an edge changes what is stored where the edge begins."""
    changes = changes.copy()
    changes[: len(effects)][~is_weight] = False
    for a, b in _pairs(changes, causes, effects):
        if a is None or b is None or len(a) != 2 or a[0] == a[1]:
            continue
        if b[-1] == a[0] and a[1] not in b:
            return True
    return False


def _causal(step, state, samples) -> bool:
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


def _linear(a: Any) -> Any:
    return a
