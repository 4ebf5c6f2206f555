"""What the texts promise exists: names, files, limits of length."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import hamlearn as hl
from hamlearn import analysis, plot, tasks

ROOT = Path(__file__).parents[1]
TEXTS = sorted(
    [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
)
ROOMS = {"hl": hl, "analysis": analysis, "plot": plot, "tasks": tasks}


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_names_in_texts_exist(path):
    missing = []
    for chain in re.findall(
        r"\b((?:hl|plot|tasks|analysis)(?:\.\w+)+)\(", path.read_text()
    ):
        room, *names = chain.split(".")
        thing = ROOMS[room]
        for name in names:
            if not name.startswith(
                tuple("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
            ):
                break
            if not hasattr(thing, name):
                missing.append(chain)
                break
            thing = getattr(thing, name)
    assert missing == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_in_texts_is_python(path):
    for block in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL):
        if "-> state" not in block:  # a signature, not a program
            ast.parse(block)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_public_name_is_in_the_reference():
    text = "\n".join(path.read_text() for path in ROOT.glob("docs/api/*.md"))
    listed = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)", text, re.M)}
    public = {
        name
        for package in (hl, hl.analysis, hl.plot, hl.rules, hl.tasks)
        for name in _exported(package)
        if not inspect.ismodule(vars(package)[name])
    }
    assert public - listed == set()


def _exported(package):
    lines = Path(package.__file__).read_text().splitlines()
    return {line.rsplit(" as ", 1)[1] for line in lines if line.startswith("from .")}
