"""`hamlearn evaluate`: a network that was saved, on another file, as it is."""

import argparse
import json
import sys
import warnings
from typing import Any

from . import shared, words


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "evaluate",
        help="ask a saved network about another file, without learning",
        description="Let a network that `hamlearn compare --task FILE --save NET.npz` "
        "has saved answer another file, from rest and with its weights held. Columns "
        "are those of its own file, and their units, unless others are named.",
    )
    add = command.add_argument
    add("network", metavar="NET.npz", help="what `--save` wrote; open only your own")
    add("file", metavar="FILE.csv", help="with the same columns")
    shared.add_reading(add)
    words.add_columns(add)
    shared.add_out(add, "one JSON object")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ..jobs.contenders import contenders
    from ..jobs.evaluate import evaluate
    from ..jobs.predictions import write_csv
    from ..networks.saved import read
    from ..tasks import Units

    network, about = read(arguments.network)
    known = contenders()
    if about.get("law") not in known or about.get("units") is None:
        wanted = "a network that `compare --task FILE --save` wrote"
        got = f"{arguments.network}, of {about.get('target', 'no file')}"
        if "target" in about:
            got += "; a network that tracks hears nothing, and says one value when held"
        raise ValueError(f"`NET.npz` must be {wanted}, but is {got}.")
    for name in words.ASKED:
        if getattr(arguments, name) is None:
            setattr(arguments, name, about[name])
    units = Units(*map(tuple, about["units"]))
    task = words.task_of_file(
        arguments, arguments.file, units=units, classes=about["outputs"]
    )
    with warnings.catch_warnings(record=True):  # what diverged is in the report
        warnings.simplefilter("always")
        found = evaluate(network, task, known[about["law"]])
    shown = sys.stderr if arguments.json else sys.stdout
    print(f"network  {arguments.network}, taught by {about['law']}", file=shown)
    print(found, file=shown)
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / f"evaluate-{task.name}"
    report = {"network": arguments.network, "law": about["law"], **found.row()}
    record = stem.with_suffix(".json")
    text = json.dumps(report | {"versions": shared.versions()}, indent=1)
    record.write_text(text + "\n")
    for path in (write_csv(stem.with_suffix(".csv"), found.predictions()), record):
        print(f"wrote    {path}", file=shown)
    if arguments.json:
        print(json.dumps(report))
    return 0 if found.diverged is None else 1
