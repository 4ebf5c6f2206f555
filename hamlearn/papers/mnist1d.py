"""MNIST-1D learned online by GLE: a hundred streams of digits, an update every step.

    hamlearn reproduce mnist1d

trains the network of 14,956 parameters for 40 epochs of about 6 s each on an idle
machine of two cores (`quick`: a small part of it). A checkpoint is saved every epoch;
called again with the same directory it goes on from there.

Weights move 360 times while a digit passes, so that they follow whatever labels
happen to be frequent among the hundred digits at hand. Every hundred therefore holds
the classes as evenly as the data allow: with digits drawn at random, all else equal,
40 to 80 % of the test digits were found, up and down from epoch to epoch. The label
counts with a weight that rises and falls smoothly over a digit: errors look ahead by
differentiating, and six layers would amplify its jumps 47,000-fold. Test accuracy is
that of a running mean of the weights over some thirty hundreds.
"""

import json
import time
import warnings
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from tqdm import tqdm

import hamlearn as hl

from .. import _checks
from .._types import Array, Params, PyTree, Scalar
from ..plot import looks
from ._claim import Claim
from ._mnist1d_net import DT, STEPS, network
from ._save import save

STREAMS = 100
PUBLISHED = "91.7 +- 0.8 % after 150 epochs"


class Averaged(hl.updates.AbstractUpdate):
    """An update that keeps a running mean of the weights beside.

        mean <- mean + rate (w - mean)

    **Arguments:** `update`: what moves them; `rate`: in (0, 1).
    """

    update: hl.updates.AbstractUpdate
    rate: float = eqx.field(static=True)

    def start(self, w: Params) -> PyTree:
        return self.update.start(w), w

    def step(
        self, g: Params, w: Params, memory: PyTree, dt: Scalar, loss: Any = None
    ) -> tuple[Params, PyTree]:
        inside, mean = memory
        w, inside = self.update.step(g, w, inside, dt, loss)
        mean = jax.tree.map(lambda m, w: m + self.rate * (w - m), mean, w)
        return w, (inside, mean)


def run(out: Path, *, quick: bool = False) -> list[Claim]:
    """Train, draw the curve into `out` and check the accuracy it ends with."""
    rows = train(out, epochs=2 if quick else 40, number=1000 if quick else 5000)
    draw(out, rows)
    best = 8.0 if quick else 85.0
    reached = rows[-1]["test"]
    verdict = "holds" if reached >= best and not quick else "does not hold"
    return [
        Claim(
            "mnist1d test accuracy (%)", reached, best, None,
            f"{verdict} at {len(rows)} epochs; published {PUBLISHED}",
        )
    ]  # fmt: skip


def train(
    out: Path,
    *,
    epochs: int = 40,
    rate: float = 3e-4,
    number: int = 5000,
    seed: int = 0,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Train, or go on training, and write `mnist1d.json` with one row per epoch.

    **Arguments:** `out`: directory of the checkpoint `mnist1d.eqx` and of the curve;
    `epochs`: in all; `rate`: of Adam, falling to a hundredth of it as half a cosine;
    `number`: of digits, of which four fifths are for training; `seed`: of the weights.

    **Returns:** the rows: epoch, accuracy in percent on the way, of the present
    weights and of their running mean, and seconds.
    """
    _checks.at_least("epochs", epochs, 1)
    digits = hl.tasks.MNIST1D(number=number, points=STEPS).data()
    updates = epochs * STEPS * (len(digits.train) // STREAMS)
    optimizer = optax.adam(optax.cosine_decay_schedule(rate, updates, alpha=0.01))
    update = Averaged(hl.updates.as_update(optimizer), 1e-4)
    law = hl.GLE(hl.Cost(loss=hl.action.cross_entropy), update)
    with warnings.catch_warnings():
        # Six layers amplify jumps 47,000-fold, which the smooth attention is there for.
        warnings.simplefilter("ignore", hl.costates.StabilityWarning)
        state = law.init(hl.Batch(network(jax.random.key(seed)), STREAMS))
    rows = []
    if (out / "mnist1d.eqx").exists():
        rows = json.loads((out / "mnist1d.json").read_text())["epochs"]
        state = eqx.tree_deserialise_leaves(out / "mnist1d.eqx", state)
    rng = np.random.default_rng(seed)
    orders = [balanced(digits.train_labels, rng) for _ in range(epochs)]
    bar = tqdm(total=epochs, initial=len(rows), unit=" epochs", disable=not progress)
    for epoch in range(len(rows), epochs):
        start = time.perf_counter()
        state, seen = _epoch(law, state, *_streams(digits, orders[epoch]))
        averaged = eqx.tree_at(lambda s: s.w, state, state.update[1])
        right = [
            accuracy(law, each.network.network, digits) for each in (state, averaged)
        ]
        row = (epoch + 1, 100 * float(seen), 100 * right[0], 100 * right[1])
        names = ("epoch", "seen", "test_now", "test", "seconds")
        values = (*row, time.perf_counter() - start)
        rows.append({n: round(v, 2) for n, v in zip(names, values, strict=True)})
        _keep(out, state, rows, {"planned": epochs, "rate": rate, "seed": seed})
        bar.set_postfix(test=f"{rows[-1]['test']:.1f} %")
        bar.update()
    bar.close()
    return rows


def attention() -> Array:
    """How much the label counts at each step of a digit; of mean about 1."""
    phase = (jnp.arange(STEPS, dtype=jnp.float32) + 0.5) / STEPS
    return 2 * jnp.sin(jnp.pi * phase**2) ** 2


def balanced(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random order in which every class is spread evenly from first to last."""
    place = np.empty(len(labels))
    for label in np.unique(labels):
        mine = rng.permutation(np.flatnonzero(labels == label))
        place[mine] = (np.arange(len(mine)) + rng.random(len(mine))) / len(mine)
    return np.argsort(place)


def _streams(digits: Any, order: np.ndarray) -> tuple[Array, Array]:
    """Inputs and labels, each of (time, streams); stream k hears every 100th digit."""
    order = order[: len(order) // STREAMS * STREAMS].reshape(-1, STREAMS)
    x = digits.train[order].transpose(0, 2, 1).reshape(-1, STREAMS)
    labels = np.repeat(digits.train_labels[order], STEPS, axis=0)
    return jnp.asarray(x, jnp.float32), jnp.asarray(labels)


@eqx.filter_jit
def _epoch(
    law: hl.Law, state: hl.laws.State, x: Array, labels: Array
) -> tuple[hl.laws.State, Array]:
    """One pass over the streams, and the share of labels predicted at each moment."""
    weight = jnp.tile(attention(), len(x) // STEPS)[:, None]
    target = jax.nn.one_hot(labels, 10, dtype=x.dtype)
    samples = hl.Sample(x[:, :, None], target, jnp.broadcast_to(weight, labels.shape))
    right = lambda state, sample, info: _right(info.output, sample.target)
    state, seen = hl.scan(law, state, samples, DT, right)
    return state, jnp.mean(seen)


def accuracy(law: hl.Law, network: hl.VoltageNetwork, digits: Any) -> float:
    """Share of test digits found from rest, by their log-probabilities' sum in time."""
    idle = hl.updates.Optax(optax.set_to_zero)
    rest = hl.GLE(law.cost, idle, closure=hl.costates.Unfiltered())
    state = rest.init(hl.Batch(network, len(digits.test)))
    x = jnp.asarray(digits.test.T[:, :, None], jnp.float32)
    target = jax.nn.one_hot(digits.test_labels, 10, dtype=x.dtype)
    return float(_found(rest, state, x, target))


@eqx.filter_jit
def _found(law: hl.Law, state: hl.laws.State, x: Array, target: Array) -> Array:
    samples = x, jnp.broadcast_to(target, (len(x), *target.shape))
    believed = lambda state, sample, info: jax.nn.log_softmax(info.output)
    _, log_p = hl.scan(law, state, samples, DT, believed)
    return _right(jnp.sum(log_p, axis=0), target)


def _right(output: Array, target: Array) -> Array:
    """The share of rows whose largest entry is at the label."""
    return jnp.mean(jnp.argmax(output, axis=1) == jnp.argmax(target, axis=1))


def _keep(
    out: Path, state: hl.laws.State, rows: list, settings: dict[str, Any]
) -> None:
    """Checkpoint and curve; the first is in place before the second names it."""
    out.mkdir(parents=True, exist_ok=True)
    fresh = out / "mnist1d.new.eqx"
    eqx.tree_serialise_leaves(fresh, state)
    fresh.replace(out / "mnist1d.eqx")
    settings = {**settings, "dtype": "float32", "jax": jax.__version__}
    text = json.dumps({**settings, "published": PUBLISHED, "epochs": rows}, indent=1)
    (out / "mnist1d.json").write_text(text + "\n")


def draw(out: Path, rows: list[dict[str, Any]]) -> None:
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    axis.axhspan(90.9, 92.5, color="0.85", label="published, 150 epochs")
    axis.axhline(65.0, color="0.5", ls=":", label="published, perceptron")
    gle = looks(["GLE"])["GLE"].colour
    kinds = {"test_now": ("weights", 0.4), "test": ("mean weights", 1.0)}
    for name, (label, alpha) in kinds.items():
        values = [row[name] for row in rows]
        axis.plot(epochs, values, color=gle, alpha=alpha, label=label)
    axis.set(xlabel="epoch", ylabel="test accuracy (%)", ylim=(0, 100))
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    save(figure, out / "mnist1d.png")
