"""All measurements in one command.

    python -m benchmarks [PART ...] [--quick] [--device cpu|gpu] [--laws A,B]
                         [--sizes N,M] [--only PART,PART] [--out DIR]

    python -m benchmarks stlp-bptt-rtrl     # one of them

`--sizes` are neurons; edges for `sparse`, samples for `length`. Each part writes one
JSON file to the folder; `python -m benchmarks.report` makes a page of them.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from . import _names, _one_core

QUICK = {"neurons": (32, 128), "samples": (100, 10_000), "edges": (1000, 10_000)}
#: Laws of a quick run, where most of the time goes into compiling.
FEW = ("flip", "gle", "rflo", "snap1", "bptt", "rtrl")
FEWER = ("flip", "rflo", "bptt", "bptt-sqrt")
THREE = ("stlp", "hamiltonian", "gle", "hops", "bptt", "rtrl")
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
    takes = _takes(options)
    for name in options.only:
        print(f"== {name}", flush=True)
        options.takes = takes[name]
        if options.laws is not None and not options.takes:
            print(f"has none of {', '.join(options.laws)}")
            continue
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
    add("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them")
    add("--quick", action="store_true", help="small sizes, few repeats")
    add("--device", choices=("cpu", "gpu"), default="cpu")
    add("--laws", type=listed, default=None, help="names, separated by commas")
    add("--sizes", type=lambda text: tuple(map(int, text.split(","))), default=None)
    add("--only", type=listed, default=[], help="the same, separated by commas")
    add("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    asked = [*options.parts, *options.only]
    options.only = _names.chosen("--only", asked or None, PARTS)
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


def _takes(options: argparse.Namespace) -> dict[str, list[str]]:
    """The laws asked for that each part knows; by default all.

    A law that none of the parts knows ends the program.
    """
    known = {name: list(KNOWN[name]()) for name in options.only}
    if options.laws is None:
        return known
    same = lambda part, asked, name: (
        name.lower().startswith(asked.lower()) if part == "audit" else name == asked
    )
    takes = {
        part: [n for n in names if any(same(part, law, n) for law in options.laws)]
        for part, names in known.items()
    }
    found = lambda law: any(
        same(part, law, name) for part, names in takes.items() for name in names
    )
    unknown = [law for law in options.laws if not found(law)]
    if unknown:
        every = dict.fromkeys(name for names in known.values() for name in names)
        _names.refuse("--laws", unknown, every)
    return takes


def _laws(options: argparse.Namespace, quick: tuple[str, ...] = ()) -> list[str]:
    """The laws of a part, or those of a quick run."""
    few = options.quick and options.laws is None and quick
    return [name for name in options.takes if not few or name in quick]


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


def _three(options):
    from . import three

    sizes = (8, 32) if options.quick else (8, 32, 128, 512, 2048, 4096)
    return three.measure(
        options.sizes or sizes, _laws(options, THREE), quick=options.quick,
        repeats=3 if options.quick else 5, say=options.say,
    )  # fmt: skip


def _cost(options):
    from . import cost

    names = _laws(options, FEW)
    rows, growth = cost.measure(
        _sizes(options, "neurons"), names, repeats=options.repeats, say=options.say
    )
    print("exponents of n:", growth)
    return rows, {"exponents": growth}


def _length(options):
    from . import length

    names = _laws(options, FEWER)
    rows, growth = length.measure(_sizes(options, "samples"), names, say=options.say)
    print("exponents of T:", growth)
    return rows, {"exponents": growth}


def _sparse(options):
    from . import sparse

    names = _laws(options, FEW)
    rows, growth = sparse.measure(
        _sizes(options, "edges"), names, repeats=options.repeats, say=options.say
    )
    print("exponents of edges:", growth)
    return rows, {"exponents": growth}


def _batch(options):
    from . import batch

    sizes = (32,) if options.quick else (64, 256)
    batches = (1, 16) if options.quick else (1, 16, 256)
    names = _laws(options)
    rows = batch.timed(sizes, batches, names, repeats=options.repeats, say=options.say)
    sizes = (32,) if options.quick else (32, 512)
    windows = (100, 10_000) if options.quick else (100, 10_000, 1_000_000)
    memory = batch.memory(sizes, batches, windows, names, say=options.say)
    return rows, {"memory": memory}


def _quality(options):
    from . import quality

    names = ["heartbeat"] if options.quick else quality.TASKS
    neurons, seeds = (8, 3) if options.quick else (16, 5)
    laws = _laws(options, ("rflo", "snap1", "frozen", "bptt"))
    found = quality.measure(
        laws, neurons=neurons, seeds=seeds, tasks=names, say=options.say
    )
    return found, {}


def _roofline(options):
    from . import roofline

    sizes = [min(max(_sizes(options, "neurons")), 4096)]
    device, rows = roofline.measure(
        sizes,
        _laws(options),
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

    n = 128 if options.quick else 512
    names = _laws(options, FEWER)
    rows = precision.measure(n, names, repeats=options.repeats, say=options.say)
    return rows, {"dtype": "bfloat16"}


def _audit(options):
    from . import audit

    return audit.measure(options.takes, quick=options.quick, say=options.say), {}


def _of(module: str, name: str) -> Callable[[], Any]:
    """The laws of a part, once JAX may be imported."""
    return lambda: getattr(import_module(f".{module}", __package__), name)


def _subjects():
    from ._subjects import subjects

    return subjects()


def _contenders():
    from hamlearn.jobs.contenders import contenders

    return contenders()


def _audited():
    from hamlearn.analysis.laws import audited_laws

    return audited_laws()


PARTS: dict[str, Callable[[argparse.Namespace], tuple[Any, dict[str, Any]]]] = {
    "stlp-bptt-rtrl": _three,
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
KNOWN: dict[str, Callable[[], Any]] = {
    "stlp-bptt-rtrl": _of("_three", "RULES"),
    "cost": _subjects,
    "length": _subjects,
    "sparse": _of("sparse", "LAWS"),
    "batch": _of("batch", "NAMES"),
    "roofline": _of("roofline", "LAWS"),
    "quality": _contenders,
    "peers": tuple,
    "precision": _subjects,
    "audit": _audited,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
