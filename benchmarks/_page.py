"""The page of the report: a section for each record that is there."""

import json
from pathlib import Path

import numpy as np

from . import _answers, _figures, _sections, _sections_laws, _sections_options
from ._tables import Record, table


def read(folder: Path, device: str) -> dict[str, Record]:
    """Records by the name of their part.

    Where the quality was not measured, records of `hamlearn compare` stand for it.
    Ratios to plain JAX (`law_cost`) are of a CPU, and the programs for a GPU
    (`gpu_program`) are shown where none was timed. The folder `joined` holds runs
    with the option of XLA on the installation page.
    """
    ending = f"-{device}.json"
    paths = sorted(folder.glob(f"*{ending}"))
    found = {p.name.removesuffix(ending): json.loads(p.read_text()) for p in paths}
    compared = [
        json.loads(p.read_text()) for p in sorted(folder.glob("compare-*.json"))
    ]
    if compared and "quality" not in found:
        found["quality"] = _as_quality(compared)
    for name, script in (("plain", "law_cost"), ("program", "gpu_program")):
        path = folder / f"{script}.json"
        if path.exists() and device == "cpu":
            found[name] = {"quick": False, **json.loads(path.read_text())}
    for path in sorted((folder / "joined").glob(f"*{ending}")):
        name = f"{path.name.removesuffix(ending)} joined"
        found[name] = json.loads(path.read_text())
    return found


def _as_quality(compared: list[Record]) -> Record:
    """The rows of `hamlearn compare`, as `benchmarks.quality` writes them."""
    rows = []
    for record in compared:
        shared = {
            "task": record["task"]["name"],
            "samples": record["task"]["samples"],
            "neurons": record["neurons"],
            "floors": record["floors"],
        }
        for row in record["laws"]:
            curve = np.asarray(row["curve"])
            middle = np.median(curve, axis=0).tolist() if curve.size else []
            own = {"diverged": row["runs_diverged"], "median_curve": middle}
            rows.append(shared | row | own)
    first = compared[0]
    about = {name: first[name] for name in ("device", "versions")}
    about |= {"cores": "", "commit": ""}
    return {"environment": about, "quick": False, "rows": rows}


def page(records: dict[str, Record], results: Path, figures: Path, device: str) -> str:
    """All sections, in Markdown; figures are written to a folder beside the page."""
    sections = (
        ("door", _sections_laws.door),
        ("cost", _sections.cost),
        ("length", _sections.length),
        ("sparse", _sections.sparse),
        ("batch", _sections.batch),
        ("quality", lambda made: _sections.quality(made, records.get("audit"))),
        ("roofline", _sections.roofline),
        ("program", _sections_laws.program),
        ("cost joined", lambda _: _sections_options.joined(records)),
        ("plain", lambda record: _sections_laws.plain(record["rows"])),
        ("peers", _sections.peers),
        ("precision", _sections_laws.precision),
        ("audit", _sections_laws.audit),
    )
    text = [
        f"# Benchmark on {device.upper()}",
        _where(records),
        *_answers.answers(records, results),
    ]
    for name, write in sections:
        if name not in records:
            text += [f"## {name.capitalize()}", "Not run."]
            continue
        text += write(records[name])
        if name in _figures.FIGURES:
            path = figures / f"benchmark-{name}-{device}.png"
            figures.mkdir(exist_ok=True)
            _figures.FIGURES[name](records[name]).savefig(path, dpi=130)
            text += [f"![{_figures.ALT[name]}]({figures.name}/{path.name})"]
    return "\n\n".join(text) + "\n"


def _where(records: dict[str, Record]) -> str:
    if not records:
        return "No records: run `python -m benchmarks` first."
    rows = []
    for name, record in records.items():
        e = record["environment"]
        versions = ", ".join(
            f"{k} {v}" for k, v in e["versions"].items() if k.startswith("jax")
        )
        kind = "quick" if record.get("quick") else "full"
        kind = "cut short" if record.get("unfinished") else kind
        command = f"`{e.get('command', '')}`"
        rows.append((name, e["device"], versions, e["commit"], command, kind))
    head = ("part", "device", "versions", "commit", "command", "run")
    about = (
        "float32. Times are medians (middle half in brackets) of compiled, warmed and "
        "blocked calls, run in turn; ratios are taken round by round, so that load "
        "on the machine falls on both sides. On a CPU everything runs on one core and "
        "time is that of the processor; on a GPU it is that of the wall, after a wait "
        "for the device. Except for the door, all was measured at version 0.1, where "
        "the rows `bptt` and `bptt-sqrt` time the gradient of a stream, now "
        "`hl.exact_gradient`, not the law."
    )
    return about + "\n\n" + table(head, rows)
