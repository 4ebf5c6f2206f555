"""Which laws are local in space and time: measured, not declared.

Every number that a law carries is perturbed, one at a time, on random states of a
sparse network, and what changes in the next state is compared bit by bit. Where a
number lives (a node, an edge, both) follows from the shape of its leaf.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from .. import _checks
from ..graph.digraph import Digraph
from ..laws.base import AbstractFlow, AbstractLaw, State
from ..run.patience import Patience
from ..run.tables import Table
from ._perturbation import (
    causal,
    dependencies,
    perturbed,
    reach,
    transport,
    waits,
)
from ._places import (
    MakeNetwork,
    leaves,
    made,
    place,
    random_jets,
    rate_chain,
    rate_ring,
    read_ring,
    voltage_chain,
    weights,
)

COLUMNS = (
    "law", "local_in_space", "local_in_time", "causal", "per_node", "per_edge",
    "weight_transport",
)  # fmt: skip
# A part written for a user's own network may ask another one for what it lacks.
_REFUSALS = (ValueError, TypeError, AttributeError)
_NETWORKS = (
    rate_ring, rate_chain, read_ring, voltage_chain(0.0), voltage_chain(1.0),
)  # fmt: skip


@dataclass(frozen=True)
class Audited:
    """A law with what its audit needs to know.

    **Attributes:** `law`; `network`: a function from the activation of its neurons to
    the network, by default the first that the law takes of a ring and a row of rate
    neurons, a ring with a readout, and two rows of voltage neurons; `exchanges`: how
    many exchanges between neighbours the law is given per step; `graph`: of the
    network, where that has none itself; `kinds`: lengths of leading axes that count
    parts of a number or hops, and no past samples.
    """

    law: AbstractLaw
    network: MakeNetwork | None = None
    exchanges: int = 1
    graph: Digraph | None = None
    kinds: tuple[int, ...] = ()

    def __post_init__(self):
        _checks.instance("law", self.law, AbstractLaw)
        if self.network is not None:
            _checks.function("network", self.network, "the activation", 1)
        _checks.at_least("exchanges", self.exchanges, 0)


def locality(
    laws: Mapping[str, AbstractLaw | Audited], *, dt: float = 0.1, progress: bool = True
) -> Table:
    """Audit laws: a table with one row each.

    - `local_in_space`: what is stored at a node or edge changes with what is at most
      one edge away; where a law keeps k past samples, or is given k exchanges per step,
      k edges. `hops` is the number of edges found, None for a change with what has no
      place, such as a stored random vector for the whole network.
    - `local_in_time`: nothing is stored that has an axis of time.
    - `causal`: what is learned and reported at a sample is the same, bit for bit,
      whatever comes later, its own target included; and no target waits longer than
      another until the weights answer it. Of a window the first target waits for the
      last sample: its credit is made of what came after. `waits` is the most samples
      from a target to the first weights it changes.
    - `per_node`, `per_edge`: numbers stored beside x and w, over nodes and edges; a
      matrix of nodes times edges counts with the edges.
    - `weight_transport`: a node needs the weight of an edge that leaves it (in a
      linear network, where no slope of another neuron depends on that weight; outputs
      are neurons, so that there is no readout to go back through). A law with a global
      normalisation needs every weight everywhere.

    On a ring or in a row each neuron hears one other, so that hearing and answering,
    the two exchanges of a step, reach no further than one edge.

    **Arguments:** `laws`: by name, without momentum in their optimizers, which would
    count as storage; or `Audited`; `dt`: of the audit's own samples; `progress`: a
    word on standard error after two seconds.
    """
    rows = []
    with Patience("audit", len(laws), progress=progress) as patience:
        for name, law in laws.items():
            patience.at(name)
            rows.append((name, *_audit(_audited(law), dt)))
    columns = (*COLUMNS, "hops", "waits")
    return Table("Locality, measured by perturbation", columns, tuple(rows))


def storage(law: AbstractLaw | Audited, *, dt: float = 0.1) -> Table:
    """What a law carries, and where it lives: one row per leaf of its state.

    **Arguments:** as for `locality`, but one law.
    """
    audited = _audited(law)
    graph, state = _start(audited, jnp.tanh)
    rows = []
    for name, leaf in leaves(state).items():
        at = place(leaf.shape, graph, audited.kinds)
        rows.append((name, str(leaf.shape), at.lives, at.size, at.past or None))
    title = f"State of {audited.law.title} on {graph}"
    return Table(title, ("leaf", "shape", "lives", "numbers", "past"), tuple(rows))


def extent(law: AbstractLaw, *, dt: float = 0.1) -> tuple[bool | None, bool | None]:
    """(local in space, local in time), as in `locality`; None where it does not run."""
    try:
        graph, state = _start(_audited(law), jnp.tanh)
    except _REFUSALS:
        return None, None
    depth = max(place(a.shape, graph).past for a in leaves(state).values())
    step, samples = perturbed(law, state, dt), random_jets(0, 3 + 2 * depth)
    hops = reach(dependencies(step, state, graph, samples), graph)
    return hops is not None and hops <= max(depth, 1), depth == 0


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
        except _REFUSALS as error:
            refusal = refusal or error
            continue
        if isinstance(law, AbstractFlow):
            first = jax.tree.map(lambda leaf: leaf[0], random_jets(1, 1))
            state = law.begin(state, jnp.zeros(()), first)
        if audited.graph is not None:
            return audited.graph, state
        return network.graph, state  # pyright: ignore[reportAttributeAccessIssue]
    raise refusal or ValueError("no network")


def _audit(audited: Audited, dt: float) -> tuple[Any, ...]:
    graph, state = _start(audited, jnp.tanh)
    kinds, found = audited.kinds, leaves(state)
    places = {name: place(leaf.shape, graph, kinds) for name, leaf in found.items()}
    depth = max(place.past for place in places.values())
    step, samples = perturbed(audited.law, state, dt), random_jets(0, 3 + 2 * depth)
    hops = reach(dependencies(step, state, graph, samples, kinds), graph)
    same = causal(step, state, samples)
    shortest, longest = waits(step, state, samples)
    _, linear = _start(audited, _linear)
    step = perturbed(audited.law, linear, dt)
    found = dependencies(step, linear, graph, samples, kinds)
    moves = transport(*found, weights(linear))
    # x and w themselves are no extra storage.
    more = [p for name, p in places.items() if not name.startswith(("x", "w."))]
    stored = lambda kind: sum(p.size for p in more if p.counts_with == kind)
    per_node = stored("node") / graph.num_nodes
    per_edge = stored("edge") / graph.num_edges
    local = hops is not None and hops <= max(depth, audited.exchanges)
    same = same and shortest == longest
    numbers = (per_node, per_edge, moves, hops, longest)
    return local, depth == 0, same, *numbers


def _linear(a: Any) -> Any:
    return a
