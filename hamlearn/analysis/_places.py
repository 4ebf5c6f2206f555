"""Where the numbers that a law carries live, and how far apart they are."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .._types import Array, PyTree
from ..graph.digraph import Digraph
from ..laws.base import Rest, State
from ..networks.base import AbstractNetwork
from ..networks.diagonal import DiagonalNetwork
from ..networks.hamiltonian import HamiltonianNetwork
from ..networks.heads import AbstractHead
from ..networks.rate import RateNetwork
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample

NODES, OUTPUTS = 14, (4, 11)

# The nodes where a number is: one, or several; None where it is at no place.
Spot = tuple[int, ...] | None
MakeNetwork = Callable[[Callable[[Array], Array]], AbstractNetwork]


def rate_ring(activation: Any) -> RateNetwork:
    """A ring of rate neurons, every third with a self-loop."""
    return RateNetwork(ring(), activation=activation, **_options())


def rate_chain(activation: Any) -> RateNetwork:
    """Rate neurons in a row."""
    return RateNetwork(chain(), activation=activation, **_options())


def read_ring(activation: Any) -> RateNetwork:
    """The ring with a readout that learns, of one gain per output."""
    options = _options() | {"learn": ("weight", "readout_map"), "readout": Gains()}
    return RateNetwork(ring(), activation=activation, **options)


def voltage_chain(tau_r: float) -> MakeNetwork:
    """Voltage neurons in a row, with tau_m = 1 and this prospective time constant."""
    return lambda activation: VoltageNetwork(
        chain(), prospective_time_constant=tau_r, activation=activation, **_options()
    )


def modes(activation: Any) -> DiagonalNetwork:
    """Complex modes that hear the input, two of which are read."""
    del activation  # they are linear
    return DiagonalNetwork(
        NODES, inputs=1, head=_Read(), key=jax.random.key(3),
        learn=("log_decay", "log_frequency", "log_gain", "input_weight"),
    )  # fmt: skip


class _Read(AbstractHead):
    """The real parts of the outputs among all modes."""

    def __call__(self, h, u):
        return h[0][jnp.asarray(OUTPUTS)]

    @property
    def modes(self):
        return NODES


def springs(activation: Any) -> HamiltonianNetwork:
    """Oscillators on the ring, V = |q|^2/2 + sum_ij w_ij s(q_i) s(q_j) - c.q."""
    graph, options = ring(), _options()
    pull = _Springs(graph, jnp.linspace(-0.3, 0.3, graph.num_edges), activation)
    return HamiltonianNetwork(
        pull, neurons=NODES, inputs=1, readout=_Outputs(), learn=("potential",),
        key=options["key"],
    )  # fmt: skip


class _Springs(eqx.Module):
    """A potential along the edges of a graph."""

    graph: Digraph
    weight: Array
    activation: Any = eqx.field(static=True)

    def __call__(self, q, c):
        sent = self.activation(q)
        pairs = sent[self.graph.senders] * sent[self.graph.receivers]
        return jnp.sum(q**2) / 2 + jnp.sum(self.weight * pairs) - jnp.sum(c * q)


class _Outputs(eqx.Module):
    """The outputs among all nodes."""

    def __call__(self, q):
        return q[jnp.asarray(OUTPUTS)]


class Gains(eqx.Module):
    """A readout that lives at the output nodes."""

    gain: Array

    def __init__(self):
        self.gain = jnp.asarray([0.5, 2.0])

    def __call__(self, y):
        return self.gain * y


def ring() -> Digraph:
    """A ring, every third node with a self-loop."""
    loops = np.arange(0, NODES, 3)
    senders = np.concatenate([np.arange(NODES), loops])
    receivers = np.concatenate([(np.arange(NODES) + 1) % NODES, loops])
    return Digraph(NODES, senders, receivers)


def chain() -> Digraph:
    """All nodes in a row."""
    return Digraph(NODES, np.arange(NODES - 1), np.arange(1, NODES))


def _options() -> dict[str, Any]:
    return {
        "inputs": 1, "outputs": OUTPUTS, "input_nodes": [0], "learn": ("weight",),
        "key": jax.random.key(3),
    }  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a leaf lives.

    `lives`: at each node, edge, node x edge and so on; `past`: how many samples ago
    its oldest entry is from, 0 without an axis of time; `near`: one spot per number.
    """

    lives: str
    size: int
    past: int
    near: list[Spot]

    @property
    def counts_with(self) -> str:
        """`node` or `edge`, where it lives at either; node x edge counts as edge."""
        return "edge" if "+" in self.lives else self.lives.split(" x ")[-1]


def place(shape: tuple[int, ...], graph: Digraph, kinds: tuple[int, ...] = ()) -> Place:
    """The place of a leaf, which its shape tells: all axes differ in length.

    **Arguments:** `kinds`: lengths of a leading axis that is no time.
    """
    lead, rest = shape[:1], shape[1:]
    if rest and lead[0] in kinds:
        one, several = place(rest, graph), lead[0]
        lives = f"{several} x {one.lives}"
        return Place(lives, several * one.size, one.past, one.near * several)
    n, edges = graph.num_nodes, graph.num_edges
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    ends: list[Spot] = list(zip(senders.tolist(), receivers.tolist(), strict=True))
    nodes: list[Spot] = [(k,) for k in range(n)]
    outputs: list[Spot] = [(k,) for k in OUTPUTS]
    size = int(np.prod(shape))
    if shape == (n + edges, n + edges):  # over state and weights together
        every: list[Spot] = nodes + ends
        pairs: list[Spot] = [(*(a or ()), *(b or ())) for a in every for b in every]
        return Place("(node + edge) x (node + edge)", size, 0, pairs)
    spots = {"edge": ((edges,), ends), "node": ((n,), nodes)}
    spots["output"] = ((len(OUTPUTS),), outputs)
    for lives, (own, near) in spots.items():
        if shape == own:
            return Place(lives, size, 0, near)
        if len(shape) == 2 and shape[1:] == own and shape[0] not in (n, edges):
            return Place(f"past x {lives}", size, shape[0], near * shape[0])
    if shape in ((n, edges), (n, n)):
        kind, others = ("edge", ends) if shape == (n, edges) else ("node", nodes)
        both: list[Spot] = [(k, *(other or ())) for k in range(n) for other in others]
        return Place(f"node x {kind}", size, 0, both)
    if shape[:1] == (n,):
        near = [spot for spot in nodes for _ in range(size // n)]
        return Place("node x edge" if len(shape) == 3 else "node", size, 0, near)
    square = len(shape) == 2 and shape[0] == shape[1]
    past = 0 if shape in ((), (1,)) or square else shape[0]
    return Place("past" if past else "nowhere", size, past, [None] * size)


class Parts(eqx.Module):
    """What of a state a law carries: all but the frozen part of the network."""

    x: PyTree
    w: PyTree
    credit: PyTree
    update: PyTree
    fixed: PyTree


def parts_of(state: State) -> Parts:
    """The parts of `state`."""
    assert state.rest is not None
    return Parts(state.x, state.w, state.credit, state.update, state.rest.fixed)


def numbers(state: State) -> Parts:
    """The floating-point numbers that a law carries, None for all else."""
    return eqx.filter(parts_of(state), eqx.is_inexact_array)


def with_numbers(state: State, numbers: Parts) -> State:
    """`state` with other numbers."""
    assert state.rest is not None
    parts = eqx.combine(numbers, parts_of(state))
    rest = Rest(state.rest.frozen, parts.fixed)
    return State(parts.x, parts.w, parts.credit, parts.update, rest)


def leaves(state: State) -> dict[str, Array]:
    """The numbers that a law carries, by name."""
    found, _ = jax.tree_util.tree_flatten_with_path(numbers(state))
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    return {name(path): leaf for path, leaf in found}


def weights(state: State) -> np.ndarray:
    """Which of the numbers that a law carries are the weights of the network."""
    found = leaves(state).items()
    marks = [np.full(leaf.size, name.startswith("w.")) for name, leaf in found]
    return np.concatenate(marks)


def distances(graph: Digraph) -> np.ndarray:
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


def random_jets(seed: int, steps: int) -> Sample:
    """Random input and targets, with derivatives, of which most laws need none."""
    rng = np.random.default_rng(seed)
    draw = lambda size: jnp.asarray(rng.standard_normal((steps, size)), float)
    u, y = draw(1), draw(len(OUTPUTS))
    return Sample(u, y, None, *map(draw, (1, len(OUTPUTS), 1, len(OUTPUTS))))


@functools.lru_cache(maxsize=64)
def made(make: MakeNetwork, activation: Any, precision: str) -> AbstractNetwork:
    """The network of `make`; drawing one takes longer than most laws' start."""
    del precision  # part of the cache's key: arrays are of the present one
    return make(activation)
