"""All measurements in one command.

    python -m benchmarks [--quick] [--device cpu|gpu] [--laws A,B] [--sizes N,M]
                         [--only cost,length] [--out DIR]

`--sizes` are neurons; edges for `--only sparse`, samples for `--only length`. Each
part writes one JSON file to the folder; `python -m benchmarks.report` makes a
page of them.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import _one_core

QUICK = {"neurons": (32, 128), "samples": (100, 10_000), "edges": (1000, 10_000)}
#: Laws of a quick run, where most of the time goes into compiling.
FEW = ("flip", "gle", "rflo", "snap1", "bptt", "rtrl")
FEWER = ("flip", "rflo", "bptt", "bptt-sqrt")
FULL = {
    "neurons": (32, 128, 512, 1024, 2048, 4096),
    "samples": (100, 10_000, 1_000_000),
    "edges": (1000, 10_000, 100_000, 1_000_000, 10_000_000),
}


def main() -> None:
    options = _options()
    _require(options.device)
    from . import _record

    _record.RESULTS = options.out
    for name in options.only:
        print(f"== {name}", flush=True)
        began = time.perf_counter()
        options.say = _Kept(f"{name}-{options.device}", options.quick)
        rows, more = PARTS[name](options)
        if rows:
            more = {"quick": options.quick, "dtype": "float32", **more}
            more["seconds"] = round(time.perf_counter() - began)
            path = _record.write(f"{name}-{options.device}", rows, **more)
            print(f"wrote {path} after {more['seconds']} s", flush=True)


class _Kept:
    """Prints every row and keeps those so far, for a run that is cut short."""

    def __init__(self, name: str, quick: bool):
        self.name, self.quick, self.rows = name, quick, []

    def __call__(self, row: dict[str, Any]) -> None:
        from . import _record

        _say(row)
        self.rows.append(row)
        about = {"quick": self.quick, "dtype": "float32", "unfinished": True}
        _record.write(self.name, self.rows, exponents={}, **about)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    listed = lambda text: text.split(",")
    add = parser.add_argument
    add("--quick", action="store_true", help="small sizes, few repeats")
    add("--device", choices=("cpu", "gpu"), default="cpu")
    add("--laws", type=listed, default=None, help="names, separated by commas")
    add("--sizes", type=lambda text: tuple(map(int, text.split(","))), default=None)
    add("--only", type=listed, default=list(PARTS), help=f"of {', '.join(PARTS)}")
    add("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    unknown = set(options.only) - set(PARTS)
    if unknown:
        parser.error(f"--only takes {', '.join(PARTS)}, not {', '.join(unknown)}")
    options.grid = QUICK if options.quick else FULL
    options.repeats = 7
    return options


def _require(device: str) -> None:
    """Run on this kind of device, or say that there is none."""
    if device == "cpu":
        _one_core.settle()
    import jax

    # Where a device would round float32 products to fewer bits, it is asked not to.
    jax.config.update("jax_default_matmul_precision", "highest")
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    elif jax.default_backend() != "gpu":
        found = ", ".join(d.device_kind for d in jax.devices())
        sys.exit(
            f"No GPU that JAX can use; it finds: {found}. Install `jax[cuda12]` (see "
            "the installation page), or run with `--device cpu`."
        )


def _names(
    options: argparse.Namespace, known: Any, quick: tuple[str, ...] = ()
) -> list[str]:
    """The laws asked for that a part knows; by default all, or those of a quick run."""
    asked = options.laws
    if asked is None and options.quick and quick:
        asked = quick
    return [name for name in known if asked is None or name in asked]


def _sizes(options: argparse.Namespace, kind: str) -> tuple[int, ...]:
    return options.sizes or options.grid[kind]


def _say(row: dict[str, Any]) -> None:
    shown = []
    for name, value in row.items():
        if isinstance(value, dict) and "median" in value:
            value = value["median"]
        if isinstance(value, float):
            value = f"{value:.4g}"
        if isinstance(value, str | int):
            shown.append(f"{name}={value}")
    print("  ".join(shown), flush=True)


def _cost(options):
    from . import cost
    from ._subjects import subjects

    names = _names(options, subjects(), FEW)
    rows, growth = cost.measure(
        _sizes(options, "neurons"), names, repeats=options.repeats, say=options.say
    )
    print("exponents of n:", growth)
    return rows, {"exponents": growth}


def _length(options):
    from . import length
    from ._subjects import subjects

    names = _names(options, subjects(), FEWER)
    rows, growth = length.measure(_sizes(options, "samples"), names, say=options.say)
    print("exponents of T:", growth)
    return rows, {"exponents": growth}


def _sparse(options):
    from . import sparse

    names = _names(options, sparse.LAWS, FEW)
    rows, growth = sparse.measure(
        _sizes(options, "edges"), names, repeats=options.repeats, say=options.say
    )
    print("exponents of edges:", growth)
    return rows, {"exponents": growth}


def _batch(options):
    from . import batch

    sizes = (32,) if options.quick else (64, 256)
    batches = (1, 16) if options.quick else (1, 16, 256)
    rows = batch.timed(sizes, batches, repeats=options.repeats, say=options.say)
    sizes = (32,) if options.quick else (32, 512)
    windows = (100, 10_000) if options.quick else (100, 10_000, 1_000_000)
    return rows, {"memory": batch.memory(sizes, batches, windows, say=options.say)}


def _quality(options):
    from hamlearn.jobs.contenders import contenders

    from . import quality

    names = ["heartbeat"] if options.quick else quality.TASKS
    neurons, seeds = (8, 3) if options.quick else (16, 5)
    laws = _names(options, contenders(), ("rflo", "snap1", "frozen", "bptt"))
    found = quality.measure(
        laws, neurons=neurons, seeds=seeds, tasks=names, say=options.say
    )
    return found, {}


def _roofline(options):
    from . import roofline

    sizes = [min(max(_sizes(options, "neurons")), 4096)]
    device, rows = roofline.measure(
        sizes,
        _names(options, roofline.PASSES),
        repeats=options.repeats,
        quick=options.quick,
        say=options.say,
    )
    return rows, {"rates": device}


def _peers(options):
    from . import peers

    sizes = [n for n in _sizes(options, "neurons") if n <= 512]
    rows = peers.measure(sizes, repeats=options.repeats, say=options.say)
    return rows, {"peers": peers.versions()}


def _precision(options):
    from . import precision
    from ._subjects import subjects

    n = 128 if options.quick else 512
    names = _names(options, subjects(), FEWER)
    rows = precision.measure(n, names, repeats=options.repeats, say=options.say)
    return rows, {"dtype": "bfloat16"}


def _audit(options):
    from . import audit

    return audit.measure(options.laws, quick=options.quick, say=options.say), {}


PARTS: dict[str, Callable[[argparse.Namespace], tuple[Any, dict[str, Any]]]] = {
    "cost": _cost,
    "length": _length,
    "sparse": _sparse,
    "batch": _batch,
    "roofline": _roofline,
    "quality": _quality,
    "peers": _peers,
    "precision": _precision,
    "audit": _audit,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
