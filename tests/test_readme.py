"""The first five minutes: what the README and the quick start show, runs and learns."""

import re

import jax
import matplotlib.pyplot as plt
import pytest
from test_documentation import ROOT, python_of

from benchmarks import heartbeat, laws_map
from hamlearn.jobs.contenders import USUAL
from hamlearn.jobs.grounds import grounds

README = ROOT / "README.md"


@pytest.fixture(autouse=True)
def as_a_reader(tmp_path, monkeypatch):
    """In an empty folder, without the strict settings of the tests."""
    monkeypatch.chdir(tmp_path)
    with jax.numpy_dtype_promotion("standard"), jax.enable_x64(False):
        yield
    plt.close("all")


def run(path, seed):
    """The names that all Python of a text leaves behind, its keys drawn by a seed."""
    names = {"__name__": "__main__"}
    for block in python_of(path):
        code = re.sub(r"random\.key\((\d+)\)", rf"random.key(\1 + 100 * {seed})", block)
        assert seed == 0 or code != block or "key(" not in block
        exec(compile(code, path.name, "exec"), names)
    return names


@pytest.mark.parametrize("seed", range(4))
def test_every_line_of_the_readme_runs_and_what_it_teaches_is_learned(seed, capsys):
    names = run(README, seed)
    assert names["score"]["accuracy"] > 0.97
    shown = capsys.readouterr().out
    copied = dict(re.findall(r"^(\w.*): RMSE (\S+)$", shown, re.M))
    assert len(copied) == len(names["laws"]) >= 3
    assert all(float(rmse) < 0.5 * 0.354 for rmse in copied.values()), copied


def test_every_line_of_the_quick_start_runs():
    run(ROOT / "docs" / "quickstart.md", 0)


def test_the_first_picture_is_the_map_with_the_text_of_its_table():
    """As it was recorded: `python -m benchmarks.laws_map --draw` writes both."""
    pictures = re.findall(r"!\[.*\]\((\S+)\)", README.read_text())
    assert pictures[0] == "docs/compare-map.png"
    assert all((ROOT / picture).is_file() for picture in pictures)
    found = laws_map.recorded()
    assert set(found.grounds) == {ground.name for ground in grounds()}
    assert found.seconds < 90  # on two cores, with nothing else running
    for name, whole in laws_map.TEXTS.items():
        assert laws_map.table(found, whole=whole) in (ROOT / name).read_text()


def test_the_quick_start_shows_the_laws_that_its_command_compares():
    text = (ROOT / "docs" / "quickstart.md").read_text()
    block = text.partition(heartbeat.FIRST)[2].partition(heartbeat.LAST)[0]
    rows = [
        line.split()[0] for line in block.splitlines() if re.search(r" k?B  ", line)
    ]
    assert sorted(rows) == sorted(USUAL)
    assert max(map(len, block.splitlines())) <= heartbeat.WIDTH
