"""`hamlearn audit` and `hamlearn conform`, as a user types them."""

import json

import jax
import pytest

from hamlearn.cli import main

KEYS = {
    "rule", "local_in_space", "local_in_time", "causal", "per_node", "per_edge",
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
    assert row["rule"] == "e-prop"
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
        ["rule", "space", "time", "causal", "node", "edge", "transport", "hops"],
    ]
    assert row.split() == ["LE", "yes", "yes", "yes", "3", "0", "yes", "1"]
    assert row.index("3") == heads[-1].index("node") == heads[1].index("per")


def test_conform_takes_a_class_in_a_file(capsys, tmp_path):
    path = tmp_path / "own_cells.py"
    path.write_text(CELL)
    arguments = ["conform", f"{path}:Cell", "--state", 2, "--args", '{"units": 2}']
    arguments += ["--steps", 10, "--laws", "SnAp-2", "KF"]
    status, out, _ = run(capsys, *arguments, "--json")
    rows = {row["rule"]: row for row in map(json.loads, out.splitlines())}
    assert status == 0
    assert list(rows) == ["BPTT", "BPTT, checkpointed", "SnAp-2", "KF-RTRL"]
    assert rows["SnAp-2"]["exact"]
    assert rows["SnAp-2"]["leaves"]["drift.w"]["error"] < 1e-13
    assert "but is a Cell" in rows["KF-RTRL"]["note"]


BAD = {
    ("audit", "nothing"): "`LAW` must be among BPTT, RTRL",
    ("conform", "cells"): "`MODULE:NAME` must be such as",
    ("conform", "no.such:Cell"): "`MODULE` must be importable",
    ("conform", "missing.py:Cell"): "no file missing.py",
    ("conform", "hamlearn:Nothing"): "`NAME` must be in hamlearn, but is Nothing",
    ("conform", "equinox.nn:Identity"): "`--state` must be given",
    ("conform", "hamlearn:Cost", "--args", '{"a": 1}'): "`--args` must fit Cost",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_words_are_named(capsys, words):
    status, out, err = run(capsys, *words)
    assert status == 2
    assert BAD[words] in err
    assert out == ""
