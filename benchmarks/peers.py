"""Beside braintrace, where it is installed: `pip install braintrace==0.2.6`.

The same leak-free tanh network with a linear readout, weights held, the gradient
summed over a stream. Each gradient is held against exact BPTT of its own network, so
that speed is compared at known correctness: `D_RTRL` in its default mode leaves the
gradient of the readout at zero, `multi-step` does not.
"""

import dataclasses
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import hamlearn as hl
from hamlearn.rules import RFLO, SnAp1, SymmetricFeedback, stream_gradient

from . import _floors
from ._measure import clock, quartiles

INPUTS, OUTPUTS, LENGTH = 4, 4, 256


@dataclasses.dataclass
class Contestant:
    """A compiled gradient of a whole stream, and how far it is from the exact one."""

    name: str
    run: Callable[[], Any]
    error: float


def measure(sizes: list[int], *, repeats: int, say: Any) -> list[dict[str, Any]]:
    """A row for each library, law and size, or none without the peer."""
    try:
        import braintrace  # pyright: ignore[reportMissingImports]
    except ImportError:
        print('No peer to measure: `pip install "braintrace==0.2.6"` adds one.')
        return []
    rows = []
    for n in sizes:
        made = [*_ours(n), *_theirs(n, braintrace)]
        times = {one.name: [] for one in made}
        for k in range(repeats + 2):
            for one in made:
                began = clock()
                jax.block_until_ready(one.run())
                if k > 1:  # their programs are traced twice
                    us = (clock() - began) / LENGTH * 1e6
                    times[one.name].append(us)
        for one in made:
            rows.append({"neurons": n, "rule": one.name, "gradient_error": one.error})
            rows[-1]["us_per_sample"] = quartiles(times[one.name])
            say(rows[-1])
    return rows


def versions() -> dict[str, str]:
    """Of the peers that are installed."""
    found = {}
    for name in ("braintrace", "brainstate"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _stream() -> tuple[jax.Array, jax.Array]:
    a, b = jax.random.split(jax.random.key(0))
    u = jax.random.normal(a, (LENGTH, INPUTS))
    return u, jax.random.normal(b, (LENGTH, OUTPUTS))


def _ours(n: int) -> list[Contestant]:
    drawn = _floors.weights(
        n, INPUTS, OUTPUTS, key=jax.random.key(0), dtype=jnp.float32
    )
    net, samples, cost = _floors.network(drawn), hl.Sample(*_stream()), hl.Cost()
    w, frozen = hl.split(net)

    @jax.jit
    def bptt(w, samples):
        return stream_gradient(cost, hl.join(w, frozen), samples, dt=1.0)[0]

    exact = lambda: bptt(w, samples)
    rules = {
        "hamlearn snap1": SnAp1(cost),
        "hamlearn rflo": RFLO(cost, feedback=SymmetricFeedback()),
    }
    if n <= 32:
        rules["hamlearn rtrl"] = hl.RTRL(cost)
    made = {name: _summed(rule, net, samples) for name, rule in rules.items()}
    made["hamlearn bptt"] = exact
    return [Contestant(k, run, _error(run(), exact())) for k, run in made.items()]


def _summed(rule: Any, net: Any, samples: hl.Sample) -> Callable[[], Any]:
    """The estimates of a law added up over the stream."""
    moving, still = eqx.partition(rule.init(net), eqx.is_array)
    dt = jnp.asarray(1.0)

    @jax.jit
    def run(moving, samples):
        def step(carry, sample):
            moving, total = carry
            state = eqx.combine(moving, still)
            g, state, info = rule.estimate(state, sample, dt)
            total = jax.tree.map(jnp.add, total, g)
            return (eqx.filter(state, eqx.is_array), total), info.loss

        zero = jax.tree.map(jnp.zeros_like, hl.split(net)[0])
        return jax.lax.scan(step, (moving, zero), samples)[0][1]

    return lambda: run(moving, samples)


def _theirs(n: int, braintrace: Any) -> list[Contestant]:
    import brainstate  # pyright: ignore[reportMissingImports]

    class Net(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = braintrace.nn.ValinaRNNCell(INPUTS, n, activation="tanh")
            self.out = braintrace.nn.Linear(n, OUTPUTS)

        def update(self, x):
            return self.out(self.rnn(x))

    u, y = _stream()
    brainstate.random.seed(0)
    net = Net()
    weights = net.states(brainstate.ParamState)
    grad, jit = brainstate.transform.grad, brainstate.transform.jit

    @jit
    def bptt(u, y):
        brainstate.nn.reset_all_states(net)

        def total():
            out = brainstate.transform.for_loop(net, u)
            return jnp.sum((out - y) ** 2) / 2

        return grad(total, weights)()

    def online(algorithm: Any, **options: Any) -> Callable[[], Any]:
        learner = braintrace.compile(net, algorithm, jnp.zeros(INPUTS), **options)

        @jit
        def run(u, y):
            def step(total, now):
                loss = lambda: jnp.sum((learner(now[0]) - now[1]) ** 2) / 2
                return jax.tree.map(jnp.add, total, grad(loss, weights)()), None

            # Hidden state and trace have to be reset each by itself.
            brainstate.nn.reset_all_states(net)
            learner.reset_state()
            zero = {
                k: jax.tree.map(jnp.zeros_like, s.value) for k, s in weights.items()
            }
            return brainstate.transform.scan(step, zero, (u, y))[0]

        return lambda: run(u, y)

    brainstate.nn.init_all_states(net)
    made = {
        "braintrace bptt": lambda: bptt(u, y),
        "braintrace D_RTRL": online(braintrace.D_RTRL),
        "braintrace D_RTRL multi-step": online(
            braintrace.D_RTRL, vjp_method="multi-step"
        ),
        "braintrace pp_prop": online(braintrace.pp_prop, decay_or_rank=0.9),
    }
    exact = bptt(u, y)
    return [Contestant(k, run, _error(run(), exact)) for k, run in made.items()]


def _error(g: Any, exact: Any) -> float:
    """|g - exact| / |exact| over all weights."""
    flat = lambda tree: np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])
    return float(np.linalg.norm(flat(g) - flat(exact)) / np.linalg.norm(flat(exact)))
