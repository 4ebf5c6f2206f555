"""One network and one stream for STLP, BPTT, RTRL and the laws beside them.

The network is layered and feed-forward, or recurrent, of rate neurons that are slow
beside the step; GLE has neurons that are heard ahead of their voltage, on the same
graph with the same weights. The stream is smooth, because STLP takes two derivatives
of its input: a teacher of the same kind answers two slow oscillations.
"""

import dataclasses
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.costates import Checkpoints

INPUTS, OUTPUTS, DT, TAU, WINDOW = 4, 2, 0.02, 0.1, 100
KINDS = ("layers", "recurrent")
#: Neurons of the teacher, and how much stronger than a student's its weights are.
TEACHER, STRONGER = 32, 2.0
#: Angular frequency and phase of every input; periods are 314 and 194 samples.
_WAVES = [
    (omega, phase)
    for omega in (1.0, (1 + math.sqrt(5)) / 2)
    for phase in (0.0, math.pi / 2)
]


@dataclasses.dataclass(frozen=True)
class Rule:
    """A law, from (step size, n, window, whether the graph has cycles).

    `growth`, `memory`: exponents of n in the time and in what is carried; `waits`: from
    n and the window, how many samples an update waits for.
    """

    law: Callable[[Any, int, int, bool], Any]
    growth: float = 2.0
    memory: float = 2.0
    waits: Callable[[int, int], int] = lambda n, window: 1


def network(kind: str, n: int, *, voltages: bool = False, seed: int = 0) -> Any:
    """n neurons in three layers, or every one of them connected to all."""
    if kind == "layers":
        graph, gain = hl.Digraph.layered([n // 2, n - n // 2 - OUTPUTS, OUTPUTS]), 1.0
    else:
        graph, gain = hl.Digraph.complete(n, self_loops=True), 0.5
    given: dict[str, Any] = {"inputs": INPUTS, "outputs": OUTPUTS, "gain": gain}
    given["key"] = jax.random.key(seed)
    if not voltages:
        return hl.RateNetwork(graph, time_constant=TAU, **given)
    times: Any = {"membrane_time_constant": TAU, "prospective_time_constant": TAU / 2}
    return hl.VoltageNetwork(graph, **given, **times)


def samples(kind: str, length: int) -> hl.Sample:
    """The inputs, with two derivatives, and what the teacher answers, in NumPy."""
    u = _inputs(length, 0)
    more = _inputs(length, 1), None, _inputs(length, 2)
    return hl.Sample(u, _answers(kind, length), None, *more)


def held(samples: hl.Sample) -> hl.Sample:
    """The same without derivatives."""
    return hl.Sample(samples.input, samples.target)


def _inputs(length: int, derivative: int) -> np.ndarray:
    t = DT * np.arange(length)
    quarter = derivative * math.pi / 2
    waves = [w**derivative * np.sin(w * t + p + quarter) for w, p in _WAVES]
    return np.stack(waves, axis=1)


@cache
def _answers(kind: str, length: int) -> np.ndarray:
    net = network(kind, TEACHER, seed=7)
    net = eqx.tree_at(lambda net: net.weight, net, STRONGER * net.weight)
    u = jnp.asarray(_inputs(length, 0), net.weight.dtype)

    def step(x, u):
        return net.transition(x, u, jnp.asarray(DT, x.dtype)), net.readout(x, u)

    found = jax.jit(lambda u: jax.lax.scan(step, net.initial_state(), u)[1])
    return np.asarray(found(u), float)


def block(n: int) -> int:
    """Samples per block of RTRL: about as many as there are neurons."""
    return min(max(n, 8), 128)


def _inertia(rate: Any, dissipation: float) -> Any:
    """r, with which a gradient of one sample moves a weight by `rate` times it."""
    return DT / (rate * dissipation)


def _stlp(rate, n, window, cycles):
    inertia, theta = _inertia(rate, 30.0), 30.0
    slack = hl.action.Slack(mass=0.03 * inertia, stiffness=100.0) if cycles else None
    return hl.STLP(
        inertia=inertia, dissipation=theta, neuron_mass=1e-3 * inertia, slack=slack
    )


def _hamiltonian(rate, n, window, cycles):
    inertia, theta = _inertia(rate, 5.0), 5.0
    return hl.HamiltonianLearning(inertia=inertia, dissipation=theta)


def _descent(make: Callable[..., Any]) -> Callable[[Any, int, int, bool], Any]:
    """A law of plain gradient descent, from (update, n, window)."""
    sgd = lambda rate: hl.updates.Optax(optax.sgd, learning_rate=rate)
    return lambda rate, n, window, cycles: make(sgd(rate), n, window)


_whole = lambda n, window: window
RULES: dict[str, Rule] = {
    "stlp": Rule(_stlp, growth=2.5),
    "hamiltonian": Rule(_hamiltonian),
    "gle": Rule(_descent(lambda sgd, n, window: hl.GLE(update=sgd))),
    "hops": Rule(_descent(lambda sgd, n, window: hl.laws.Hops(update=sgd))),
    "bptt": Rule(
        _descent(lambda sgd, n, window: hl.BPTT(update=sgd, window=window)),
        waits=_whole,
    ),
    "bptt-sqrt": Rule(
        _descent(
            lambda sgd, n, window: hl.BPTT(
                update=sgd, window=window, memory=Checkpoints()
            )
        ),
        waits=_whole,
    ),
    "rtrl": Rule(
        _descent(lambda sgd, n, window: hl.RTRL(update=sgd)), growth=4.0, memory=3.0
    ),
    "rtrl-blocks": Rule(
        _descent(lambda sgd, n, window: hl.RTRL(update=sgd, block=block(n))),
        growth=3.0,
        memory=3.0,
        waits=lambda n, window: block(n),
    ),
}


def learner(
    name: str, kind: str, n: int, *, rate: Any = 1e-3, window: int = WINDOW,
    seed: int = 0,
) -> tuple[Any, Any]:  # fmt: skip
    """(the law, the network that it teaches)."""
    law = RULES[name].law(rate, n, window, kind == "recurrent")
    return law, network(kind, n, voltages=name == "gle", seed=seed)


def heard(name: str, kind: str, length: int) -> hl.Sample:
    """The stream as a law needs it."""
    found = samples(kind, length)
    return found if name == "stlp" else held(found)
