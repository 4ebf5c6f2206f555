"""How well a law's credit agrees with the exact gradient, part by part."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Number, Params, PyTree
from ..costates.gradient import exact_gradient
from ..laws.base import AbstractLaw
from ..networks.base import AbstractNeurons, NetworkLike
from ..networks.batch import single
from ..networks.dynamics import as_network
from ..networks.partition import split
from ..run.patience import Patience
from ..run.tables import Table
from ..signals.signal import Sample
from ._sums import begun, each, sums


def alignment(
    law: AbstractLaw,
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    window: int | None = None,
    skip: int = 0,
    biases: bool = False,
    x0: PyTree = None,
    key: Array | None = None,
    progress: bool = True,
) -> Table:
    """Cosine and norm ratio of a law's credit to the exact gradient, weights held.

        cos = <g, g*> / |g| |g*|,   ratio = |g| / |g*|

    g is the sum of `directions` over a window, g* the gradient by BPTT of the sum of
    ell over the same samples, through the whole past. A periodic drive wants a window
    of whole periods after a transient.

    **Arguments:** `samples`: the stream; `window`: how many samples are summed, by
    default all after `skip`, the transient; `biases`: whether they count (their
    gradients are dominated by the mean of the signal, where all laws agree); `x0`,
    `key`: for `law.init`; `progress`: a word on standard error after two seconds.

    **Returns:** a table with one row per part (a leaf, a layer of an acyclic graph,
    and `all`): the median cosine over windows, its least and greatest, the median
    ratio.
    """
    network = as_network(network, x0)
    state, samples, dt = begun(law, network, samples, dt, x0, key)
    length = samples.target.shape[0]
    window = length - skip if window is None else window
    _checks.at_least("window", window, 1)
    count = (length - skip) // window
    if count < 1:
        _checks.reject("window", f"at most the {length - skip} samples", window)
    used = jax.tree.map(lambda leaf: leaf[: skip + count * window], samples)
    place = (np.arange(skip + count * window) - skip) // window
    with Patience(f"alignment of {law.title}", progress=progress):
        found = _sums(law, state, used, dt, place, count)
        exact = _exact(law.cost, network, used, dt, x0, place, count)
        rows = [
            (name, *_agreement(pick(found), pick(exact)))
            for name, pick in parts(network, biases).items()
        ]
    columns = ("part", "cosine", "least", "greatest", "ratio")
    title = f"{law.title} against the exact gradient, {count} windows"
    return Table(title, columns, tuple(rows))


def directions(
    law: AbstractLaw,
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    x0: PyTree = None,
    key: Array | None = None,
) -> Params:
    """What a law goes down on at every sample, its `estimate`, with the weights held.

    For laws with a costate that is dM/dw; laws that wait for the end of a window have
    zeros before.

    **Returns:** one array per weight, with time as leading axis.
    """
    state, samples, dt = begun(law, network, samples, dt, x0, key)
    return _each(law, state, samples, dt)


def parts(network: Any, biases: bool = False) -> dict[str, Callable[[Params], Array]]:
    """What is compared: each leaf, each layer of an acyclic graph, and all of them.

    Each entry maps gradients with a leading axis to one vector per window.
    """
    names = [n for n in split(network)[0] if biases or not n.endswith("bias")]
    flat = lambda leaf: leaf.reshape(leaf.shape[0], -1)
    found: dict[str, Callable[[Params], Array]] = {
        name: lambda g, name=name: flat(g[name]) for name in names
    }
    inside = single(network)
    if isinstance(inside, AbstractNeurons) and "weight" in names:
        for level, edges in _layers(inside):
            found[f"weight, layer {level}"] = lambda g, edges=edges: flat(g["weight"])[
                :, edges
            ]
    units = inside.units() or {}
    for layer in units if len(units) > 1 else ():
        inner = [name for name in names if name.startswith(layer)]
        if inner:
            found[layer.removesuffix(".")] = lambda g, inner=inner: jnp.concatenate(
                [flat(g[name]) for name in inner], axis=1
            )
    found["all"] = lambda g: jnp.concatenate([flat(g[name]) for name in names], axis=1)
    return found


_sums, _each = eqx.filter_jit(sums), eqx.filter_jit(each)


@eqx.filter_jit
def _exact(cost, network, samples, dt, x0, place, count) -> Params:
    """The gradient of each window by BPTT through all that came before."""

    def one(k):
        counted = (place == k).astype(dt.dtype)
        return exact_gradient(
            cost, network, samples, dt=dt, x0=x0, counted=counted
        ).w  # fmt: skip

    return jax.vmap(one)(jnp.arange(count))


def _layers(network: AbstractNeurons) -> list[tuple[int, np.ndarray]]:
    levels = network.graph.levels()
    if levels is None:
        return []
    of_edge = levels[np.asarray(network.graph.receivers)]
    return [(int(k), np.flatnonzero(of_edge == k)) for k in np.unique(of_edge)]


def _agreement(g: Array, exact: Array) -> tuple[float, float, float, float]:
    top = jnp.sum(g * exact, axis=1)
    sizes = jnp.linalg.norm(g, axis=1), jnp.linalg.norm(exact, axis=1)
    cosine = np.asarray(top / (sizes[0] * sizes[1]))
    ratio = np.asarray(sizes[0] / sizes[1])
    spread = (np.median(cosine), np.min(cosine), np.max(cosine), np.median(ratio))
    return tuple(float(value) for value in spread)  # pyright: ignore[reportReturnType]
