"""`hamlearn audit` and `hamlearn conform`, as a user types them."""

import json

import jax
import pytest

from hamlearn.cli import main

KEYS = {
    "law", "local_in_space", "local_in_time", "causal", "per_node", "per_edge",
    "weight_transport",
}  # fmt: skip

CELL = """
import equinox as eqx
import jax
import jax.numpy as jnp


class Cell(eqx.Module):
    w: jax.Array

    def __init__(self, units, *, key):
        self.w = jax.random.normal(key, (units, units + 1))

    def __call__(self, x, u):
        return jnp.tanh(self.w @ jnp.concatenate([x, u])) - x
"""


@pytest.fixture(autouse=True)
def plain_promotion():
    """Users have neither strict promotion nor, unless they ask, double precision."""
    with jax.numpy_dtype_promotion("standard"):
        yield


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_audit_prints_one_object_a_law(capsys):
    status, out, _ = run(capsys, "audit", "--json", "e-prop")
    assert status == 0
    (row,) = [json.loads(line) for line in out.splitlines()]
    assert set(row) == KEYS
    assert row["law"] == "e-prop"
    assert row["local_in_space"] is row["local_in_time"] is row["causal"] is True
    assert (row["per_node"], row["per_edge"]) == (0.0, 1.0)
    assert row["weight_transport"] is False


def test_audit_prints_a_table(capsys):
    status, out, _ = run(capsys, "audit", "le")
    *heads, row = out.splitlines()
    assert status == 0
    assert [head.split() for head in heads] == [
        ["local", "local"],
        ["in", "in", "per", "per", "weight"],
        [
            "law",
            "space",
            "time",
            "causal",
            "node",
            "edge",
            "transport",
            "hops",
            "waits",
        ],
    ]
    assert row.split() == ["LE", "yes", "yes", "yes", "3", "0", "yes", "1", "0"]
    assert row.index("3") == heads[-1].index("node") == heads[1].index("per")


def test_conform_takes_a_class_in_a_file(capsys, tmp_path):
    path = tmp_path / "own_cells.py"
    path.write_text(CELL)
    arguments = ["conform", f"{path}:Cell", "--state", 2, "--args", '{"units": 2}']
    arguments += ["--steps", 10, "--laws", "SnAp-2", "KF"]
    status, out, _ = run(capsys, *arguments, "--json")
    rows = {row["law"]: row for row in map(json.loads, out.splitlines())}
    assert status == 0
    assert list(rows) == ["BPTT", "BPTT, checkpointed", "SnAp-2", "KF-RTRL"]
    assert rows["SnAp-2"]["exact"]
    assert rows["SnAp-2"]["leaves"]["drift.w"]["error"] < 1e-13
    assert "but is a Cell" in rows["KF-RTRL"]["note"]


BAD = {
    ("audit", "nothing"): "`LAW` must be one of BPTT; sliding BPTT; RTRL",
    ("audit", "SnAp", "nothing"): "SnAp-2; RFLO; RFLO, symmetric feedback; e-prop",
    ("conform", "cells"): "`MODULE:NAME` must be such as",
    ("conform", "no.such:Cell"): "`MODULE` must be importable",
    ("conform", "missing.py:Cell"): "no file missing.py",
    ("conform", "hamlearn:Nothing"): "`NAME` must be in hamlearn, but is Nothing",
    (
        "conform",
        "hamlearn.jobs:tracker",
        "--args",
        '{"neurons": 2}',
    ): "`--args` must fit",
    ("conform", "equinox.nn:Identity"): "`--state` must be given",
    ("conform", "hamlearn:Cost", "--args", '{"a": 1}'): "`--args` must fit Cost",
    ("conform", "hamlearn:Cost", "--args", "{a"): "`--args` must be JSON, but is {a",
    ("conform", "hamlearn:Cost", "--args", "3"): "`--args` must be a JSON object",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_words_are_named(capsys, words):
    status, out, err = run(capsys, *words)
    assert status == 2
    assert err.startswith("hamlearn: ")
    assert BAD[words] in err
    assert out == ""


def test_conform_says_which_laws_there_are(capsys, tmp_path):
    path = tmp_path / "more_cells.py"
    path.write_text(CELL)
    words = ["conform", f"{path}:Cell", "--state", 2, "--args", '{"units": 2}']
    status, _, err = run(capsys, *words, "--laws", "RTRL", "nothing")
    assert status == 2
    assert err.startswith(
        "hamlearn: `--laws` must be one of BPTT; sliding BPTT; RTRL; RTRL, as a flow; "
    )
    assert "but is 'nothing'" in err
