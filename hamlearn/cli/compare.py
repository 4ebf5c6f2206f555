"""`hamlearn compare`: laws side by side on one stream."""

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .. import tasks
from ..jobs.compare import compare
from ..jobs.comparison import Comparison
from ..jobs.contenders import USUAL, contenders


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "compare",
        help="compare learning laws on a stream, online",
        description="Learn a stream, by default one to forecast one sample ahead, with "
        "a small network under several learning laws, each with a step size chosen on "
        "the first half, and compare them on the second: loss before each sample "
        "teaches, agreement of the update with the exact gradient, time and memory.",
    )
    add = command.add_argument
    add(
        "--task",
        default="heartbeat",
        metavar="NAME|FILE.csv",
        help="heartbeat (a real ECG, the default), mackey-glass or lorenz (forecasts), "
        "teacher (a network to mimic), add (bits to remember), or a CSV file with "
        "values or times and values, to forecast",
    )
    add("--column", help="value column of a CSV file, by name or number")
    add(
        "--rules",
        default=",".join(USUAL),
        metavar="A,B,...",
        help=f"of {', '.join(contenders())}; default %(default)s",
    )
    add("--neurons", type=int, default=16, metavar="N", help="default 16")
    add("--seeds", type=int, default=5, metavar="N", help="default 5")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="default ./out")
    add("--json", action="store_true", help="one JSON object a law, nothing else")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    known, names = contenders(), arguments.rules.split(",")
    for name in names:
        if name not in known:
            wanted = f"names of {', '.join(known)}"
            raise ValueError(f"`--rules` must be {wanted}, but is {name!r}.")
    found = compare(
        _task(arguments),
        {name: known[name] for name in names},
        neurons=arguments.neurons,
        seeds=arguments.seeds,
    )
    shown = sys.stderr if arguments.json else sys.stdout
    print(found, file=shown)
    for path in _save(arguments.out, found):
        print(f"wrote {path}", file=shown)
    if arguments.json:
        print(found.to_json())
    return 0


def _task(arguments: argparse.Namespace) -> tasks.AbstractPaired:
    known = tasks.comparable()
    if arguments.task in known:
        return known[arguments.task]()
    if not arguments.task.endswith(".csv"):
        wanted = f"{', '.join(known)} or a .csv file"
        raise ValueError(f"`--task` must be {wanted}, but is {arguments.task!r}.")
    series = tasks.from_csv(arguments.task, column=arguments.column)
    return tasks.forecast(series)


def _save(out: Path, found: Comparison) -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"compare-{found.task.name}"
    record = stem.with_suffix(".json")
    record.write_text(json.dumps(_record(found), indent=1) + "\n")
    try:
        from .. import plot
    except ImportError:
        print(
            'No picture without matplotlib: pip install "hamlearn[plot]".',
            file=sys.stderr,
        )
        return [record]
    picture = stem.with_suffix(".png")
    plot.comparison(found).savefig(picture, dpi=150)
    return [picture, record]


def _record(found: Comparison) -> dict[str, Any]:
    names = (
        "losses",
        "cosine_recurrent",
        "us_spread",
        "step_size",
        "tuning",
        "weights",
        "note",
    )
    entries = [
        row
        | {name: _finite(getattr(entry, name)) for name in names}
        | {"runs_diverged": entry.diverged, "curve": entry.curve.tolist()}
        for row, entry in zip(found.rows(), found.entries, strict=True)
    ]
    task = found.task
    about: dict[str, Any] = {"name": task.name, "samples": task.length}
    about |= {"asks": task.describe(), "source": task.source}
    return {
        "task": about,
        "floors": found.floors,
        "neurons": found.neurons,
        "seeds": found.seeds,
        "seconds": found.seconds,
        "device": str(jax.devices()[0].device_kind),
        "dtype": str(jax.numpy.zeros(()).dtype),
        "versions": {name: version(name) for name in ("hamlearn", "jax", "jaxlib")}
        | {"python": platform.python_version()},
        "rules": entries,
    }


def _finite(value: Any) -> Any:
    """Numbers in any nest, None where they are not finite."""
    if isinstance(value, dict):
        return {str(name): _finite(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
