"""Beside other libraries, where they are installed: braintrace and jax_rtrl.

    pip install braintrace==0.2.6
    pip install flax distrax tfp-nightly ml_collections simple-parsing dacite plotly
    PYTHONPATH=<a checkout of FranzKnut/jax_rtrl at 7d95ca6> python -m benchmarks ...

The same leak-free tanh network of the same numbers with a linear readout, weights held,
the gradient summed over the same stream: here through `hl.scan`, by laws whose update
holds the weights and adds up. Each gradient is held against exact BPTT, all
of it and that of the recurrent weights alone, so that speed is compared at known
correctness: laws that are the same under another name have the same error.
"""

import dataclasses
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

import hamlearn as hl
from hamlearn.action.trees import added
from hamlearn.laws import EProp, SnAp1
from hamlearn.updates import AbstractUpdate

from . import _floors, _peer_braintrace, _peer_jax_rtrl
from ._floors import Weights
from ._measure import clock, compiled, quartiles

INPUTS, OUTPUTS, LENGTH = 4, 4, 1024
#: One less than a multiple of what is a block of samples, n.
EXACT_LENGTH = {32: 255, 128: 127, 512: 1}


class Held(AbstractUpdate):
    """Weights stay as they are; what they would go down on is added up."""

    def start(self, w):
        return jax.tree.map(jnp.zeros_like, w)

    def step(self, g, w, memory, dt, loss=None):
        return w, added(memory, g)


@dataclasses.dataclass
class Contestant:
    """A compiled gradient of a stream of some length, and its errors."""

    law: str
    run: Callable[[], Weights]
    samples: int
    gradient_error: float
    recurrent_error: float


def measure(sizes: list[int], *, repeats: int, say: Any) -> list[dict[str, Any]]:
    """A row for each library, law and size, or none without a peer."""
    peers = [peer for peer in (_peer_braintrace, _peer_jax_rtrl) if peer.installed()]
    if not peers:
        print('No peer to measure: `pip install "braintrace==0.2.6"` adds one.')
        return []
    rows = []
    for n in sizes:
        for made in _groups(n, peers):
            times = _times(made, repeats)
            for one in made:
                row = dataclasses.asdict(one)
                row |= {"neurons": n, "us_per_sample": quartiles(times[one.law])}
                del row["run"]
                rows.append(row)
                say(row)
    return rows


def _times(made: list[Contestant], repeats: int) -> dict[str, list[float]]:
    """us per sample; in turn, each time from another one on, so that none is always
    first to find the caches as another left them."""
    times = {one.law: [] for one in made}
    for k in range(repeats + 2):
        first = k % len(made)
        for one in made[first:] + made[:first]:
            began = clock()
            jax.block_until_ready(one.run())
            if k > 1:  # some of their programs are traced twice
                times[one.law].append((clock() - began) / one.samples * 1e6)
    return times


def versions() -> dict[str, str]:
    """Of the peers that are installed."""
    found = {}
    for name in ("braintrace", "brainstate", "flax"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if _peer_jax_rtrl.installed():
        found["jax_rtrl"] = _peer_jax_rtrl.COMMIT
    return found


def _groups(n: int, peers: list[Any]):
    """The contestants on the long stream, then those of exact RTRL on a shorter one."""
    w = _floors.weights(n, INPUTS, OUTPUTS, key=jax.random.key(0), dtype=jnp.float32)
    a, b = jax.random.split(jax.random.key(0))
    u = jax.random.normal(a, (LENGTH, INPUTS))
    y = jax.random.normal(b, (LENGTH, OUTPUTS))
    laws = {}
    for name, law in (
        ("bptt", hl.BPTT(update=Held(), window=LENGTH + 1)),
        ("snap1", SnAp1(update=Held())),
        ("rflo", EProp(update=Held())),
    ):
        laws[f"hamlearn {name}"] = _summed(law, w, u, y)
    for peer in peers:
        laws |= peer.gradients(w, u, y)
    yield _contestants(laws, w, u, y)

    length = EXACT_LENGTH.get(n)
    if length is not None:
        u, y = u[:length], y[:length]
        laws = {"hamlearn rtrl": _summed(hl.RTRL(update=Held()), w, u, y)}
        if (length + 1) % n == 0:
            blocks = hl.RTRL(update=Held(), block=n)
            laws[f"hamlearn rtrl, blocks of {n}"] = _summed(blocks, w, u, y)
        for peer in peers:
            laws |= peer.exact(w, u, y)
        yield _contestants(laws, w, u, y)


def _contestants(laws: dict[str, Callable[[], Weights]], w, u, y) -> list[Contestant]:
    exact = _exact(w, u, y)
    flat = lambda g: jnp.concatenate([jnp.ravel(leaf) for leaf in g])
    error = lambda g, h: float(jnp.linalg.norm(g - h) / jnp.linalg.norm(h))
    made = []
    for name, run in laws.items():
        g = run()
        # Of this library's, one sample more is run than is counted.
        samples = len(u) + name.startswith("hamlearn")
        errors = error(flat(g), flat(exact)), error(g.W, exact.W)
        made.append(Contestant(name, run, samples, *errors))
    return made


def _problem(w: Weights, u, y):
    """Network and samples: here a loss is taken before a sample moves the state.

    The other libraries take it after, so that their sum is that of one sample later.
    """
    u, y = jnp.concatenate([u, u[:1]]), jnp.concatenate([y[:1], y])
    return _floors.network(w), hl.Sample(u, y, jnp.ones(len(u)).at[0].set(0))


def _exact(w: Weights, u, y) -> Weights:
    network, samples = _problem(w, u, y)
    return _as_weights(hl.exact_gradient(hl.Cost(), network, samples, dt=1.0).w)


def _summed(law: Any, w: Weights, u, y) -> Callable[[], Weights]:
    """What a law goes down on, added up over the stream."""
    network, samples = _problem(w, u, y)
    arrays, still = eqx.partition(law.init(network), eqx.is_array)
    nothing = lambda state, sample, info: None

    def run(arrays, samples):
        after, _ = hl.scan(law, eqx.combine(arrays, still), samples, 1.0, nothing)
        return _as_weights(after.update)

    return _compiled(run, arrays, samples)


def _compiled(function: Callable[..., Weights], *given: Any) -> Callable[[], Weights]:
    return compiled("", function, *given, samples=LENGTH, carried=()).result


def _as_weights(g: dict[str, jax.Array]) -> Weights:
    names = ("weight", "input_weight", "bias")
    readout = ("readout_map.weight", "readout_map.bias")
    return Weights(*(g[name] for name in names + readout))
