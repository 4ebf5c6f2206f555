"""The page of the report: findings, pictures, a section per record, provenance."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from . import (
    _figures,
    _findings,
    _sections,
    _sections_laws,
    _sections_learning,
    _sections_options,
    _sections_three,
)
from ._tables import Record, table

#: Results of one script each, by the name of the part; all of them are of a CPU.
SINGLE = {
    "cue": "memory_cue.json",
    "stack": "memory_stack.json",
    "spiking": "memory_spiking.json",
    "memory cost": "memory_cost.json",
    "hops": "hops.json",
    "add": "add_task_6_10.jsonl",
    "gap": "two_point_gap.jsonl",
    "echo": "echo.json",
    "kill": "kill.json",
    "plain": "law_cost.json",
    "program": "gpu_program.json",
}

#: Parts in the order of the page: its title, and what writes it.
SECTIONS: dict[str, tuple[str, Callable[[Record], list[str]]]] = {
    "stlp-bptt-rtrl": ("STLP, BPTT and RTRL", _sections_three.three),
    "quality": ("Laws by tasks", _sections_learning.quality),
    "cue": ("Memory among distractors", _sections_learning.cue),
    "stack": ("A gate before the memory", _sections_learning.stack),
    "spiking": ("Spiking neurons", _sections_learning.spiking),
    "memory cost": (
        "What credit through memories costs",
        _sections_learning.memory_cost,
    ),
    "hops": ("Slow networks", _sections_learning.hops),
    "add": ("Credit over many steps", _sections_learning.add),
    "gap": ("The sign flip beside the optimum", _sections_learning.gap),
    "cost": ("What locality costs", _sections.cost),
    "length": ("Memory against the length of the stream", _sections.length),
    "batch": ("From where on checkpointed BPTT wins", _sections.batch),
    "sparse": ("Sparse graphs", _sections.sparse),
    "door": ("The door", _sections_laws.door),
    "plain": ("Beside plain JAX", _sections_laws.plain),
    "peers": ("Peers", _sections.peers),
    "cost joined": ("What one option of XLA changes", _sections_options.joined),
    "peers joined": ("The same option beside peers", _sections_options.peers),
    "roofline": ("Against the device", _sections.roofline),
    "program": ("What a GPU would run", _sections_laws.program),
    "precision": ("Half precision", _sections_laws.precision),
    "echo": ("A window played back", _sections_learning.echo),
    "track": ("Tracking", _sections_learning.track),
    "kill": ("Killed and resumed", _sections_laws.kill),
    "audit": ("Locality, measured", _sections_laws.audit),
}

FINDINGS: dict[str, Callable[[Record], str]] = {
    "stlp-bptt-rtrl": _sections_three.finding,
    "quality": _findings.quality,
    "cue": _findings.cue,
    "hops": _findings.hops,
    "cost": _findings.cost,
}

#: Pictures that stand beside the findings; the others stand in their sections.
FIRST = ("stlp-bptt-rtrl", "cost", "length")


def read(folder: Path, device: str) -> dict[str, Record]:
    """Records by the name of their part.

    The folder `joined` holds runs with the option of XLA on the installation page;
    its records hold those without it beside them, as `without`.
    """
    ending = f"-{device}.json"
    found = {
        path.name.removesuffix(ending): json.loads(path.read_text())
        for path in sorted(folder.glob(f"*{ending}"))
    }
    for name, file in SINGLE.items() if device == "cpu" else ():
        path = folder / file
        if path.exists():
            found[name] = _loaded(path)
    for path in sorted((folder / "joined").glob(f"*{ending}")):
        name = path.name.removesuffix(ending)
        if name in found:
            joined = json.loads(path.read_text())
            found[f"{name} joined"] = joined | {"without": found[name]["rows"]}
    return found


def _loaded(path: Path) -> Record:
    """One record; a line per row, of the older scripts, says nothing of its run."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {"environment": {}, "rows": rows}


def page(records: dict[str, Record], device: str) -> str:
    """All of it, in Markdown."""
    there = {name: made for name, made in SECTIONS.items() if name in records}
    text = [f"# Benchmarks on {device.upper()}"]
    found = [
        f"- {say(records[name])} [{there[name][0]}](#{slug(there[name][0])})"
        for name, say in FINDINGS.items()
        if name in there
    ]
    text.append("\n".join(found))
    for name in FIRST:
        text += _pictures(name, device) if name in records else []
    if "cue" in records:
        text.append("![Right answers of laws on tasks with memory](figures/memory.png)")
    for name, (title, write) in there.items():
        text += [f"## {title}", *_older(records[name]), *write(records[name])]
        text += [] if name in FIRST else _pictures(name, device)
    return "\n\n".join([*text, *_provenance(records)]) + "\n"


def draw(records: dict[str, Record], figures: Path, device: str) -> None:
    """The pictures of the page, but those that other scripts draw."""
    figures.mkdir(exist_ok=True)
    for name, pictures in _figures.PICTURES.items():
        for picture in pictures if name in records else ():
            path = figures / _file(name, picture, device)
            picture.draw(records[name]).savefig(path, dpi=130)


def _file(name: str, picture: _figures.Picture, device: str) -> str:
    return f"benchmark-{name}{picture.ending}-{device}.png"


def _pictures(name: str, device: str) -> list[str]:
    return [
        f"![{picture.alt}](figures/{_file(name, picture, device)})"
        for picture in _figures.PICTURES.get(name, ())
    ]


def slug(title: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w-]", "", title.lower().replace(" ", "-"))


def _older(record: Record) -> list[str]:
    """A line on results that are not of this version, or do not say of which."""
    version = record["environment"].get("versions", {}).get("hamlearn")
    if version is None:
        return ["*Which version this was measured at is not recorded.*"]
    return [f"*Measured at version {version}.*"] if version.startswith("0.1.") else []


def _provenance(records: dict[str, Record]) -> list[str]:
    rows = []
    for name in [n for n in SECTIONS if n in records]:
        record = records[name]
        e = record["environment"]
        versions = e.get("versions", {})
        commands = e.get("command", [])
        commands = [commands] if isinstance(commands, str) else commands
        title = SECTIONS[name][0]
        rows.append(
            (
                f"[{title}](#{slug(title)})",
                *[versions.get(k, "-") for k in ("hamlearn", "jax", "equinox")],
                e.get("commit", "-"),
                e.get("device", "-"),
                record.get("dtype", "-"),
                "; ".join(f"`{command}`" for command in commands) or "-",
                _run(record),
            )
        )
    head = (
        "section", "hamlearn", "jax", "equinox", "commit", "device", "numbers",
        "command", "run",
    )  # fmt: skip
    return [
        "## Where the numbers come from",
        "`python -m benchmarks.report` writes this page from `benchmarks/results`. "
        "Times are medians (middle half in brackets) of compiled, warmed and blocked "
        "calls, run in turn; ratios are taken round by round, so that load on the "
        "machine falls on both sides. On a CPU everything timed so runs on one core "
        "and time is that of the processor; on a GPU it is that of the wall, after a "
        "wait for the device.",
        table(head, rows),
    ]


def _run(record: Record) -> str:
    """Whether all of it was measured."""
    if record.get("unfinished"):
        return "cut short"
    return "quick" if record.get("quick") else "full" if record["environment"] else "-"
