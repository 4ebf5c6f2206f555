"""Run the recipes, the API's examples and one's own parts, in one process, as a reader.

python -m tests.recipes [--write] [NAME ...]

Each page's blocks of Python run in order, in one namespace and an empty folder. What a
block prints is compared with the output shown under it: words to the letter, numbers to
one unit of the last digit shown or a tenth, because rounding differs from machine to
machine and learning carries it on. `--write` puts what was printed into the pages.
"""

import argparse
import contextlib
import importlib.util
import io
import os
import re
import runpy
import sys
import tempfile
import time
import traceback
import types
from pathlib import Path

import numpy as np

DOCS = Path(__file__).parents[1] / "docs"
OWN = DOCS / "your_own.md"
PAGES = sorted([*DOCS.glob("recipes/*.md"), *DOCS.glob("api/*.md"), OWN])
BLOCK = re.compile(
    r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?", re.DOTALL
)
#: A script of the examples, parts of which are shown, and what it prints.
SCRIPT = re.compile(
    r"\(`(?P<script>examples/\w+\.py)`\)(?:(?!^## ).)*?```text\n(?P<output>.*?)```",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")


def unit(number: str) -> float:
    """Of its last digit: .01 of 0.25, 100 of 3e2."""
    digits, _, power = number.partition("e")
    return 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def near(printed: str, shown: str) -> bool:
    """Whether two numbers are one, but for rounding."""
    a, b = float(printed), float(shown)
    return abs(a - b) <= max(1.001 * unit(shown), 0.1 * abs(b))


def same(printed: str, shown: str) -> bool:
    """Whether two outputs say the same."""
    words = [NUMBER.sub("#", text).split() for text in (printed, shown)]
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=False)
    return words[0] == words[1] and all(near(a, b) for a, b in pairs)


class Writer:
    """The calls of tensorboardX that a page makes, and nothing behind them."""

    def __init__(self, logdir: str):
        self.heard: list[tuple[str, int]] = []

    def add_histogram(self, tag: str, values: np.ndarray, global_step: int) -> None:
        self.heard.append((tag, global_step))

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        self.heard.append((tag, global_step))

    def close(self) -> None:
        assert self.heard


class Wandb:
    """The same for wandb."""

    def __init__(self, project: str, mode: str):
        self.heard: list[int] = []

    def log(self, data: dict[str, float], step: int) -> None:
        assert all(isinstance(value, float) for value in data.values())
        self.heard.append(step)

    def finish(self) -> None:
        assert self.heard == sorted(self.heard) != []


def stand_in() -> None:
    """Modules for the page on logging, where they are not installed."""
    known = {"tensorboardX": {"SummaryWriter": Writer}, "wandb": {"init": Wandb}}
    for name, names in known.items():
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(names)


def run(path: Path) -> tuple[str, list[str]]:
    """(the page with what was printed, what differs from what it shows)."""
    names: dict[str, object] = {"__name__": path.stem}
    text, wrong, made, end = path.read_text(), [], "", 0
    for block in BLOCK.finditer(text):
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard):
            exec(compile(block["code"], str(path), "exec"), names)
        printed, shown = heard.getvalue(), block["output"] or ""
        if not same(printed, shown):
            wrong.append(
                f"{path.relative_to(DOCS)} shows\n{shown}but printed\n{printed}"
            )
        made += text[end : block.start()] + f"```python\n{block['code']}```\n"
        made += f"\n```text\n{printed}```\n" if printed else ""
        end = block.end()
    return made + text[end:], wrong


def scripts(path: Path) -> tuple[str, list[str]]:
    """The same of a page that shows parts of scripts."""
    text, wrong, made, end = path.read_text(), [], "", 0
    for found in SCRIPT.finditer(text):
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard):
            runpy.run_path(str(DOCS.parent / found["script"]), run_name="__main__")
        printed = heard.getvalue()
        if not same(printed, found["output"]):
            wrong.append(f"{found['script']} printed\n{printed}")
        made += text[end : found.start("output")] + printed
        end = found.end("output")
    return made + text[end:], wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.recipes")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    # The page on devices wants two of them; JAX makes them before anything runs.
    import jax

    jax.config.update("jax_num_cpu_devices", 2)
    stand_in()
    failed = []
    for path in PAGES:
        if options.names and path.stem not in options.names:
            continue
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            try:
                text, wrong = scripts(path) if path == OWN else run(path)
            except Exception:
                text, wrong = path.read_text(), [f"{path}: {traceback.format_exc()}"]
        if options.write:
            path.write_text(text)
        failed += wrong
        print(
            f"{path.relative_to(DOCS)}: {time.process_time() - began:.1f} s", flush=True
        )
    print("\n".join(failed), file=sys.stderr)
    return 1 if failed and not options.write else 0


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.exit(main())
