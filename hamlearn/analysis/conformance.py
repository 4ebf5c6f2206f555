"""What every law makes of a user's own network: exact, partial, or not at all."""

import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from .. import _checks
from .._action import Cost
from .._network import as_network, split
from .._signal import Sample
from .._types import Array, Params, PyTree
from ..rules import (
    BPTT,
    KFRTRL,
    RFLO,
    RTRL,
    UORO,
    AbstractRule,
    EProp,
    FeedbackAlignment,
    HamiltonianLearning,
    Instantaneous,
    RecurrentBackprop,
    SnAp,
    SnAp1,
)
from ..rules.bptt import SqrtCheckpoints, stream_gradient
from ._table import Table
from .alignment import directions

_COLUMNS = (
    "rule", "cosine", "error", "exact", "no_credit", "spread", "state_bytes", "us",
    "note",
)  # fmt: skip


def standard_rules(inputs: int, steps: int) -> dict[str, AbstractRule]:
    """One of each law with plain SGD, for a stream of `steps` samples."""
    cost, sgd = Cost(), optax.sgd(1.0)
    options: dict[str, Any] = {"window": steps, "inputs": inputs}
    return {
        "BPTT": BPTT(cost, sgd, **options),
        "BPTT, checkpointed": BPTT(cost, sgd, memory=SqrtCheckpoints(), **options),
        "RTRL": RTRL(cost, sgd),
        "SnAp-1": SnAp1(cost, sgd),
        "SnAp-2": SnAp(cost, sgd, order=2),
        "RFLO": RFLO(cost, sgd),
        "e-prop": EProp(cost, sgd),
        "UORO": UORO(cost, sgd),
        "KF-RTRL": KFRTRL(cost, sgd),
        "instantaneous": Instantaneous(cost, sgd),
        "feedback alignment": FeedbackAlignment(cost, sgd),
        "recurrent backprop": RecurrentBackprop(cost, sgd),
        "Hamiltonian, sign flip": HamiltonianLearning(cost),
    }


def conformance(
    network: Any,
    *,
    inputs: int,
    x0: PyTree = None,
    steps: int = 60,
    dt: Any = 0.1,
    draws: int = 16,
    rules: dict[str, AbstractRule] | None = None,
    key: Array | None = None,
) -> Table:
    """Put a network under every law and report what each makes of it.

    On a random stream, with the weights held, each law's summed credit is compared
    with the gradient by BPTT, in the dtype of the network. A row has: `cosine` and
    relative `error` (of the mean over draws, for laws that draw); `exact` to a
    thousand roundings; `no_credit`, the weights that get exactly none but should;
    `spread`, the standard deviation over draws relative to the gradient; bytes of the
    state; microseconds a sample; and a `note` where a law does not run: why.

    **Arguments:** `network`: any module `f(x, u) = dx/dt` with its start `x0`, or a
    network; `inputs`: how many it hears; `steps`, `dt`: of the stream; `draws`: for
    stochastic laws; `rules`: other laws by name.
    """
    _checks.at_least("inputs", inputs, 0)
    _checks.at_least("steps", steps, 1)
    _checks.at_least("draws", draws, 2)
    network = as_network(network, x0)
    key = jax.random.key(0) if key is None else key
    samples = _samples(network, inputs, steps, key)
    exact, _ = stream_gradient(Cost(), network, samples, dt=dt)
    chosen = standard_rules(inputs, steps) if rules is None else rules
    rows = [
        (name, *_row(rule, network, samples, dt, exact, draws, key))
        for name, rule in chosen.items()
    ]
    title = f"{type(network).__name__} under every law, {steps} samples of dt = {dt}"
    return Table(title, _COLUMNS, tuple(rows))


def _row(rule, network, samples, dt, exact, draws, key) -> tuple[Any, ...]:
    keys = jax.random.split(key, draws)
    try:
        state = rule.init(network, key=keys[0])
    except ValueError as error:
        return (None,) * 7 + (f"not run: {error}",)
    bytes_held = sum(leaf.nbytes for leaf in jax.tree.leaves(_arrays(state)))
    draw = lambda key: _summed(directions(rule, network, samples, dt=dt, key=key))
    found = [draw(keys[0]), draw(keys[1])]
    if not _same(*found):
        found += [draw(key) for key in keys[2:]]
    began = time.perf_counter()
    jax.block_until_ready(draw(keys[0]))
    pace = (time.perf_counter() - began) / samples.target.shape[0] * 1e6
    mean = jax.tree.map(lambda *g: sum(g) / len(g), *found)
    cosine, error = _compare(mean, exact)
    eps = float(jnp.finfo(jnp.result_type(*exact.values())).eps)
    missing = [
        name for name in exact if np.any(exact[name] != 0) and not np.any(mean[name])
    ]
    note = "" if np.isfinite(error) else "not finite"
    return (
        cosine, error, error < 1e3 * eps, ", ".join(missing) or None,
        _spread(found, mean, exact), bytes_held, pace, note,
    )  # fmt: skip


def _samples(network: Any, inputs: int, steps: int, key: Array) -> Sample:
    w, _ = split(network)
    dtype = jnp.result_type(*w.values())
    a, b = jax.random.split(key)
    u = jax.random.normal(a, (steps, inputs), dtype)
    y = eqx.filter_eval_shape(network.readout, network.initial_state(), u[0])
    return Sample(u, jax.random.normal(b, (steps, *y.shape), dtype))


def _summed(each: Params) -> Params:
    return jax.tree.map(lambda leaf: leaf.sum(0), each)


def _same(a: Params, b: Params) -> bool:
    return all(
        np.array_equal(np.asarray(a[name]), np.asarray(b[name]), equal_nan=True)
        for name in a
    )


def _flat(g: Params) -> np.ndarray:
    return np.concatenate([np.asarray(g[name]).ravel() for name in sorted(g)])


def _compare(g: Params, exact: Params) -> tuple[float, float]:
    """(cosine, relative error)."""
    a, b = _flat(g), _flat(exact)
    size = np.linalg.norm(a) * np.linalg.norm(b)
    cosine = float(a @ b / size) if size > 0 else float("nan")
    return cosine, float(np.linalg.norm(a - b) / np.linalg.norm(b))


def _spread(found: list[Params], mean: Params, exact: Params) -> float | None:
    if len(found) == 2:
        return None
    off = [np.linalg.norm(_flat(g) - _flat(mean)) ** 2 for g in found]
    size = np.linalg.norm(_flat(exact))
    return float(np.sqrt(np.sum(off) / (len(off) - 1)) / size)


def _arrays(state: Any) -> Any:
    return eqx.filter(state, eqx.is_inexact_array)
