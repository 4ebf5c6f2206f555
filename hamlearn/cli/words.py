"""Tasks from what a user has typed."""

import argparse
from typing import TYPE_CHECKING, Any

from . import shared

if TYPE_CHECKING:
    from ..tasks import AbstractTask, Units


#: Options that say what of a file a network has learned.
ASKED = ("column", "columns", "cost")


def add_columns(add: Any) -> None:
    """What of a file is heard, and what is asked."""
    add(
        "--columns",
        metavar="IN,IN:OUT",
        help="columns of a file: inputs and targets, in place of a forecast",
    )
    add(
        "--cost",
        choices=("squared-error", "cross-entropy"),
        help="default squared-error; cross-entropy: the target column holds labels 0, "
        "1, ...",
    )


def task_of(arguments: argparse.Namespace) -> "AbstractTask":
    """The task that is named, or made of a file."""
    from .. import tasks

    known = tasks.comparable()
    if arguments.lags is not None or arguments.task in known:
        shared.without_file(arguments, "task", "columns", "cost")
    if arguments.lags is not None:
        return _lagged(arguments)
    if arguments.task in known:
        return known[arguments.task]()
    if not shared.is_file(arguments.task):
        shared.choice("--task", arguments.task, known, " or a .csv file")
    return task_of_file(arguments, arguments.task)


def task_of_file(
    arguments: argparse.Namespace,
    path: str,
    *,
    units: "Units | None" = None,
    classes: int | None = None,
) -> "AbstractTask":
    """Columns of a file to forecast, or to tell from others."""
    from .. import tasks

    if arguments.columns is not None:
        if arguments.column is not None:
            wanted = "left out where `--columns` are given"
            raise ValueError(f"`--column` must be {wanted}, but is {arguments.column}.")
        return _paired(arguments, path, units, classes)
    if arguments.cost not in (None, "squared-error"):
        wanted = "`--cost` must be squared-error where no `--columns` are given"
        raise ValueError(f"{wanted}, but is {arguments.cost}.")
    columns = () if arguments.column is None else (arguments.column,)
    recording = shared.recording(arguments, path, *columns)
    return tasks.Forecast(recording, units=units)


def _paired(
    arguments: argparse.Namespace,
    path: str,
    units: "Units | None",
    classes: int | None,
) -> "AbstractTask":
    """Inputs and targets, by columns of a file."""
    heard, _, asked = arguments.columns.rpartition(":")
    inputs, targets = heard.split(","), asked.split(",")
    if not heard or not asked:
        wanted = "inputs and targets, such as wind,sun:power"
        raise ValueError(f"`--columns` must be {wanted}, but is {arguments.columns}.")
    recording = shared.recording(arguments, path, *inputs, *targets)
    labels = arguments.cost == "cross-entropy"
    return recording.paired(
        inputs=len(inputs),
        labels=labels,
        classes=classes if labels else None,
        units=units,
    )


def _lagged(arguments: argparse.Namespace) -> "AbstractTask":
    """A task that remembers, with lags of the user's."""
    from .. import tasks

    made = {
        "add": (2, lambda *lags: tasks.Add(lags)),
        "cue": (1, lambda lag: tasks.DelayedCue(lag, probability=8 / max(8, lag))),
        "flag": (1, lambda lag: tasks.Flag(lag, 3, 0)),
        "match": (1, tasks.MatchToSample),
        "trace": (1, tasks.TraceConditioning),
    }
    shared.choice("--task", arguments.task, made, " with --lags")
    count, make = made[arguments.task]
    words = arguments.lags.split(",")
    if len(words) != count or not all(word.isdigit() for word in words):
        wanted = f"{count} whole numbers" if count > 1 else "a whole number"
        wanted = f"`--lags` must be {wanted} for {arguments.task}"
        raise ValueError(f"{wanted}, but is {arguments.lags}.")
    return make(*map(int, words))
