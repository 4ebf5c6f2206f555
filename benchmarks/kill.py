"""Runs that are killed at random points, and end as if nothing had happened.

Six laws (an optimizer's moments, random keys, a window, a constrained motion, costates,
Kronecker factors) learn from arrays and from a generator, each in a process of its own.
The process is ended by SIGKILL, by SIGTERM, or by SIGKILL after its disk was full for a
while, at a random sample, and `resume` goes on in the next one. At the end of all,
state, records and losses are compared bit for bit with those of a process that nobody
disturbed.

The disk is a small one in memory, filled with ballast but for a random rest: writes
stop half way with ENOSPC. Where nothing may be mounted, which takes root, a limit on
the size of files does as well as it can (EFBIG); `disk` in the result says which.

    python -m benchmarks.kill --kills 50 --out benchmarks/results/kill.json

One process with `--run LAW SOURCE FOLDER LIMIT` is what is killed.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import _names

SAMPLES, CHUNK, EVERY = 12_000, 100, 700
DISK = 16_000_000  # bytes
LAWS = ("moments", "keys", "window", "constraints", "costates", "kronecker")
SOURCES = ("arrays", "generator")
WAYS = ("SIGKILL", "SIGTERM", "full disk")


def subject(name: str) -> tuple[Any, Any]:
    """A law and a network for it."""
    import jax
    import optax

    import hamlearn as hl
    from hamlearn.updates import Optax

    adam = Optax(optax.adam, learning_rate=1e-3)
    graph = hl.Digraph.complete(5, self_loops=True)
    layers = hl.Digraph.layered([2, 3, 1])
    law, graph = {
        "moments": (hl.RTRL(update=adam), graph),
        "keys": (hl.laws.UORO(update=adam), graph),
        "window": (hl.BPTT(window=30, overlap=7, update=adam), graph),
        "constraints": (hl.STLP(), layers),
        "costates": (hl.HamiltonianLearning(inertia=1.0, dissipation=3.0), graph),
        "kronecker": (hl.laws.KFRTRL(update=adam), graph),
    }[name]
    net = hl.RateNetwork(graph, inputs=1, outputs=1, key=jax.random.key(1))
    return law, net


def samples(source: str) -> Any:
    """A stream with its rates in time, which constraints ask for, as NumPy arrays."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import hamlearn as hl

    signal = hl.Signal(
        lambda t: jnp.cos(t)[None] + 0.1 * jnp.sin(7.3 * t + 1.0)[None],
        lambda t: 0.5 * jnp.sin(2 * t)[None] + 0.05 * jnp.cos(11.7 * t)[None],
    )
    whole = jax.tree.map(np.asarray, signal.jets(0.05 * np.arange(SAMPLES)))
    one = lambda k: jax.tree.map(lambda leaf: leaf[k], whole)
    return whole if source == "arrays" else map(one, range(SAMPLES))


def run(name: str, source: str, folder: Path | None, limit: int) -> None:
    """Begin, or go on; say after every chunk how far it is, then what came."""
    import jax
    import numpy as np

    jax.config.update("jax_enable_x64", True)
    import hamlearn as hl

    law, net = subject(name)
    options = {"dt": 0.05, "chunk": CHUNK, "record_every": 3, "progress": False}
    options |= {"key": jax.random.key(2), "callback": _tell}
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    if folder is None:
        result = hl.stream(law, net, samples(source), **options)
    elif any(folder.glob("state-*.ckpt")):
        result = hl.resume(folder, law, net, samples(source), every=EVERY, **options)
    else:
        saving = {"checkpoint": folder, "every": EVERY}
        result = hl.stream(law, net, samples(source), **options, **saving)
    found = hashlib.sha256(json.dumps(result.losses).encode())
    for leaf in [*jax.tree.leaves(result.state), *result.to_numpy().values()]:
        if isinstance(leaf, jax.Array | np.ndarray):
            typed = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            plain = np.asarray(jax.random.key_data(leaf) if typed else leaf)
            found.update(plain.tobytes())
    print("end", result.samples, found.hexdigest(), flush=True)


def _tell(state: Any, position: int) -> None:
    print("at", position, flush=True)
    time.sleep(0.001)


def launched(name: str, source: str, folder: Path | None, limit: int = 0) -> Any:
    """A process that runs."""
    where = "" if folder is None else str(folder)
    words = ["--run", name, source, where, str(limit)]
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.kill", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parent.parent,
        text=True,
    )


def finished(name: str, source: str, folder: Path | None) -> str:
    """What a process says at its end that is not disturbed."""
    with launched(name, source, folder) as child:
        return child.stdout.read().splitlines()[-1]


def killed(name: str, source: str, folder: Path, way: str, chance: random.Random):
    """One process, ended at a random sample: what happened."""
    before, limit = position(folder), 0
    records = folder / "records.bin"
    ballast, room = folder.parent / "ballast", chance.randrange(60_000)
    if way == "full disk" and folder.parent.is_mount():
        with ballast.open("wb") as file:
            file.write(bytes(shutil.disk_usage(folder.parent).free - 20_000 - room))
    elif way == "full disk":
        there = records.stat().st_size if records.exists() else 0
        limit = max(there, 20_000) + room
    aim = before + chance.randrange((SAMPLES - before) // 2)  # leaves some for others
    told = before
    with launched(name, source, folder, limit) as child:
        for line in child.stdout:
            word, number = line.split()[:2]
            told = int(number)
            if word == "end" or told >= aim:
                break
        time.sleep(chance.random() * 0.004)
        child.send_signal(signal.SIGTERM if way == "SIGTERM" else signal.SIGKILL)
        told = max([told, *(int(line.split()[1]) for line in child.stdout)])
        code = child.wait()
    ballast.unlink(missing_ok=True)
    row = {"law": name, "source": source, "way": way, "from": before}
    return row | {"killed_at": told, "saved_at": position(folder), "exit": code}


def position(folder: Path) -> int:
    """How far the last checkpoint is."""
    names = [file.stem[6:] for file in folder.glob("state-*.ckpt")]
    return max(map(int, names), default=0)


@contextlib.contextmanager
def disk() -> Iterator[Path]:
    """A small disk of its own, or a folder where none may be mounted."""
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place]
        mounted = os.geteuid() == 0 and subprocess.run(mount).returncode == 0
        try:
            yield Path(place)
        finally:
            if mounted:
                subprocess.run(["umount", place], check=True)


def disturbed(name: str, source: str, ways: Any, chance: random.Random, whole: str):
    """A run killed in all `ways` in turn: (what happened, does it end as `whole`)."""
    with disk() as place:
        folder = place / "run"
        rows = [killed(name, source, folder, way, chance) for way in ways]
        return rows, finished(name, source, folder) == whole


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--run", nargs=4)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--laws", type=lambda words: words.split(","), default=LAWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    if options.run:
        name, source, folder, limit = options.run
        warnings.simplefilter("ignore")  # of a full disk
        run(name, source, Path(folder) if folder else None, int(limit))
        return
    from ._record import environment

    chance = random.Random(options.seed)
    names = _names.chosen("--laws", options.laws, LAWS)
    pairs = [(name, source) for source in SOURCES for name in names]
    rows, ends, wholes = [], [], {}
    with disk() as place:
        kind = "tmpfs (ENOSPC)" if place.is_mount() else "limit on files (EFBIG)"
    for k, (name, source) in enumerate(pairs):
        share = options.kills // len(pairs) + (k < options.kills % len(pairs))
        if name not in wholes:
            wholes[name] = finished(name, source, None)
        ways = [WAYS[(k + i) % len(WAYS)] for i in range(share)]
        what, same = disturbed(name, source, ways, chance, wholes[name])
        rows += what
        ends.append({"law": name, "source": source, "kills": share, "same": same})
        print(ends[-1], flush=True)
        if options.out is not None:
            found = {"environment": environment(), "disk": kind}
            found |= {"ends": ends, "kills": rows}
            options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
