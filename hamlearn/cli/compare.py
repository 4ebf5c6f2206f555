"""`hamlearn compare`: laws side by side on one stream."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import shared

if TYPE_CHECKING:
    from ..jobs.comparison import Comparison
    from ..tasks import AbstractTask

LAWS = (
    "flip, gle, le, stlp, bptt, rtrl, snap1, rflo, eprop, instantaneous, frozen; uoro "
    "and kfrtrl too"
)
TASKS = (
    "heartbeat (a real ECG, the default), mackey-glass or lorenz (forecasts), teacher "
    "(a network to mimic), add (bits to remember)"
)


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "compare",
        help="compare learning laws on a stream, online",
        description="Learn a stream, by default one to forecast one sample ahead, with "
        "a small network under several learning laws, each with a step size chosen on "
        "a stream of its own, and compare them: loss before each sample teaches, "
        "agreement of the update with the exact gradient, time and memory.",
    )
    add = command.add_argument
    add(
        "--task",
        default="heartbeat",
        metavar="NAME|FILE.csv",
        help=f"{TASKS}, or a CSV file with values or times and values, to forecast",
    )
    shared.add_reading(add)
    add("--laws", metavar="A,B,...", help=f"by default {LAWS}")
    add("--neurons", type=int, default=16, metavar="N", help="default 16")
    add("--seeds", type=int, default=5, metavar="N", help="default 5")
    shared.add_out(add, "one JSON object per law")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ..jobs.compare import compare
    from ..jobs.contenders import USUAL, contenders

    known = contenders()
    names = USUAL if arguments.laws is None else arguments.laws.split(",")
    for name in names:
        shared.choice("--laws", name, known)
    found = compare(
        _task(arguments),
        {name: known[name] for name in names},
        neurons=arguments.neurons,
        seeds=arguments.seeds,
    )
    shown = sys.stderr if arguments.json else sys.stdout
    print(found.text(max(shared.width(), 100)), file=shown)
    for path in _save(arguments.out, found):
        print(f"wrote {path}", file=shown)
    if arguments.json:
        print(found.to_json())
    return 0


def _task(arguments: argparse.Namespace) -> "AbstractTask":
    from .. import tasks

    known = tasks.comparable()
    if arguments.task in known:
        return known[arguments.task]()
    if not shared.is_file(arguments.task):
        shared.choice("--task", arguments.task, known, " or a .csv file")
    columns = () if arguments.column is None else (arguments.column,)
    return tasks.Forecast(shared.recording(arguments, arguments.task, *columns))


def _save(out: Path, found: "Comparison") -> list[Path]:
    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"compare-{found.task.name}"
    record = stem.with_suffix(".json")
    record.write_text(json.dumps(_record(found), indent=1) + "\n")
    return [*shared.picture(found.plot, stem.with_suffix(".png")), record]


def _record(found: "Comparison") -> dict[str, Any]:
    """All that is known, for a machine."""
    import jax

    from ..run.tables import plain

    names = (
        "losses", "scores", "cosine_recurrent", "us_spread", "step_size", "tuning",
        "weights", "note",
    )  # fmt: skip
    laws = [
        row
        | {name: plain(getattr(entry, name)) for name in names}
        | {"runs_diverged": entry.diverged, "curve": entry.curve.tolist()}
        for row, entry in zip(found.rows(), found.entries, strict=True)
    ]
    task = found.task
    return {
        "task": {
            "name": task.name,
            "asks": task.describe(),
            "source": task.source,
            "loss": task.loss.__name__,
            "metric": task.metric_name,
        },
        "floors": found.floors,
        "neurons": found.neurons,
        "seeds": found.seeds,
        "tuned_on": found.tuned_on,
        "scored_on": found.scored_on,
        "seconds": found.seconds,
        "device": str(jax.devices()[0].device_kind),
        "dtype": str(jax.numpy.zeros(()).dtype),
        "versions": shared.versions(),
        "laws": laws,
    }
