"""The laws of the cost measurements, each with the floor of the same equations."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

import hamlearn as hl
from hamlearn.costates.gradient import Checkpoints, Stored
from hamlearn.laws import UORO, EProp, Hops, Instantaneous, SnAp1

from . import _floors, _recursive
from ._measure import Program, compiled, of_law

INPUTS, OUTPUTS, TAU, RATE = 4, 4, 4.0, 1e-4
#: Samples per block of RTRL.
BLOCK = 128
Maker = Callable[["Setting"], Program]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A complete network of n neurons, its numbers, and a block of samples.

    `copies`: so many of them at once, each by itself; one alone for 0.
    """

    n: int
    length: int
    dtype: Any = jnp.float32
    copies: int = 0

    @property
    def weights(self) -> _floors.Weights:
        key = jax.random.key(0)
        return _floors.weights(self.n, INPUTS, OUTPUTS, key=key, dtype=self.dtype)

    @property
    def start(self) -> jax.Array:
        return 0.3 * jax.random.normal(jax.random.key(1), (self.n,), self.dtype)

    @property
    def samples(self) -> hl.Sample:
        a, b = jax.random.split(jax.random.key(2))
        u = jax.random.normal(a, (self.length, INPUTS), self.dtype)
        return hl.Sample(u, jax.random.normal(b, (self.length, OUTPUTS), self.dtype))

    @property
    def rate_network(self) -> hl.RateNetwork:
        return _floors.network(self.weights, time_constant=TAU)

    @property
    def floor_arguments(self) -> tuple[Any, ...]:
        s, number = self.samples, lambda v: jnp.asarray(v, self.dtype)
        return self.weights, self.start, s.input, s.target, number(1 / TAU)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A law, the plain-JAX floor of its equations, and how its cost grows with n.

    `growth`: the exponent of n that decides how long a block may be; `memory_growth`:
    that of what it carries.
    """

    law: Maker
    floor: Maker | None = None
    growth: float = 2.0
    memory_growth: float = 2.0


def _law(name: str) -> Maker:
    def make(s: Setting) -> Program:
        return of_law(name, *learners()[name](s), 1.0, copies=s.copies)

    return make


def _floor(name: str, law: _floors.Law) -> Maker:
    def make(s: Setting) -> Program:
        key = jax.random.key(3)
        rate = jnp.asarray(RATE, s.dtype)
        run = lambda *given: _floors.learn(law, *given)
        given = (*s.floor_arguments, rate, key)
        carried = (s.weights, law.start(s.weights))
        label = f"floor: {name}"
        return compiled(label, run, *given, samples=s.length, carried=carried)

    return make


def learners() -> dict[str, Callable[[Setting], tuple[Any, Any, Any]]]:
    """The laws that learn at every sample: (law, network, samples) of a setting."""
    sgd, cost = hl.updates.Optax(optax.sgd, learning_rate=RATE), hl.Cost()
    laws = {
        "instantaneous": Instantaneous(cost, sgd, sweeps=1),
        "rflo": EProp(cost, sgd),
        "snap1": SnAp1(cost, sgd),
        "uoro": UORO(cost, sgd),
        "hops": Hops(cost, sgd),
        "rtrl": hl.RTRL(cost, sgd),
        "rtrl-blocks": hl.RTRL(cost, sgd, block=BLOCK),
    }
    on_rates = lambda law: lambda s: (law, s.rate_network, s.samples)
    return {"flip": _flip, "gle": _gle} | {k: on_rates(v) for k, v in laws.items()}


def _flip(s: Setting):
    """The tracking network of the paper: one output node, no input."""
    w = s.weights
    net = hl.RateNetwork(
        hl.Digraph.complete(s.n, self_loops=True), outputs=[0], time_constant=TAU,
        dtype=s.dtype, key=jax.random.key(0),
    )  # fmt: skip
    net = hl.join({"weight": w.W, "bias": w.b}, hl.split(net)[1])
    samples = hl.Sample(jnp.zeros((s.length, 0), s.dtype), s.samples.target[:, :1])
    law = hl.HamiltonianLearning(inertia=10.0, dissipation=0.1)
    return law, net, samples


def _flip_floor(s: Setting) -> Program:
    """Without weight decay, and reporting no more than the law is asked for here."""
    w, number = s.weights, lambda v: jnp.asarray(v, s.dtype)
    values = (*map(number, (1.0, TAU, 1.0)), None, number(10.0), number(0.1))
    given = (w.W, w.b, s.start, s.samples.target[:, :1])
    carried = (w.W, w.W, w.b, w.b, s.start, s.start)

    def run(*given):
        flow, (_, loss, *_) = _floors.sign_flip(*given, *values)
        return flow, loss

    return compiled("floor: flip", run, *given, samples=s.length, carried=carried)


def _gle(s: Setting):
    net = hl.VoltageNetwork(
        hl.Digraph.complete(s.n, self_loops=True), inputs=INPUTS, outputs=OUTPUTS,
        membrane_time_constant=10.0, prospective_time_constant=5.0, gain=0.3,
        dtype=s.dtype, key=jax.random.key(0),
    )  # fmt: skip
    return hl.GLE(update=optax.sgd(RATE)), net, s.samples


def _gle_floor(s: Setting) -> Program:
    w, number = s.weights, lambda v: jnp.asarray(v, s.dtype)
    w = w._replace(W=0.3 * w.W)
    values = map(number, (1.0, 10.0, 5.0, RATE))
    given = (w, s.samples.input, s.samples.target, *values)
    carried = (w.W, w.B, *[w.b] * 6)
    return compiled(
        "floor: gle", _floors.gle, *given, samples=s.length, carried=carried
    )


def _bptt(name: str, memory: Any) -> Maker:
    def make(s: Setting) -> Program:
        def run(w, x, samples):
            net = hl.join(w, frozen)
            cost = hl.Cost()
            g = hl.exact_gradient(cost, net, samples, dt=1.0, x0=x, memory=memory)
            return g.w, g.value

        w, frozen = hl.split(s.rate_network)
        given = (w, s.start, s.samples)
        return compiled(name, run, *given, samples=s.length, carried=(w, s.start))

    return make


def _plain(label: str, function: Any) -> Maker:
    """A gradient of a whole stream in plain JAX."""

    def make(s: Setting) -> Program:
        carried, given = (s.weights, s.start), s.floor_arguments
        return compiled(label, function, *given, samples=s.length, carried=carried)

    return make


def forward(s: Setting) -> Program:
    """The neurons alone, nothing learned."""
    w, x, u, y, alpha = s.floor_arguments

    def run(w, x, u, y, alpha):
        def step(x, now):
            return _floors.advance(w, x, now[0], alpha), w.C @ x

        return jax.lax.scan(step, x, (u, y))

    return compiled("forward", run, w, x, u, y, alpha, samples=s.length, carried=(w, x))


def forward_outer(s: Setting) -> Program:
    """The neurons, and one outer product added to their weights at every step."""
    w, x, u, y, alpha = s.floor_arguments

    def run(w, x, u, y, alpha):
        def step(carry, now):
            W, x = carry
            after = _floors.advance(w._replace(W=W), x, now[0], alpha)
            return (W - alpha * 1e-3 * jnp.outer(after, x), after), w.C @ x

        return jax.lax.scan(step, (w.W, x), (u, y))

    return compiled(
        "forward + outer", run, w, x, u, y, alpha, samples=s.length, carried=(w, x)
    )


def subjects() -> dict[str, Subject]:
    """Everything that runs on a complete network, cheapest first."""
    plain, root = _floors.bptt, _floors.bptt_checkpointed
    return {
        "flip": Subject(_law("flip"), _flip_floor),
        "gle": Subject(_law("gle"), _gle_floor),
        "instantaneous": Subject(_law("instantaneous")),
        "rflo": Subject(_law("rflo"), _floor("rflo", _floors.OWN_LEAK)),
        "snap1": Subject(_law("snap1"), _floor("snap1", _floors.SNAP_1)),
        "hops": Subject(_law("hops")),
        "uoro": Subject(_law("uoro"), _floor("uoro", _floors.UORO)),
        "bptt": Subject(_bptt("bptt", Stored()), _plain("floor: bptt", plain)),
        "bptt-sqrt": Subject(
            _bptt("bptt-sqrt", Checkpoints()), _plain("floor: bptt-sqrt", root)
        ),
        "bptt-diffrax": Subject(_plain("bptt-diffrax", _recursive.bptt)),
        "rtrl": Subject(
            _law("rtrl"),
            _floor("rtrl", _floors.RTRL),
            growth=4.0,
            memory_growth=3.0,
        ),
    }
