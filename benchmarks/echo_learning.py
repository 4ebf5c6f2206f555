"""Echo and BPTT teach the same oscillators: digits pixel by pixel, spoken vowels.

    python -m benchmarks.echo_learning [digits vowels] [--vowels FOLDER] [--epochs 30]

One layer of 64 oscillators with log cosh wells, a readout with one hidden layer, an
update per batch of 16 sequences, Adam at a fixed rate chosen for neither law; three
seeds, each the same network and the same order of sequences for both laws; float32.
Digits are scikit-learn's 8 x 8, one pixel a sample: 1437 to learn, 360 held out.
Japanese vowels (270 and 370 utterances of nine speakers, 12 channels, 7 to 29 samples;
Kudo, Toyama, Shimbo 1999) are read from `JapaneseVowels_TRAIN.ts` and `_TEST.ts` in a
folder of yours, or from the `aeon` package where that is installed.
"""

import argparse
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.laws import Echo
from hamlearn.networks import HamiltonianNetwork, LogCosh

from ._record import spread, write

COST = hl.Cost(loss=hl.action.cross_entropy)
NEURONS, BATCH, RATE, DT = 64, 16, 3e-3, 0.5


class Sequences(NamedTuple):
    """Padded in front, so that each is asked at its last sample."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def digits() -> Sequences:
    """One pixel a sample, and a 1 beside the last."""
    data = hl.tasks.DigitRows().data()
    flat = lambda x: x.reshape(len(x), -1, 1)
    return Sequences(
        flat(data.train), data.train_labels, flat(data.test), data.test_labels
    )


def vowels(folder: Path | None) -> Sequences:
    """Cepstral coefficients, each channel standardised by the utterances to learn."""
    if folder is None:
        found = find_spec("aeon")
        if found is None or found.origin is None:
            raise SystemExit("no vowels: give --vowels FOLDER, or install aeon")
        folder = Path(found.origin).parent / "datasets" / "data" / "JapaneseVowels"
    parts = []
    for name in ("TRAIN", "TEST"):
        x, labels = [], []
        lines = (folder / f"JapaneseVowels_{name}.ts").read_text().splitlines()
        start = [line.strip().lower() for line in lines].index("@data")
        for line in lines[start + 1 :]:
            *channels, label = line.split(":")
            rows = [np.array(c.split(","), float) for c in channels]
            x.append(np.stack(rows, axis=1)[~np.isnan(rows[0])])
            labels.append(int(label) - 1)
        parts.append((x, np.array(labels)))
    every = np.concatenate(parts[0][0])
    mean, size = every.mean(0), every.std(0)
    longest = max(len(x) for part, _ in parts for x in part)
    pad = lambda x: np.pad((x - mean) / size, ((longest - len(x), 0), (0, 0)))
    train, test = (np.stack([pad(x) for x in part]) for part, _ in parts)
    return Sequences(train, parts[0][1], test, parts[1][1])


def network(key: Any, inputs: int, outputs: int) -> HamiltonianNetwork:
    """Frequencies over a decade and a half, and a readout of the positions."""
    a, b, c = jax.random.split(key, 3)
    stiffness = jnp.exp(jax.random.uniform(a, (NEURONS,), minval=-5.0, maxval=0.5))
    return HamiltonianNetwork(
        LogCosh(stiffness, gain=0.1), neurons=NEURONS, inputs=inputs, key=b,
        readout=eqx.nn.MLP(NEURONS, outputs, NEURONS, 1, jnp.tanh, key=c),
    )  # fmt: skip


def streams(data: Sequences, epochs: int, seed: int) -> hl.Sample:
    """Batches one after the other, in a new order every epoch."""
    rng, count = np.random.default_rng(seed), len(data.train)
    whole = count - count % BATCH
    order = [rng.permutation(count)[:whole] for _ in range(epochs)]
    order = np.concatenate(order).reshape(-1, BATCH)
    length = data.train.shape[1]
    u = np.moveaxis(data.train[order], 2, 1).reshape(-1, BATCH, data.train.shape[2])
    classes = data.train_labels.max() + 1
    y = np.eye(classes)[data.train_labels[order]]
    y = np.repeat(y, length, axis=0)
    asked = (np.arange(len(u)) % length == length - 1).astype(float)
    weight = np.broadcast_to(asked[:, None], (len(u), BATCH))
    start = np.arange(len(u)) % length == 0
    return hl.Sample(u, y, weight=weight, start=start)


@eqx.filter_jit
def answers(network: Any, u: Any) -> Any:
    """The class that each sequence is taken for."""

    def one(u):
        step = lambda x, u: (network.transition(x, u, DT), None)
        x, _ = jax.lax.scan(step, network.initial_state(), u[:-1])
        return jnp.argmax(network.readout(x, u[-1]))

    return jax.vmap(one)(u)


def taught(law: Any, data: Sequences, epochs: int, seed: int) -> dict[str, Any]:
    """What a law makes of the network of a seed."""
    classes = int(data.train_labels.max()) + 1
    net = network(jax.random.key(seed), data.train.shape[2], classes)
    samples = streams(data, epochs, seed)
    began = time.perf_counter()
    result = hl.stream(law, hl.Batch(net, BATCH), samples, dt=DT, progress=False)
    seconds = time.perf_counter() - began
    learned = result.network.network
    right = np.asarray(answers(learned, jnp.asarray(data.test, jnp.float32)))
    asked = np.asarray(result.loss).reshape(-1, data.train.shape[1])[:, -1]
    found = {
        "accuracy": float(np.mean(right == data.test_labels)),
        "loss": float(asked[-len(asked) // 10 :].mean()),
        "seconds": seconds,
    }
    if "retrace" in result.info:
        found["retrace"] = float(np.max(result.info["retrace"]))
    return found


def main() -> None:
    """Write results/echo_learning.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=["digits", "vowels"])
    parser.add_argument("--vowels", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    rows = []
    for name in given.tasks:
        data = digits() if name == "digits" else vowels(given.vowels)
        window, update = data.train.shape[1], hl.updates.Optax(
            optax.adam, learning_rate=RATE
        )  # fmt: skip
        for law in (
            Echo(COST, update, window=window),
            hl.BPTT(COST, update, window=window),
        ):
            runs = [taught(law, data, given.epochs, k) for k in range(given.seeds)]
            row: dict[str, Any] = {
                "task": name, "law": law.title, "window": window,
                "updates": given.epochs * (len(data.train) // BATCH),
                "accuracy": spread([run["accuracy"] for run in runs]),
                "runs": runs,
            }  # fmt: skip
            rows.append(row)
            each = "  ".join(f"{run['accuracy']:.4f}" for run in runs)
            print(f"{name:8} {law.title:6} {each}", flush=True)
        write("echo_learning", rows, dtype="float32", epochs=given.epochs)


if __name__ == "__main__":
    main()
