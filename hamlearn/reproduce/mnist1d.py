"""MNIST-1D learned online by GLE: every label seen as a stream, an update every step.

    hamlearn reproduce mnist1d

is the quick run. The long one, `train(out)`, takes about an hour of one core, saves a
checkpoint every epoch and goes on from there when called again.
"""

import json
import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm.auto import tqdm

from .. import _checks
from .._action import Cost, cross_entropy
from .._closure import AbstractClosure, Prospective
from .._graph import Digraph
from .._network import Batch
from .._signal import Sample
from .._types import Array
from .._voltage import VoltageNetwork
from ..rules import GLE
from ..tasks.mnist1d import Digits, mnist1d

DT = 0.2
POINT = 5  # steps that a point of a digit is held
BATCH = 100
PUBLISHED = (91.7, 0.8)  # test accuracy in percent after 150 epochs, and its spread


def network(key: Array, *, layers: int = 6) -> VoltageNetwork:
    """1-53x6-10, in each hidden layer 36 slow neurons and 17 without a lag.

    14,956 parameters in weights and biases; the first hidden layer is linear.
    """
    sizes = [53] * layers + [10]
    slow = np.repeat([0.6, 1.2], 18)
    membrane = np.concatenate([np.concatenate([slow, np.full(17, 1.2)])] * layers)
    lag = np.concatenate([np.full(36, DT), np.full(17, 1.2)])
    nodes = np.arange(sum(sizes))
    return VoltageNetwork(
        Digraph.layered(sizes),
        inputs=1,
        outputs=10,
        linear=[*nodes[:53].tolist(), *nodes[-10:].tolist()],
        membrane_time_constant=np.concatenate([membrane, np.full(10, 1.2)]),
        prospective_time_constant=np.concatenate(
            [np.tile(lag, layers), np.full(10, 1.2)]
        ),
        floor=DT,
        gain=3**-0.5,
        dtype=jnp.float32,
        key=key,
    )


def rule(closure: AbstractClosure, *, rate: float, epochs: int, updates: int) -> GLE:
    """GLE with cross-entropy, Adam at every step, its rate falling to a hundredth."""
    schedule = optax.cosine_decay_schedule(rate, epochs * updates, alpha=0.01)
    return GLE(Cost(loss=cross_entropy), optax.adam(schedule), closure=closure)


def _held(digits: Array, labels: Array) -> Sample:
    """Streams (time, batch, channels) of digits, each point held for some steps."""
    points = jnp.repeat(digits.T, POINT, axis=0)[..., None]
    target = jax.nn.one_hot(labels, 10, dtype=points.dtype)
    return Sample(points, jnp.broadcast_to(target, (*points.shape[:2], 10)))


@eqx.filter_jit
def _epoch(law: GLE, state: Any, digits: Array, labels: Array) -> tuple[Any, Array]:
    """One pass: the state after it and the share of labels predicted on the way."""
    moving, still = eqx.partition(state, eqx.is_array)

    def step(moving, sample):
        state, info = law.step(eqx.combine(moving, still), sample, jnp.float32(DT))
        return eqx.filter(state, eqx.is_array), jax.nn.log_softmax(info.output)

    def batch(moving, part):
        digits, labels = part
        moving, outputs = jax.lax.scan(step, moving, _held(digits, labels))
        return moving, jnp.mean(jnp.argmax(outputs.mean(0), axis=1) == labels)

    shape = (-1, BATCH)
    parts = digits.reshape(*shape, digits.shape[1]), labels.reshape(shape)
    moving, shares = jax.lax.scan(batch, moving, parts)
    return eqx.combine(moving, still), jnp.mean(shares)


@eqx.filter_jit
def _accuracy(law: GLE, inside: VoltageNetwork, digits: Array, labels: Array) -> Array:
    """Share of unseen labels right, by the mean log-probability over the digit."""
    rest = GLE(law.cost, optax.set_to_zero(), closure=law.closure)
    state = rest.init(Batch(inside, digits.shape[0]))
    moving, still = eqx.partition(state, eqx.is_array)

    def step(moving, sample):
        state, info = rest.step(eqx.combine(moving, still), sample, jnp.float32(DT))
        return eqx.filter(state, eqx.is_array), jax.nn.log_softmax(info.output)

    _, outputs = jax.lax.scan(step, moving, _held(digits, labels))
    return jnp.mean(jnp.argmax(outputs.mean(0), axis=1) == labels)


def train(
    out: Path,
    *,
    closure: AbstractClosure | None = None,
    epochs: int = 150,
    rate: float = 1e-3,
    number: int = 5000,
    seed: int = 0,
    name: str = "mnist1d",
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train, or go on training, and write `NAME.json` with one row an epoch.

    **Arguments:** `out`: directory of the checkpoint `NAME.eqx` and of the curve;
    `closure`: how errors are made causal, `Prospective` for GLE; `epochs`: in all;
    `rate`: Adam's at the start; `number`: of digits; `seed`: of weights and shuffling.

    **Returns:** the rows: epoch, train and test accuracy in percent, seconds.
    """
    _checks.at_least("epochs", epochs, 1)
    digits = mnist1d(number=number)
    updates = len(digits.train_labels) // BATCH * digits.train.shape[1] * POINT
    law = rule(closure or Prospective(), rate=rate, epochs=epochs, updates=updates)
    key_net, key_order = jax.random.split(jax.random.key(seed))
    state = law.init(Batch(network(key_net), BATCH))
    rows, saved = [], out / f"{name}.eqx"
    if saved.exists():
        rows = json.loads((out / f"{name}.json").read_text())["epochs"]
        state = eqx.tree_deserialise_leaves(saved, state)
    bar = tqdm(total=epochs, initial=len(rows), unit=" epochs", disable=not progress)
    for epoch in range(len(rows), epochs):
        start = time.perf_counter()
        order = np.asarray(
            jax.random.permutation(
                jax.random.fold_in(key_order, epoch), len(digits.train_labels)
            )
        )
        state, seen = _epoch(law, state, *_arrays(digits, order))
        inside = state.network.network
        right = _accuracy(law, inside, *_arrays(digits))
        rows.append(_row(epoch, seen, right, time.perf_counter() - start))
        _save(out, name, state, rows, epochs, rate, seed)
        bar.set_postfix(test=f"{rows[-1]['test']:.1f} %")
        bar.update()
    bar.close()
    return rows


def _arrays(digits: Digits, order: np.ndarray | None = None) -> tuple[Array, Array]:
    """Digits and labels, for training in the given order or for testing."""
    if order is None:
        return jnp.asarray(digits.test, jnp.float32), jnp.asarray(digits.test_labels)
    order = order[: len(order) // BATCH * BATCH]
    return (
        jnp.asarray(digits.train[order], jnp.float32),
        jnp.asarray(digits.train_labels[order]),
    )


def _row(epoch: int, seen: Any, right: Any, seconds: float) -> dict[str, float]:
    return {
        "epoch": epoch + 1,
        "train": round(100 * float(seen), 2),
        "test": round(100 * float(right), 2),
        "seconds": round(seconds, 2),
    }


def _save(out: Path, name: str, state: Any, rows: list, epochs, rate, seed) -> None:
    """Checkpoint and curve; the first is in place before the second names it."""
    out.mkdir(parents=True, exist_ok=True)
    fresh = out / f"{name}.new.eqx"
    eqx.tree_serialise_leaves(fresh, state)
    fresh.replace(out / f"{name}.eqx")
    settings = {"planned": epochs, "rate": rate, "seed": seed, "dtype": "float32"}
    text = json.dumps({**settings, "jax": jax.__version__, "epochs": rows}, indent=1)
    (out / f"{name}.json").write_text(text + "\n")
