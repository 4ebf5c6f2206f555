"""`hamlearn track`: one signal, one small network, and what happened."""

import argparse
import dataclasses
import json
import sys
import tempfile
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
        help="copy a signal online with a small recurrent network",
        description="Copy a signal online with a fully connected network of a few "
        "neurons that learns by Hamiltonian learning, and draw what happened. A test "
        "of how fast the law moves weights, not of what it learns: a bias alone does "
        "as well (`hamlearn compare` shows learning). Numbers are in units of the "
        "sampling interval and of the signal's range. The exit status is 1 where the "
        "run diverged and 130 where it was interrupted; what was done is saved.",
    )
    add = command.add_argument
    signal = {"metavar": "NAME|FILE.csv|-", "dest": "target"}
    asked = (
        "heartbeat (a real ECG, the default), sine, patched, a CSV file with values or "
        "times and values, or - for standard input, a value per line as they come"
    )
    add(nargs="?", default=argparse.SUPPRESS, help=asked, **signal)
    add("--target", default="heartbeat", help="the same", **signal)
    shared.add_reading(add)
    add(
        "--policy",
        choices=POLICIES,
        default="flip",
        metavar="POLICY",
        help=f"how the costate is made causal: {', '.join(POLICIES)}; default flip "
        "(reversal needs --loss-weight 36)",
    )
    add(
        "--loss-weight",
        "--accuracy",
        type=float,
        metavar="Q",
        help="weight Q of the squared error (the accuracy of Betti and Gori), before "
        "it is divided by the network's own gain; default 121",
    )
    leak = "leak of the weights over q e^2; default 1"
    add("--weight-decay", type=float, metavar="KAPPA", help=leak)
    add("--inertia", type=float, metavar="R", help="cost of weight change; default 1")
    theta = "per interval; default om = sqrt(Q/R)"
    add("--dissipation", type=float, metavar="THETA", help=theta)
    speed = "1/tau, how fast neurons follow, per interval; default 3 om"
    add("--speed", type=float, metavar="C", help=speed)
    add("--neurons", type=int, metavar="N", help="default 5")
    step = "time step in the signal's unit; default a fortieth of its interval"
    add("--dt", type=float, help=step)
    add("--seed", type=int, help="of the initial weights; default 0")
    shared.add_save(add, "the network as it has become")
    shared.add_out(add, "one JSON object")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        done = _live(arguments) if arguments.target == "-" else _whole(arguments)
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    report = _report(arguments, done)
    shown = sys.stderr if arguments.json else sys.stdout
    print(_card(done.target, done.result, report), file=shown)
    for path in _save(arguments, done, report):
        print(f"wrote    {path}", file=shown)
    if arguments.json:
        print(json.dumps(report))
    if report["interrupted"]:
        return 130
    return 0 if done.result.diverged is None else 1


@dataclasses.dataclass(frozen=True)
class Done:
    """A run, and whether it came to its end."""

    target: "Tracking"
    result: "Result"
    settings: "Settings"
    interrupted: bool


def _whole(arguments: argparse.Namespace) -> Done:
    """A signal that is there as a whole."""
    from ..jobs.track import Settings, track

    target, given = _target(arguments), _given(arguments)
    policy = _policy(arguments.policy)
    with tempfile.TemporaryDirectory() as folder:
        result = track(target, policy=policy, checkpoint=folder, **given)
    settings = Settings.suited_to(target.steps, **given)
    short = result.diverged is None and result.samples < len(target.values)
    return Done(target, result, settings, short)


def _live(arguments: argparse.Namespace) -> Done:
    """Values from standard input, until it ends or Ctrl-C or SIGTERM comes."""
    from ..jobs.live import track_live
    from ..jobs.tracker import Settings
    from ..tasks import values_of

    if arguments.time is not None:
        wanted = "left out where values come as they are"
        raise ValueError(f"`--time` must be {wanted}, but is {arguments.time!r}.")
    steps = 40 if arguments.dt is None else _steps(arguments.dt)
    settings = Settings.suited_to(float(steps), **_given(arguments))
    reading = ("column", "delimiter", "decimal")
    chosen = {name: getattr(arguments, name) for name in reading}
    policy = _policy(arguments.policy)
    with shared.Lines(sys.stdin) as lines:
        target, result = track_live(
            values_of(lines, **chosen),
            steps=steps,
            settings=settings,
            policy=policy,
            name="input",
        )
    return Done(target, result, settings, lines.stopped)


def _steps(dt: float) -> int:
    """Steps per value, for a time step in units of the time between values."""
    if not 0 < dt <= 1:
        raise ValueError(f"`--dt` must be above 0 and at most 1, but is {dt}.")
    return round(1 / dt)


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings that were typed, None for the others."""
    from ..jobs.tracker import Settings

    names = [field.name for field in dataclasses.fields(Settings)]
    return {name: getattr(arguments, name) for name in names}


def _target(arguments: argparse.Namespace) -> "Tracking":
    from .. import tasks

    word, dt = arguments.target, arguments.dt
    step = {} if dt is None else {"dt": dt}
    made = {"sine": tasks.sine, "patched": tasks.patched}
    if word in made or word == "heartbeat":
        shared.without_file(arguments, "target")
    if word in made:
        return made[word](**step, interval=40 * (1e-3 if dt is None else dt))
    if word == "heartbeat":
        return tasks.heartbeat(seconds=60, **step)
    if not shared.is_file(word):
        shared.choice("--target", word, (*made, "heartbeat"), " or a .csv file")
    columns = () if arguments.column is None else (arguments.column,)
    return shared.recording(arguments, word, *columns).tracking(**step)


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


def _report(arguments: argparse.Namespace, done: Done) -> dict[str, Any]:
    """All that is known, for a machine."""
    import jax

    from ..run.tables import plain

    target, result = done.target, done.result
    report = {
        "target": target.name,
        "source": target.source,
        "unit": target.unit,
        "time_unit": target.time_unit,
        "policy": arguments.policy,
        **dataclasses.asdict(done.settings),
        "dt": target.dt,
        "offset": target.offset,
        "scale": target.scale,
        **target.errors(result.output),
        "ratios": [*map(float, target.ratios(result.output))],
        **result.stats,
        "held": target.held,
        "settled_from": len(target.values) // 6 * target.dt,
        "samples": result.samples,
        "us_per_step": result.us_per_sample,
        "seconds": result.seconds,
        "interrupted": done.interrupted,
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
    from ..run.tables import pace_text

    unit = f" {target.unit}" if target.unit else ""
    left_out = ("trivial", "samples", "loss", "law", "speed")
    held = f"; {target.held:,} more held over gaps, not scored" if target.held else ""
    card = [row for row in repr(result).splitlines() if not row.startswith(left_out)]
    end = result.samples * target.dt
    lines = [
        f"target   {target.name}: {target.source}",
        f"samples  {len(target.starts):,}, one in {target.interval:.4g} "
        f"{target.time_unit}, {target.steps:g} steps each; run to t = {end:.6g}{held}",
        f"law      {result.law.title}: q = {report['loss_weight']:.6g}/N, "
        f"r_w = {report['weight_decay']:g} q e^2, r = {report['inertia']:g}, theta = "
        f"{report['dissipation']:.6g}, c = {report['speed']:.6g} (per interval)",
        *card,
    ]
    if report["us_per_step"] is not None:
        pace = pace_text(report["us_per_step"] * target.steps)
        lines.append(f"speed    {pace}")
    if report["rmse"] is not None:
        since = f"RMSE from t = {report['settled_from']:.4g} on"
        guesses = (
            f"last value {report['rmse_last']:.4g}, mean {report['rmse_mean']:.4g}"
        )
        lines.append(f"settled  {since}: {report['rmse']:.4g}{unit} ({guesses})")
    tenths = [ratio for ratio in report["ratios"] if ratio is not None]
    if tenths:
        text = f"tenths of the run: {min(tenths):.3f} to {max(tenths):.3f}"
        lines.append(f"ratio    RMSE over that of the last value, {text}")
    lines.append(
        f"stable   own weight down to {report['own_weight']:.2f} (ends near -0.93), "
        f"step {report['step']:.2f} (ends at 2)"
    )
    if report["interrupted"]:
        lines.append("stopped  before the end of the signal; what was done is kept")
    return "\n".join(lines)


def _save(
    arguments: argparse.Namespace, done: Done, report: dict[str, Any]
) -> list[Path]:
    import numpy as np

    from .. import networks, plot
    from ..jobs import by_sample

    target, result = done.target, done.result
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / f"track-{target.name}"
    data, record = stem.with_suffix(".npz"), stem.with_suffix(".json")
    np.savez_compressed(data, **by_sample(target, result))  # pyright: ignore[reportArgumentType]
    record.write_text(json.dumps(report, indent=2) + "\n")
    draw = lambda: plot.tracked(target, result)
    paths = [*shared.picture(draw, stem.with_suffix(".png")), data, record]
    if arguments.save is None:
        return paths
    about = {"target": target.name, "offset": target.offset, "scale": target.scale}
    arguments.save.parent.mkdir(parents=True, exist_ok=True)
    return [*paths, networks.save(result.network, arguments.save, **about)]
