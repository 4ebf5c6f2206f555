"""`hamlearn track`: one signal, one small network, and what happened."""

import argparse
import dataclasses
import json
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import shared

if TYPE_CHECKING:
    from ..jobs.track import Settings
    from ..mechanics.causal import AbstractPolicy
    from ..run.result import Result
    from ..tasks import Tracking

POLICIES = (
    "flip", "h-sign", "smooth", "hysteresis", "reversal", "box", "reset", "none",
)  # fmt: skip


def add_arguments(commands: Any) -> None:
    command = commands.add_parser(
        "track",
        help="track a signal online with a small recurrent network",
        description="Track a signal online with a fully connected network of a few "
        "neurons that learns by Hamiltonian learning, and draw what happened. Numbers "
        "are in the time unit of the signal; what is not given is chosen to suit it. "
        "The exit status is 1 where the run diverged.",
    )
    add = command.add_argument
    add(
        "--target",
        default="heartbeat",
        metavar="NAME|FILE.csv",
        help="heartbeat (a real ECG, the default), sine, patched, or a CSV file with "
        "values or times and values",
    )
    shared.add_reading(add)
    add(
        "--policy",
        choices=POLICIES,
        default="flip",
        help="how the costate is made causal",
    )
    add(
        "--loss-weight",
        "--accuracy",
        type=float,
        metavar="Q",
        help="weight of the squared error (the accuracy of Betti and Gori)",
    )
    add("--weight-decay", type=float, metavar="RW", help="default 1")
    add("--inertia", type=float, metavar="R", help="cost of weight change; default 0.1")
    add("--dissipation", type=float, metavar="THETA", help="in 1/time")
    add("--speed", type=float, metavar="C", help="1/tau, how fast neurons follow")
    add("--neurons", type=int, metavar="N", help="default 5")
    add("--dt", type=float, help="time step")
    add("--seed", type=int, help="of the initial weights; default 0")
    shared.add_out(add, "one JSON object")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from ..jobs.track import Settings, track

    target = _target(arguments)
    names = [field.name for field in dataclasses.fields(Settings)]
    given = {name: getattr(arguments, name) for name in names}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result = track(target, policy=_policy(arguments.policy), **given)
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    settings = Settings.suited_to(target, **given)
    report = _report(arguments, target, settings, result)
    shown = sys.stderr if arguments.json else sys.stdout
    print(_card(target, result, report), file=shown)
    for path in _save(arguments.out, target, result, report):
        print(f"wrote    {path}", file=shown)
    if arguments.json:
        print(json.dumps(report))
    return 0 if result.diverged is None else 1


def _target(arguments: argparse.Namespace) -> "Tracking":
    from .. import tasks

    made = {"sine": tasks.sine, "patched": tasks.patched, "heartbeat": tasks.heartbeat}
    step = {} if arguments.dt is None else {"dt": arguments.dt}
    if arguments.target in made:
        return made[arguments.target](**step)
    if not shared.is_file(arguments.target):
        shared.choice("--target", arguments.target, made, " or a .csv file")
    columns = () if arguments.column is None else (arguments.column,)
    return shared.recording(arguments, arguments.target, *columns).tracking(**step)


def _policy(word: str) -> "AbstractPolicy":
    from .. import costates

    made = {
        "flip": costates.SignFlip,
        "h-sign": costates.HamiltonianSign,
        "smooth": costates.SmoothSign,
        "hysteresis": costates.HysteresisSign,
        "reversal": costates.TimeReversal,
        "box": lambda: costates.CostateBox(10.0),
        "reset": lambda: costates.CostateReset(10.0),
        "none": costates.NoFlip,
    }
    return made[word]()


def _report(
    arguments: argparse.Namespace,
    target: "Tracking",
    settings: "Settings",
    result: "Result",
) -> dict[str, Any]:
    """All that is known, for a machine."""
    import jax

    from ..run.tables import plain

    report = {
        "target": target.name,
        "source": target.source,
        "unit": target.unit,
        "time_unit": target.time_unit,
        "policy": arguments.policy,
        **dataclasses.asdict(settings),
        "dt": target.dt,
        "offset": target.offset,
        "scale": target.scale,
        **target.errors(result.output),
        "settled_from": len(target.values) // 6 * target.dt,
        "samples": result.samples,
        "us_per_sample": result.us_per_sample,
        "seconds": result.seconds,
        "diverged": result.diverged is not None,
        "divergence": None if result.diverged is None else str(result.diverged),
        "losses": result.losses,
        "state_bytes": result.state_bytes,
        "dtype": str(result.state.x.dtype),
        "device": str(jax.devices()[0].device_kind),
        "versions": shared.versions(),
    }
    return plain(report)


def _card(target: "Tracking", result: "Result", report: dict[str, Any]) -> str:
    unit = f" {target.unit}" if target.unit else ""
    card = [row for row in repr(result).splitlines() if not row.startswith("trivial")]
    lines = [f"target   {target.name}: {target.source}", *card]
    if report["rmse"] is not None:
        since = f"RMSE from t = {report['settled_from']:.4g} on"
        trivial = ", ".join(
            f"{name} {report[f'rmse_{name}']:.4g}" for name in ("zero", "mean", "last")
        )
        figures = f"{report['rmse']:.4g}{unit} (predicting {trivial})"
        lines.append(f"settled  {since}: {figures}")
    return "\n".join(lines)


def _save(
    out: Path, target: "Tracking", result: "Result", report: dict[str, Any]
) -> list[Path]:
    import numpy as np

    from .. import plot

    out.mkdir(parents=True, exist_ok=True)
    stem = out / f"track-{target.name}"
    arrays = result.to_numpy()
    arrays["target"] = target.values[: len(result.times)]
    arrays["output"] = target.unscaled(result.output)
    data, record = stem.with_suffix(".npz"), stem.with_suffix(".json")
    np.savez_compressed(data, **arrays)  # pyright: ignore[reportArgumentType]
    record.write_text(json.dumps(report, indent=2) + "\n")
    draw = lambda: plot.tracked(target, result)
    return [*shared.picture(draw, stem.with_suffix(".png")), data, record]
