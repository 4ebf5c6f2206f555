"""Wheel and sdist, built and installed in an environment of their own, and every
command run from there."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CELL = """
import equinox as eqx, jax.numpy as jnp

class Leak(eqx.Module):
    rate: jnp.ndarray

    def __init__(self):
        self.rate = jnp.ones(3)

    def __call__(self, x, u):
        return -self.rate * x + u[0]
"""
COMMANDS = {"track", "compare", "evaluate", "audit", "conform", "reproduce"}


def run(*command, cwd, **options):
    found = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, **options
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with wheel and sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    return folder


def only(folder, ending):
    (found,) = folder.glob(f"*{ending}")
    return found


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The `bin` of a fresh environment with the wheel, and dependencies from here.

    Nothing is fetched, so that this works without a network. The folder of the
    dependencies is on the path and no more: an editable install there is not seen.
    """
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    asked = ("install", "-q", "--no-deps", "--no-index", only(built, ".whl"))
    run(sys.executable, "-m", "pip", "--python", python, *asked, cwd=folder)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", where, cwd=folder).strip())
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(borrowed) + "\n")
    return folder / "bin"


def names(wheel):
    return {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}


def test_the_wheel_holds_the_package_and_its_data(built):
    held = names(only(built, ".whl"))
    tracked = run("git", "ls-files", "hamlearn", cwd=ROOT).split()
    assert set(tracked) <= held
    assert "hamlearn/data/mnist1d_gle.json" in held
    assert {name.split("/")[0] for name in held} == {"hamlearn"}


def test_the_sdist_makes_the_same_wheel(built, tmp_path):
    with tarfile.open(only(built, ".tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for part in ("tests", "docs", "benchmarks", "notebooks", "README.md"):
        assert (source / part).exists()
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel")
    run(*build, "-d", tmp_path, cwd=source)
    assert names(only(tmp_path, ".whl")) == names(only(built, ".whl"))


@pytest.fixture
def hamlearn(installed, tmp_path):
    """The installed command, in an empty folder that nothing else is imported from."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # What is learned here does not matter, and most of the time goes into compiling.
    env["XLA_FLAGS"] = (
        "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"
    )
    where = "import hamlearn; print(hamlearn.__file__)"
    found = run(installed / "python", "-c", where, cwd=tmp_path, env=env)
    assert Path(found.strip()).is_relative_to(installed.parent)
    called = set()

    def call(*arguments):
        called.add(arguments[0])
        return run(installed / "hamlearn", *arguments, cwd=tmp_path, env=env)

    call.called = called
    return call


def test_every_command_runs_from_the_wheel(hamlearn, tmp_path):
    (tmp_path / "cells.py").write_text(CELL)
    rows = "\n".join(f"{k},{(k * k) % 17}" for k in range(280))
    (tmp_path / "series.csv").write_text(f"t,value\n{rows}\n")
    version = re.search(
        r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert hamlearn("--version").strip() == version[1]
    shown = re.findall(r"^    (\w+)\s", hamlearn("--help"), re.M)
    assert set(shown) == COMMANDS

    assert json.loads(hamlearn("track", "series.csv", "--json"))["target"] == "series"
    asked = ("--task", "series.csv", "--laws", "rflo", "--seeds", "1", "--neurons", "3")
    assert "rflo" in hamlearn("compare", *asked, "--save", "net.npz").lower()
    assert "constant" in hamlearn("evaluate", "net.npz", "series.csv")
    audited = hamlearn("audit", "rflo", "--json").splitlines()
    assert all(json.loads(line)["causal"] for line in audited)
    assert audited
    asked = ("--state", "3", "--laws", "RTRL", "--steps", "20", "--draws", "2")
    assert "RTRL" in hamlearn("conform", "cells.py:Leak", *asked)
    (claim,) = hamlearn("reproduce", "mnist1d", "--quick", "--json").splitlines()
    assert json.loads(claim)["name"].startswith("mnist1d")
    assert (tmp_path / "out" / "mnist1d" / "mnist1d.png").is_file()
    assert hamlearn.called >= COMMANDS
