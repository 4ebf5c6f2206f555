"""The report on a user's own cell says what is known of each law."""

import json
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hamlearn import STLP, Cost, Digraph, Dynamics, RateNetwork, Sample, analysis
from hamlearn.analysis import conformance
from hamlearn.analysis._credit import Problem, credit_of_bptt
from hamlearn.analysis._horizon import horizon
from hamlearn.rules import (
    GLE,
    RFLO,
    RTRL,
    UORO,
    AbstractOnlineRule,
    EProp,
    SnAp,
    SnAp1,
    SqrtCheckpoints,
    StoreAll,
)

SGD = optax.sgd(1.0)


TEXT = (Path(__file__).parents[1] / "docs" / "own_cell.md").read_text()
PROGRAM = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
DEFINED = {"__name__": "own_cell"}
exec(compile(PROGRAM.partition("\n\n\ncell =")[0], "own_cell.md", "exec"), DEFINED)
Gated = DEFINED["Gated"]


def test_the_documented_program_is_short_and_puts_its_cell_under_the_laws(monkeypatch):
    assert len([line for line in PROGRAM.splitlines() if line.strip()]) <= 20
    asked = []
    monkeypatch.setattr(analysis, "conformance", lambda *a, **k: asked.append((a, k)))
    exec(compile(PROGRAM, "own_cell.md", "exec"), {"__name__": "own_cell"})
    (((cell,), options),) = asked
    assert cell(options["x0"], jnp.ones(options["inputs"])).shape == (8,)


def test_a_gated_cell(getkey):
    rules = {
        "RTRL": RTRL(Cost(), SGD), "SnAp-1": SnAp1(Cost(), SGD, inputs=2),
        "UORO": UORO(Cost(), SGD), "RFLO": RFLO(), "GLE": GLE(), "STLP": STLP(),
    }  # fmt: skip
    cell = Gated(3, 2, key=getkey())
    report = conformance(
        cell, inputs=2, x0=jnp.zeros(3), steps=30, draws=4, rules=rules
    )
    rows = {row["rule"]: row for row in report.rows()}
    for name in ("BPTT", "BPTT, checkpointed", "RTRL"):
        assert rows[name]["exact"]
        assert rows[name]["error"] < 1e-13
        assert 1e-9 < rows[name]["error_32"] < 1e-5
    assert not rows["SnAp-1"]["exact"]
    assert rows["SnAp-1"]["error_32"] == pytest.approx(rows["SnAp-1"]["error"], 1e-3)
    uoro = rows["UORO"]
    assert uoro["by_chance"] == pytest.approx(uoro["spread"] / 2)
    assert uoro["error"] < 3 * uoro["by_chance"]  # unbiased, up to chance
    assert rows["RTRL"]["spread"] is None
    local = {k: (rows[k]["local_in_space"], rows[k]["local_in_time"]) for k in rows}
    assert local["BPTT"] == (True, False)
    assert local["RTRL"] == (False, True)
    assert local["SnAp-1"] == (True, True)
    assert [rows[k]["causal"] for k in ("BPTT", "RTRL", "UORO")] == [None, True, True]
    # P is 3 x 30; beside it the state and the weights.
    assert rows["RTRL"]["state_bytes"] == 8 * (3 + 30 + 3 * 30)
    assert rows["BPTT"]["times_bptt"] == 1.0
    assert "must be a RateNetwork" in rows["RFLO"]["note"]
    assert "but is a Gated" in rows["RFLO"]["note"]
    assert "must be a VoltageNetwork" in rows["GLE"]["note"]
    assert "`slack` must be" in rows["STLP"]["note"]
    leaves = {(r["rule"], r["leaf"]): r for r in report.leaves.rows()}
    assert leaves["RTRL", "drift.gate"]["cosine"] == pytest.approx(1.0)
    assert leaves["SnAp-1", "drift.gate"]["error"] > 1e-3
    _check_printed(report)


def _check_printed(report):
    text = repr(report)
    assert "Not run\n  RFLO: `network` must be" in text
    assert "float32: is off by its own size after" in text
    lines = [json.loads(line) for line in report.to_json().splitlines()]
    assert [line["rule"] for line in lines] == list(report.laws)
    by_name = {line["rule"]: line for line in lines}
    assert by_name["RTRL"]["leaves"]["drift.new"]["cosine"] == pytest.approx(1.0)
    assert by_name["GLE"]["leaves"] == {}
    assert set(by_name["RTRL"]["costate_horizon"]) == {"float64", "float32"}


class Forgetful(AbstractOnlineRule):
    """RTRL that gives biases nothing."""

    cost: Cost
    optimizer: optax.GradientTransformation
    whole: RTRL

    def start(self, network, x, key):
        return self.whole.start(network, x, key)

    def credit(self, moment, fixed, trace):
        g, trace = self.whole.credit(moment, fixed, trace)
        return {k: 0 * v if k == "bias" else v for k, v in g.items()}, trace


def test_a_network_without_recurrence_and_a_law_that_forgets(getkey):
    network = RateNetwork(
        Digraph.complete(3, self_loops=True), inputs=1, outputs=3, key=getkey()
    )
    network = eqx.tree_at(lambda n: n.weight, network, jnp.zeros((3, 3)))
    rules = {
        "SnAp-2": SnAp(Cost(), SGD, order=2), "e-prop": EProp(Cost(), SGD),
        "RFLO": RFLO(Cost(), SGD), "forgetful": Forgetful(Cost(), SGD, RTRL()),
    }  # fmt: skip
    report = conformance(network, inputs=1, steps=20, draws=3, rules=rules)
    rows = {row["rule"]: row for row in report.rows()}
    assert rows["SnAp-2"]["exact"]
    assert rows["e-prop"]["exact"]
    assert not rows["RFLO"]["exact"]  # random feedback
    assert rows["RFLO"]["spread"] > 0
    assert rows["forgetful"]["no_credit"] == "bias"
    assert rows["e-prop"]["no_credit"] is None
    assert np.isfinite(rows["forgetful"]["cosine"])


class Leaky(eqx.Module):
    weight: jax.Array

    def __call__(self, x, u):
        return self.weight * u - x


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_costate_dies_when_rounding_has_grown_by_the_contraction(precision):
    # p_{k+1} = (p_k - c_k)/(1 - dt): each sample adds an error of eps, and all of
    # them grow by 1/(1 - dt) a sample, to eps (1 - dt)^-k / dt.
    with jax.enable_x64(precision == "float64"):
        network = Dynamics(Leaky(jnp.ones(1)), initial_state=jnp.zeros(1))
        u, y = jax.random.normal(jax.random.key(0), (2, 512, 1))
        found = horizon(network, Sample(u, y), jnp.asarray(0.1))
        expected = np.log(jnp.finfo(u.dtype).eps / 0.1) / np.log(0.9)
    assert found == pytest.approx(expected, rel=0.15)


def test_memory_of_bptt_grows_with_the_stream_and_of_checkpoints_with_its_root(getkey):
    cell = Dynamics(Gated(8, 1, key=getkey()), initial_state=jnp.zeros(8))

    def work(memory, steps):
        problem = Problem.make(cell, 1, steps, 0.1, np.zeros(2, np.uint32))
        return credit_of_bptt(problem, memory).work_bytes

    plain, root = ([work(m, n) for n in (400, 1600)] for m in _MEMORIES)
    assert plain[1] / plain[0] == pytest.approx(4, rel=0.15)
    assert root[1] / root[0] == pytest.approx(2, rel=0.25)
    assert plain[0] > 4 * root[0]


_MEMORIES = (StoreAll(), SqrtCheckpoints())


def test_a_network_without_a_gradient_is_refused(getkey):
    class Deaf(eqx.Module):
        weight: jax.Array

        def __call__(self, x, u):
            return -x

    with pytest.raises(ValueError, match="`network` must be one with weights that"):
        conformance(Deaf(jnp.ones(2)), inputs=1, x0=jnp.zeros(2), rules={})
