"""How well a law's credit agrees with the exact gradient, part by part."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Params, PyTree
from ..action.action import hamiltonian
from ..graph.digraph import Digraph
from ..networks.batch import Batch
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ..rules._base import AbstractRule
from ..rules._online import AbstractOnlineRule
from ..rules.bptt import stream_gradient
from ..rules.hamiltonian import HamiltonianLearning
from ..signals.signal import Sample
from ._table import Table


def alignment(
    rule: AbstractRule,
    network: Any,
    samples: Sample,
    *,
    dt: Any,
    window: int | None = None,
    skip: int = 0,
    biases: bool = False,
    x0: PyTree = None,
    key: Array | None = None,
) -> Table:
    """Cosine and norm ratio of a law's credit to the exact gradient, weights held.

        cos = <g, g*> / |g| |g*|,   ratio = |g| / |g*|

    g is the sum of `directions` over a window, g* the gradient by BPTT of the sum of
    ell over the same samples, through the whole past. A periodic drive wants a window
    of whole periods after a transient.

    **Arguments:** `samples`: the stream; `window`: how many samples are summed, by
    default all after `skip`, the transient; `biases`: whether they count (their
    gradients are dominated by the mean of the signal, where all laws agree).

    **Returns:** a table, a row for each part (a leaf, a layer of an acyclic graph, and
    `all`): the median cosine over windows, its least and greatest, the median ratio.
    """
    _checks.instance("rule", rule, AbstractRule)
    network = as_network(network, x0)
    length = samples.target.shape[0]
    window = length - skip if window is None else window
    _checks.at_least("window", window, 1)
    count = (length - skip) // window
    if count < 1:
        _checks.reject("window", f"at most the {length - skip} samples", window)
    used = jax.tree.map(lambda leaf: leaf[: skip + count * window], samples)
    each = directions(rule, network, used, dt=dt, x0=x0, key=key)
    summed = jax.tree.map(
        lambda g: g[skip:].reshape(count, window, *g.shape[1:]).sum(1), each
    )
    exact = _exact(rule, network, used, dt, x0, skip, window, count)
    rows = [
        (name, *_agreement(pick(summed), pick(exact)))
        for name, pick in parts(network, biases).items()
    ]
    columns = ("part", "cosine", "least", "greatest", "ratio")
    title = f"{type(rule).__name__} against the exact gradient, {count} windows"
    return Table(title, columns, tuple(rows))


def directions(
    rule: AbstractRule,
    network: Any,
    samples: Sample,
    *,
    dt: Any,
    x0: PyTree = None,
    key: Array | None = None,
) -> Params:
    """What a law would descend along at every sample, with the weights held.

    The estimate of laws that have one; H_w = ell_w + p_x.f_w of Hamiltonian learning,
    which p_w accumulates; of any other law the step it takes, with opposite sign (for
    one with an optimizer, choose plain SGD).

    **Returns:** one array a weight, with time as leading axis.
    """
    state = rule.init(network, x0=x0, key=key)
    w, _ = split(state.network)
    return _directions(rule, state, w, samples, jnp.asarray(dt, _dtype(w)))


@eqx.filter_jit
def _directions(rule, state, w, samples, dt):
    moving, still = eqx.partition(state, eqx.is_array)

    def body(moving, sample):
        g, state = direction(rule, eqx.combine(moving, still), w, sample, dt)
        return eqx.filter(state, eqx.is_array), g

    return jax.lax.scan(body, moving, samples)[1]


def direction(
    rule: AbstractRule, state: Any, w: Params, sample: Sample, dt: Any
) -> tuple[Params, Any]:
    """(the direction at this sample, the state after it with weights w put back)."""
    if isinstance(rule, AbstractOnlineRule):
        g, state, _ = rule.estimate(state, sample, dt)
        return g, state
    after, _ = rule.step(state, sample, dt)
    if isinstance(rule, HamiltonianLearning):
        y = state.flow
        H = lambda w: hamiltonian(
            rule.cost, join(w, state.frozen), y.x, y.p_x, y.p_w, sample
        )
        return jax.grad(H)(w), hold(after, w)
    moved, _ = split(after.network)
    return {name: w[name] - moved[name] for name in w}, hold(after, w)


def hold(state: Any, w: Params) -> Any:
    """`state` with its weights replaced by `w`."""

    # Every law hands out its network made of the very leaves that it carries.
    held = {id(leaf): w[name] for name, leaf in split(state.network)[0].items()}
    found = [leaf for leaf in jax.tree.leaves(state) if id(leaf) in held]
    if len(found) != len(w):
        wanted = "a law whose state holds the weights as leaves"
        _checks.reject("rule", wanted, f"one with {len(found)} of {len(w)} there")
    return jax.tree.map(lambda leaf: held.get(id(leaf), leaf), state)


def parts(network: Any, biases: bool = False) -> dict[str, Callable[[Params], Array]]:
    """What is compared: each leaf, each layer of an acyclic graph, and all of them.

    Each entry maps gradients with a leading axis to one vector a window.
    """
    names = [n for n in split(network)[0] if biases or not n.endswith("bias")]
    flat = lambda leaf: leaf.reshape(leaf.shape[0], -1)
    found: dict[str, Callable[[Params], Array]] = {
        name: lambda g, name=name: flat(g[name]) for name in names
    }
    single, prefix = network, ""
    if isinstance(network, Batch):
        single, prefix = network.network, "network."
    if _on_a_graph(single) and f"{prefix}weight" in names:
        for level, edges in _layers(single):
            found[f"{prefix}weight, layer {level}"] = lambda g, edges=edges: flat(
                g[f"{prefix}weight"]
            )[:, edges]
    found["all"] = lambda g: jnp.concatenate([flat(g[name]) for name in names], axis=1)
    return found


def _on_a_graph(network: Any) -> bool:
    fields = type(network).__dataclass_fields__
    return "graph" in fields and isinstance(network.graph, Digraph)


def _layers(network: Any) -> list[tuple[int, np.ndarray]]:
    levels = network.graph.levels()
    if levels is None:
        return []
    of_edge = levels[np.asarray(network.graph.receivers)]
    return [(int(k), np.flatnonzero(of_edge == k)) for k in np.unique(of_edge)]


def _exact(rule, network, samples, dt, x0, skip, window, count) -> Params:
    """The gradient of each window by BPTT through all that came before."""
    length = samples.target.shape[0]
    number = (np.arange(length) - skip) // window

    def one(k):
        counted = jnp.asarray(number == k, _dtype(split(network)[0]))
        return stream_gradient(
            rule.cost, network, samples, dt=dt, x0=x0, counted=counted
        )[0]

    each = [one(k) for k in range(count)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


def _agreement(g: Array, exact: Array) -> tuple[float, float, float, float]:
    top = jnp.sum(g * exact, axis=1)
    sizes = jnp.linalg.norm(g, axis=1), jnp.linalg.norm(exact, axis=1)
    cosine = np.asarray(top / (sizes[0] * sizes[1]))
    ratio = np.asarray(sizes[0] / sizes[1])
    spread = (np.median(cosine), np.min(cosine), np.max(cosine), np.median(ratio))
    return tuple(float(value) for value in spread)  # pyright: ignore[reportReturnType]


def _dtype(w: Params) -> Any:
    return jnp.result_type(*w.values())
