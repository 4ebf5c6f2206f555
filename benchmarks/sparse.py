"""Cost against the number of edges, on sparse graphs of in-degree 10."""

import gc
from collections.abc import Callable, Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

import hamlearn as hl
from hamlearn.laws import EProp, Hops, SnAp1, SpatialTrace
from hamlearn.mechanics import AbstractGram, ConjugateGradients

from ._measure import Program, compiled, exponent, in_turn, of_law, row

IN_DEGREE, INPUTS, WINDOW = 10, 8, 4
#: The law of the constraints is run up to this many edges.
STLP_EDGES = 1_000_000


def measure(edges: Iterable[int], names: Iterable[str], *, repeats: int, say: Any):
    """Rows for every size and law, each in turn with the passes over its graph."""
    rows, seen, names = [], {}, list(names)
    for size in edges:
        for name, make in LAWS.items():
            if name not in names:
                continue
            why = _refused(name, size)
            if why is None:
                programs = [*_passes(size, name), make(size)]
                times = in_turn(programs, repeats=_rounds(size, repeats))
                others = {"forward_outer": "forward + outer"}
                others |= {"three_passes": "three passes"}
                found = row(programs[-1], times, forward="forward", **others)
                found |= {"edges": size, "neurons": size // IN_DEGREE}
                per_edge = lambda count, size=size: round(count / size, 1)
                found["carried_per_edge"] = per_edge(found["state_bytes"])
                found["used_per_edge"] = per_edge(found["peak_bytes"])
                if name == "stlp":
                    found["iterations"] = _iterations(size)
                seen.setdefault(name, []).append((size, found["us_per_sample"]))
                del programs
                gc.collect()
            else:
                found = {"law": name, "edges": size, "not_run": why}
            rows.append(found)
            say(found)
    slopes = {
        name: exponent([e for e, _ in values], [us["median"] for _, us in values])
        for name, values in seen.items()
    }
    return rows, slopes


def _rounds(edges: int, repeats: int) -> int:
    return repeats if edges < 1_000_000 else min(repeats, 3)


def _refused(name: str, edges: int) -> str | None:
    if name == "rtrl":
        numbers = edges / IN_DEGREE * edges
        if numbers > 1e6:
            return f"its sensitivities are {4 * numbers / 1e9:.3g} GB"
    if name == "stlp" and edges > STLP_EDGES:
        return "a step would take some ten seconds"
    return None


def _graph(edges: int, acyclic: bool) -> hl.Digraph:
    key = jax.random.key(0)
    return hl.Digraph.random(
        edges // IN_DEGREE, in_degree=IN_DEGREE, acyclic=acyclic, key=key
    )


def _rate(edges: int, acyclic: bool = False) -> hl.RateNetwork:
    return hl.RateNetwork(
        _graph(edges, acyclic), inputs=INPUTS, outputs=10, gain=0.5,
        time_constant=4.0, input_nodes=list(range(INPUTS)), key=jax.random.key(1),
    )  # fmt: skip


def _samples(edges: int) -> hl.Sample:
    length = int(min(max(2e6 / edges, WINDOW), 256))
    u = jax.random.normal(jax.random.key(2), (length, INPUTS))
    return hl.Sample(u, jnp.sin(jnp.arange(length * 10.0)).reshape(length, 10))


def _passes(edges: int, name: str) -> list[Program]:
    """The neurons alone; with one outer product added to their weights; and with the
    transposed product too, which is what a law of instantaneous errors needs."""
    acyclic = name in ("gle", "stlp")
    net, samples = _rate(edges, acyclic), _samples(edges)
    graph, shape = net.graph, net.weight.shape
    x = 0.3 * jax.random.normal(jax.random.key(3), (edges // IN_DEGREE,))
    still = eqx.tree_at(lambda net: net.weight, net, None)
    arrays, static = eqx.partition(still, eqx.is_array)
    # Given as arguments: of constants XLA would work out indices beforehand.
    ends = graph.receivers.reshape(shape), graph.senders.reshape(shape)

    def network(w, arrays):
        return hl.join({"weight": w}, eqx.combine(arrays, static))

    def moved(w, p, x, ends):
        receivers, senders = ends
        return w - 1e-4 * p[receivers] * x[senders]

    def forward(w, x, inputs, arrays, ends):
        net = network(w, arrays)
        step = lambda x, u: (x + net(x, u), net.readout(x, u))
        return jax.lax.scan(step, x, inputs)

    def forward_outer(w, x, inputs, arrays, ends):
        def step(carry, u):
            w, x = carry
            net = network(w, arrays)
            after = x + net(x, u)
            return (moved(w, after, x, ends), after), net.readout(x, u)

        return jax.lax.scan(step, (w, x), inputs)

    def three(w, x, inputs, arrays, ends):
        def step(carry, u):
            w, x, p = carry
            net = network(w, arrays)
            sent = lambda v: net.graph.aggregate(w, v)
            back = jax.linear_transpose(sent, p)(p)[0]
            after, p = x + net(x, u), 0.5 * back
            p = p + 0.1 * after
            return (moved(w, p, x, ends), after, p), net.readout(x, u)

        return jax.lax.scan(step, (w, x, x), inputs)

    given = (net.weight, x, samples.input, arrays, ends)
    length = samples.target.shape[0]
    named = (
        ("forward", forward),
        ("forward + outer", forward_outer),
        ("three passes", three),
    )
    return [
        compiled(name, run, *given, samples=length, carried=(net.weight, x))
        for name, run in named
    ]


def _on(name: str, law: Any) -> Callable[[int], Program]:
    def make(edges: int) -> Program:
        return of_law(name, law, _rate(edges), _samples(edges), 1.0)

    return make


def _gle(edges: int) -> Program:
    net = hl.VoltageNetwork(
        _graph(edges, True), inputs=INPUTS, outputs=10, gain=0.5,
        membrane_time_constant=10.0, prospective_time_constant=5.0,
        input_nodes=list(range(INPUTS)), key=jax.random.key(1),
    )  # fmt: skip
    return of_law("gle", hl.GLE(update=optax.sgd(1e-4)), net, _samples(edges), 1.0)


def _stlp(edges: int, gram: Any = None) -> Program:
    gram = ConjugateGradients() if gram is None else gram
    law = hl.STLP(inertia=1 / 30, dissipation=30.0, neuron_mass=1e-3 / 30, gram=gram)
    times = 0.02 * jnp.arange(_samples(edges).target.shape[0])
    phase = jnp.arange(float(INPUTS))
    signal = hl.Signal(
        lambda t: jnp.sin(t * (1 + phase / 4) + phase),
        lambda t: jnp.sin(t + jnp.arange(10.0)) / 2,
    )
    return of_law("stlp", law, _rate(edges, acyclic=True), signal.jets(times), 0.02)


class _Counted(AbstractGram):
    """Conjugate gradients that tell how many steps every solve took."""

    told: list[int] = eqx.field(static=True)
    inside: ConjugateGradients = ConjugateGradients()

    def at(self, tangent):
        inside = self.inside.at(tangent)

        def solve(b):
            delta, steps = inside(b)
            jax.debug.callback(lambda steps: self.told.append(int(steps)), steps)
            return delta, steps

        return solve

    def bind(self, network, ratio, *, own=False):
        return _Counted(self.told, self.inside.bind(network, ratio, own=own))


def _iterations(edges: int) -> float:
    """Of conjugate gradients in a step, those of the projections with the others."""
    program = _stlp(edges, _Counted(told := []))
    told.clear()
    jax.block_until_ready(program.run())
    jax.effects_barrier()
    return sum(told) / program.samples


_SGD = hl.updates.Optax(optax.sgd, learning_rate=1e-4)
LAWS: dict[str, Callable[[int], Program]] = {
    "flip": _on("flip", hl.HamiltonianLearning(inertia=10.0, dissipation=0.1)),
    "gle": _gle,
    "rflo": _on("rflo", EProp(update=_SGD)),
    "snap1": _on("snap1", SnAp1(update=_SGD)),
    "hops": _on("hops", Hops(update=_SGD, order=2)),
    "spatial": _on("spatial", SpatialTrace(update=_SGD, sweeps=1)),
    "bptt": _on("bptt", hl.BPTT(update=_SGD, window=WINDOW)),
    "stlp": _stlp,
    "rtrl": _on("rtrl", hl.RTRL(update=_SGD)),
}
