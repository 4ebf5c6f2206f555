"""Which laws are local in space and time: measured, not declared.

Every number that a law carries is perturbed, one at a time, on random states of a
sparse network, and what changes in the next state is compared bit by bit. Where a
number lives (a node, an edge, both) follows from the shape of its leaf.
"""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from .. import _checks
from .._graph import Digraph
from .._network import RateNetwork, split
from .._signal import Sample
from .._types import Array
from ..rules._base import AbstractRule
from ._table import Table

_COLUMNS = (
    "rule", "local_in_space", "local_in_time", "causal", "per_node", "per_edge",
    "weight_transport",
)  # fmt: skip

_OUTPUTS = [(4,), (11,)]


def locality(rules: Mapping[str, AbstractRule], *, dt: float = 0.1) -> Table:
    """Audit laws: a table with one row each.

    - `local_in_space`: what is stored at a node or edge changes with what is at most
      one edge away; where a law keeps k past samples, k edges.
    - `local_in_time`: nothing is stored that has an axis of time.
    - `causal`: states and reports are the same, bit for bit, whatever comes later.
    - `per_node`, `per_edge`: numbers stored beside x and w, over nodes and edges; a
      matrix of nodes times edges counts with the edges.
    - `weight_transport`: a node needs the weight of an edge that leaves it (in a
      linear network, where no slope of another neuron depends on that weight). A law
      with a global normalisation needs every weight everywhere.

    **Arguments:** `rules`: laws by name, without momentum in their optimizers, which
    would count as storage; `dt`: of the audit's own samples.
    """
    rows = tuple((name, *_audit(rule, dt)) for name, rule in rules.items())
    return Table("Locality, measured by perturbation", _COLUMNS, rows)


def audit_network(key: Array, activation: Any = jnp.tanh) -> RateNetwork:
    """A ring of 14 neurons, some with self-loops, with one input and two outputs."""
    n = 14
    loops = np.arange(0, n, 3)
    senders = np.concatenate([np.arange(n), loops])
    receivers = np.concatenate([(np.arange(n) + 1) % n, loops])
    return RateNetwork(
        Digraph(n, senders, receivers), inputs=1, outputs=[4, 11], input_nodes=[0],
        activation=activation, learn=("weight",), key=key,
    )  # fmt: skip


def _audit(rule: AbstractRule, dt: float) -> tuple[Any, ...]:
    _checks.instance("rules", rule, AbstractRule)
    keys = jax.random.split(jax.random.key(0), 4)
    network = audit_network(keys[0])
    state = rule.init(network, key=keys[1])
    places = [_place(leaf, network) for leaf in _leaves(state)]
    depth = max([place.past for place in places], default=0)
    samples = _random_samples(keys[2], 3 + 2 * depth)
    found = _dependencies(rule, state, samples, dt, keys[3])
    space = _local(*found, network.graph, max(depth, 1))
    linear = rule.init(audit_network(keys[0], lambda a: a), key=keys[1])
    found = _dependencies(rule, linear, samples, dt, keys[3])
    transport = _transport(*found, _weights(linear))
    # x and w themselves are no extra storage.
    n, edges = network.graph.num_nodes, network.graph.num_edges
    size = lambda kind: sum(p.size for p in places if p.kind == kind)
    per_node, per_edge = size("node") / n - 1, size("edge") / edges - 1
    causal = _causal(rule, state, samples, dt)
    return space, depth == 0, causal, per_node, per_edge, transport


class _Place(eqx.Module):
    """Where a leaf lives, how many numbers it has and how many past samples it keeps.

    `near` holds, for each number, the nodes it is at: one, or the ends of an edge;
    None where it is nowhere, and counts as everywhere.
    """

    kind: str
    size: int
    past: int
    near: list[tuple[int, ...]] | None


def _place(leaf: Array, network: RateNetwork) -> _Place:
    n, edges = network.graph.num_nodes, network.graph.num_edges
    senders = np.asarray(network.graph.senders).tolist()
    receivers = np.asarray(network.graph.receivers).tolist()
    ends = list(zip(senders, receivers, strict=True))
    nodes = [(k,) for k in range(n)]
    repeat = lambda places, count: [p for p in places for _ in range(count)]
    shape = leaf.shape
    if shape == (edges,):
        return _Place("edge", leaf.size, 0, ends)
    if shape == (n, edges):
        near = [(k, *end) for k in range(n) for end in ends]
        return _Place("edge", leaf.size, 0, near)
    if shape[:1] == (n,):
        return _Place("node", leaf.size, 0, repeat(nodes, leaf.size // n))
    if len(shape) > 1 and shape[1] == n:
        return _Place("node", leaf.size, shape[0], nodes * shape[0])
    if len(shape) == 2 and shape[1] == len(_OUTPUTS):
        return _Place("none", leaf.size, shape[0], _OUTPUTS * shape[0])
    past = shape[0] if len(shape) > 1 else 0
    return _Place("none", leaf.size, past, None)


def _leaves(state: Any) -> list[Array]:
    """The numbers that a law carries; the frozen part of a network is no part of it."""
    moving = _moving(state)
    return [leaf for leaf in jax.tree.leaves(moving) if leaf is not None]


def _moving(state: Any) -> Any:
    """`state` with None for all but floats that are not the frozen network's."""
    frozen = {id(leaf) for leaf in jax.tree.leaves(split(state.network)[1])}
    floats = eqx.filter(state, eqx.is_inexact_array)
    return jax.tree.map(lambda leaf: None if id(leaf) in frozen else leaf, floats)


def _random_samples(key: Array, steps: int) -> Sample:
    u, y = jax.random.split(key)
    return Sample(jax.random.normal(u, (steps, 1)), jax.random.normal(y, (steps, 2)))


def _dependencies(rule, state, samples, dt, key):
    """(which number changes which, where each of the causes and effects lives).

    Causes are the numbers of the state and the two targets, effects those of the next
    state. Taken at every sample, from states made random, and joined.
    """
    network = state.network
    places = [_place(leaf, network) for leaf in _leaves(state)]
    near = [p for place in places for p in (place.near or [None] * place.size)]
    step = _perturbed_steps(rule, state, dt)
    changes = None
    for k in range(samples.target.shape[0]):
        now = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        key, draw = jax.random.split(key)
        found, state = step(state, now, draw)
        found = np.asarray(found)
        changes = found if changes is None else changes | found
    return changes, near + _OUTPUTS, near


def _perturbed_steps(rule, state, dt):
    """A function (state, sample, key) -> (bits that change, the next state)."""
    _, static = eqx.partition(state, eqx.is_array)
    where = jax.tree.map(lambda leaf: leaf is not None, _moving(state), is_leaf=_none)

    @jax.jit
    def step(arrays, sample, key):
        state = eqx.combine(arrays, static)
        moving, rest = eqx.partition(state, where)
        flat, unravel = ravel_pytree(moving)
        a, b = jax.random.split(key)
        flat = flat + 0.3 * jax.random.normal(a, flat.shape, flat.dtype)
        both = jnp.concatenate([flat, sample.target.astype(flat.dtype)])
        kicks = jnp.diag(0.5 + jax.random.uniform(b, both.shape, both.dtype))
        kicks = jnp.concatenate([jnp.zeros((1, both.size), both.dtype), kicks])

        def after(kick):
            kicked = both + kick
            mine = eqx.tree_at(lambda s: s.target, sample, kicked[flat.size :])
            state, _ = rule.step(
                eqx.combine(unravel(kicked[: flat.size]), rest), mine, jnp.asarray(dt)
            )
            moving, _ = eqx.partition(state, where)
            return ravel_pytree(moving)[0]

        rows = jax.lax.map(after, kicks)
        state, _ = rule.step(state, sample, jnp.asarray(dt))
        return rows[1:] != rows[0], eqx.filter(state, eqx.is_array)

    def run(state, sample, key):
        changed, arrays = step(eqx.filter(state, eqx.is_array), sample, key)
        return changed, eqx.combine(arrays, static)

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


def _local(changes, causes, effects, graph: Digraph, reach: int) -> bool:
    """Whether each cause is at most `reach` edges from each of its effects."""
    hops = _hops(graph)
    for a, b in _pairs(changes, causes, effects):
        if a is None or b is None:
            return False
        if any(min(hops[i][j] for j in b) > reach for i in a):
            return False
    return True


def _weights(state: Any) -> np.ndarray:
    """Which of the numbers that a law carries are the weights of the network."""
    held = {id(leaf) for leaf in split(state.network)[0].values()}
    marks = [np.full(leaf.size, id(leaf) in held) for leaf in _leaves(state)]
    return np.concatenate(marks)


def _transport(changes, causes, effects, weights: np.ndarray) -> bool:
    """Whether the weight of an edge changes what is stored where the edge begins."""
    changes = changes.copy()
    changes[: len(effects)][~weights] = False
    for a, b in _pairs(changes, causes, effects):
        if a is None or b is None or len(a) != 2 or a[0] == a[1]:
            continue
        if b[-1] == a[0] and a[1] not in b:
            return True
    return False


def _hops(graph: Digraph) -> np.ndarray:
    """Edges between each two nodes, in whichever direction."""
    n = graph.num_nodes
    near = np.full((n, n), n)
    np.fill_diagonal(near, 0)
    ends = np.asarray(graph.senders), np.asarray(graph.receivers)
    for a, b in zip(*ends, strict=True):
        if a != b:
            near[a, b] = near[b, a] = 1
    for k in range(n):
        near = np.minimum(near, near[:, k : k + 1] + near[k : k + 1])
    return near


def _causal(rule, state, samples, dt) -> bool:
    """Whether the first half is the same, bit for bit, when the second is another."""
    half = samples.target.shape[0] // 2
    other = jax.tree.map(lambda leaf: leaf.at[half:].add(1), samples)
    moving, static = eqx.partition(state, eqx.is_array)

    @jax.jit
    def run(samples):
        def body(moving, sample):
            state, info = rule.step(
                eqx.combine(moving, static), sample, jnp.asarray(dt)
            )
            seen = (info.output, split(state.network)[0])
            return eqx.filter(state, eqx.is_array), seen

        return jax.lax.scan(body, moving, samples)[1]

    first = lambda tree: jax.tree.map(lambda leaf: leaf[:half], tree)
    same = jax.tree.map(jnp.array_equal, first(run(samples)), first(run(other)))
    return all(map(bool, jax.tree.leaves(same)))


def _none(leaf: Any) -> bool:
    return leaf is None
