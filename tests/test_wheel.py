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


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The `bin` of a fresh environment with the wheel, and dependencies from here.

    Nothing is fetched, so that this works without a network. The folder of the
    dependencies is on the path and no more: an editable install there is not seen.
    """
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=True)
    bin = folder / "bin"
    (wheel,) = built.glob("*.whl")
    run(
        bin / "python",
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    site = run(
        bin / "python",
        "-c",
        "import sysconfig as s; print(s.get_path('purelib'))",
        cwd=folder,
    )
    borrowed = "\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    (Path(site.strip()) / "dependencies.pth").write_text(borrowed + "\n")
    return bin


def names(wheel):
    return {n for n in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in n}


def test_the_wheel_holds_the_package_and_its_data(built):
    (wheel,) = built.glob("*.whl")
    tracked = run("git", "ls-files", "hamlearn", cwd=ROOT).split()
    assert set(tracked) <= names(wheel)
    assert "hamlearn/data/mnist1d_gle.json" in names(wheel)
    assert {name.split("/")[0] for name in names(wheel)} == {"hamlearn"}


def test_the_sdist_makes_the_same_wheel(built, tmp_path):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    for part in ("tests", "docs", "benchmarks", "notebooks", "README.md"):
        assert (source / part).exists()
    run(
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        tmp_path,
        cwd=source,
    )
    (again,), (wheel,) = tmp_path.glob("*.whl"), built.glob("*.whl")
    assert names(again) == names(wheel)


def test_every_command_runs_from_the_wheel(installed, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    env |= {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "MPLBACKEND": "Agg"}
    (tmp_path / "cells.py").write_text(CELL)
    rows = "\n".join(f"{k},{(k * k) % 17}" for k in range(200))
    (tmp_path / "series.csv").write_text(f"t,value\n{rows}\n")

    def hamlearn(*arguments):
        return run(installed / "hamlearn", *arguments, cwd=tmp_path, env=env)

    where = run(
        installed / "python",
        "-c",
        "import hamlearn; print(hamlearn.__file__)",
        cwd=tmp_path,
        env=env,
    )
    assert Path(where.strip()).is_relative_to(installed.parent)
    version = re.search(
        r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M
    )
    assert hamlearn("--version").strip() == version[1]
    assert json.loads(hamlearn("track", "series.csv", "--json"))["target"] == "series"
    asked = ("--task", "series.csv", "--laws", "rflo", "--seeds", "1", "--neurons", "4")
    assert "rflo" in hamlearn("compare", *asked, "--save", "net.npz").lower()
    assert "constant" in hamlearn("evaluate", "net.npz", "series.csv")
    audited = hamlearn("audit", "rflo", "--json").splitlines()
    assert all(json.loads(line)["causal"] for line in audited)
    asked = ("--state", "3", "--laws", "RTRL", "--steps", "20")
    assert "RTRL" in hamlearn("conform", "cells.py:Leak", *asked)
    claims = hamlearn("reproduce", "stlp", "--quick", "--json").splitlines()
    assert len(claims) > 5
    assert all(json.loads(line)["name"].startswith("stlp") for line in claims)
