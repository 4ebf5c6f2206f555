"""`hamlearn compare`: laws side by side on one stream."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import shared, words

if TYPE_CHECKING:
    from ..jobs.comparison import Comparison, Entry

LAWS = (
    "flip, gle, le, stlp, bptt, rtrl, snap1, rflo, eprop, instantaneous, diagonal, "
    "frozen, immediate; hops, stack, at-once, uoro and kfrtrl too"
)
TASKS = (
    "heartbeat (a real ECG), mackey-glass or lorenz (forecasts), teacher or chain (a "
    "recurrent network or slow layers to mimic), add, cue, flag, match or trace (what "
    "to remember)"
)
#: What the map has no use for: options of one task.
OF_A_TASK = (
    "laws", "columns", "cost", "column", "time", "delimiter", "decimal", "lags", "most",
    "optimizer", "neurons", "save",
)  # fmt: skip


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
        metavar="NAME|FILE.csv",
        help=f"{TASKS}, or a CSV file with values or times and values, to forecast; "
        "without it, a map of laws on tasks of which it is known who should win",
    )
    shared.add_reading(add)
    words.add_columns(add)
    lags = "of add (two, default 4,6), or of cue, flag, match, trace (one)"
    add("--lags", metavar="K,...", help=lags)
    add("--most", type=int, metavar="N", help="samples used, from the first")
    add(
        "--laws",
        metavar="A,B,...",
        help=f"by default {LAWS}; frozen and immediate, the controls, always run",
    )
    add(
        "--optimizer",
        choices=("sgd", "adam", "rmsprop"),
        help="of laws without inertia; default sgd",
    )
    add("--neurons", type=int, metavar="N", help="default 16")
    add("--seeds", type=int, metavar="N", help="default 5, of the map 3")
    tune = "of the map: find the step sizes anew, some four minutes on two cores"
    add("--tune", action="store_true", help=tune)
    shared.add_save(add, "the network of the law with the least loss")
    shared.add_out(add, "one JSON object per law")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return _map(arguments) if arguments.task is None else _one(arguments)


def _map(arguments: argparse.Namespace) -> int:
    """The map of laws on several tasks."""
    from ..jobs.landscape import landscape

    for name in OF_A_TASK:
        if getattr(arguments, name) is not None:
            wanted = f"`--task` must be given where `--{name}` is"
            raise ValueError(f"{wanted}, but is not.")
    seeds = 3 if arguments.seeds is None else arguments.seeds
    if arguments.tune:
        said = "four minutes on two cores, or so; Ctrl-C keeps what is found by then"
        print(said, file=sys.stderr, flush=True)
    found = landscape(seeds=seeds, tune=arguments.tune)
    shown = sys.stderr if arguments.json else sys.stdout
    print(found.text(max(shared.width(), 100)), file=shown)
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / "compare-map"
    record = stem.with_suffix(".json")
    text = {"spots": found.rows(), "floors": found.floors, "seconds": found.seconds}
    text |= {"tuned": found.tuned, "not_reached": found.missing}
    text |= {"versions": shared.versions()}
    record.write_text(json.dumps(text, indent=1) + "\n")
    for path in [*shared.picture(found.plot, stem.with_suffix(".png")), record]:
        print(f"wrote {path}", file=shown)
    if arguments.json:
        print(found.to_json())
    if found.missing:
        return 130
    return 1 if any(spot.diverged for spot in found.spots.values()) else 0


def _one(arguments: argparse.Namespace) -> int:
    """Laws on one task."""
    from ..jobs.compare import compare
    from ..jobs.contenders import USUAL, adam, contenders, descent, rmsprop

    if arguments.tune:
        raise ValueError("`--tune` must be of the map, without `--task`, but is given.")
    updates = {None: descent, "sgd": descent, "adam": adam, "rmsprop": rmsprop}
    known = contenders(updates[arguments.optimizer])
    names = USUAL if arguments.laws is None else arguments.laws.split(",")
    for name in names:
        shared.choice("--laws", name, known)
    controls = [name for name in known if known[name].control]
    names = [*names, *(name for name in controls if name not in names)]
    task = words.task_of(arguments)
    found = compare(
        task,
        {name: known[name] for name in names},
        neurons=16 if arguments.neurons is None else arguments.neurons,
        seeds=5 if arguments.seeds is None else arguments.seeds,
        most=arguments.most,
    )
    shown = sys.stderr if arguments.json else sys.stdout
    print(found.text(max(shared.width(), 100)), file=shown)
    for path in _save(arguments, found):
        print(f"wrote {path}", file=shown)
    if arguments.json:
        print(found.to_json())
    if found.missing:
        return 130
    return 1 if any(entry.diverged for entry in found.entries) else 0


def _save(arguments: argparse.Namespace, found: "Comparison") -> list[Path]:
    from ..jobs.predictions import write_csv

    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / f"compare-{found.task.name}"
    record = stem.with_suffix(".json")
    record.write_text(json.dumps(_record(found), indent=1) + "\n")
    said = write_csv(stem.with_suffix(".csv"), found.predictions())
    paths = [*shared.picture(found.plot, stem.with_suffix(".png")), said, record]
    if arguments.save is None:
        return paths
    laws = [entry for entry in found.ranked() if not entry.control]
    return [*paths, _network(arguments, found, (laws or found.ranked())[0])]


def _network(
    arguments: argparse.Namespace, found: "Comparison", entry: "Entry"
) -> Path:
    """What the law with the least loss has taught, and what it was asked."""
    from .. import networks

    task = found.task
    about = {"law": entry.law, "outputs": task.outputs}
    about |= {name: getattr(arguments, name) for name in words.ASKED}
    units = getattr(task, "units", None)
    arguments.save.parent.mkdir(parents=True, exist_ok=True)
    return networks.save(entry.best, arguments.save, units=units, **about)


def _record(found: "Comparison") -> dict[str, Any]:
    """All that is known, for a machine."""
    import jax

    from ..run.tables import plain

    names = (
        "losses", "held", "scores", "cosine_recurrent", "us_spread", "step_size",
        "tuning", "weights", "note",
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
        "not_reached": found.missing,
        "device": str(jax.devices()[0].device_kind),
        "dtype": str(jax.numpy.zeros(()).dtype),
        "versions": shared.versions(),
        "laws": laws,
    }
