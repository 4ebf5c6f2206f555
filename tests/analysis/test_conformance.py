"""The report on a user's own cell says what is known of each law."""

import json
import re
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from optimised import as_users_have_it

from hamlearn import (
    GLE,
    RFLO,
    RTRL,
    STLP,
    Digraph,
    Dynamics,
    EProp,
    HamiltonianLearning,
    Law,
    RateNetwork,
    Sample,
    SnAp,
    SnAp1,
    VoltageNetwork,
    analysis,
)
from hamlearn.analysis import _horizon, compared_laws, conformance
from hamlearn.analysis._credit import Problem, credit_of_bptt
from hamlearn.analysis._horizon import horizon
from hamlearn.costates.gradient import Checkpoints, Stored
from hamlearn.laws import UORO, RecurrentBackprop
from hamlearn.mechanics import Euler
from hamlearn.sensitivities.base import AbstractSensitivity
from hamlearn.sensitivities.exact import Exact
from hamlearn.updates import GradientFlow

TEXT = (Path(__file__).parents[2] / "docs" / "own_cell.md").read_text()
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
    laws = {
        "RTRL": RTRL(), "SnAp-1": SnAp1(inputs=2), "UORO": UORO(), "RFLO": RFLO(),
        "GLE": GLE(), "STLP": STLP(),
    }  # fmt: skip
    cell = Gated(3, 2, key=getkey())
    report = conformance(cell, inputs=2, x0=jnp.zeros(3), steps=30, draws=4, laws=laws)
    rows = {row["law"]: row for row in report.rows()}
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
    leaves = {(r["law"], r["leaf"]): r for r in report.leaves.rows()}
    assert leaves["RTRL", "drift.gate"]["cosine"] == pytest.approx(1.0)
    assert leaves["SnAp-1", "drift.gate"]["error"] > 1e-3
    _check_printed(report)


def _check_printed(report):
    text = repr(report)
    assert "Not run\n  RFLO: `network` must be" in text
    assert "float32: is off by its own size after" in text
    lines = [json.loads(line) for line in report.to_json().splitlines()]
    assert [line["law"] for line in lines] == list(report.laws)
    by_name = {line["law"]: line for line in lines}
    assert by_name["RTRL"]["leaves"]["drift.new"]["cosine"] == pytest.approx(1.0)
    assert by_name["GLE"]["leaves"] == {}
    assert set(by_name["RTRL"]["costate_horizon"]) == {"float64", "float32"}


class Forgetful(AbstractSensitivity):
    """RTRL that gives biases nothing."""

    whole: Exact

    def prepare(self, network, x, key):
        return self.whole.prepare(network, x, key)

    def start(self, network, x, fixed):
        return self.whole.start(network, x, fixed)

    def step(self, instant, fixed, memory):
        g, memory = self.whole.step(instant, fixed, memory)
        return {k: 0 * v if k == "bias" else v for k, v in g.items()}, memory

    @property
    def draws(self):
        return False


def test_a_network_without_recurrence_and_a_law_that_forgets(getkey):
    network = RateNetwork(
        Digraph.complete(3, self_loops=True), inputs=1, outputs=3,
        readout=eqx.nn.Linear(3, 2, key=getkey()), key=getkey(),
    )  # fmt: skip
    network = eqx.tree_at(lambda n: n.weight, network, jnp.zeros((3, 3)))
    laws = {
        "SnAp-2": SnAp(order=2), "e-prop": EProp(), "RFLO": RFLO(),
        "forgetful": Law(None, Forgetful(Exact())),
    }  # fmt: skip
    report = conformance(network, inputs=1, steps=20, draws=3, laws=laws)
    rows = {row["law"]: row for row in report.rows()}
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
def test_the_costate_dies_when_rounding_has_grown_by_the_contraction(
    monkeypatch, precision
):
    # p_{k+1} = (p_k - c_k)/(1 - dt): each sample adds an error of eps, and all of
    # them grow by 1/(1 - dt) a sample, to eps (1 - dt)^-k / dt.
    monkeypatch.setattr(_horizon, "_errors", as_users_have_it(_horizon._errors))
    with jax.enable_x64(precision == "float64"):
        network = Dynamics(Leaky(jnp.ones(1)), initial_state=jnp.zeros(1))
        u, y = jax.random.normal(jax.random.key(0), (2, 512, 1))
        found = horizon(network, Sample(u, y), jnp.asarray(0.1))
        expected = np.log(jnp.finfo(u.dtype).eps / 0.1) / np.log(0.9)
    assert found == pytest.approx(expected, rel=0.15)


def test_memory_of_bptt_grows_with_the_stream_and_of_checkpoints_with_its_root(getkey):
    cell = Dynamics(Gated(64, 1, key=getkey()), initial_state=jnp.zeros(64))

    def work(memory, steps):
        problem = Problem.make(cell, 1, steps, 0.1, np.zeros(2, np.uint32))
        return credit_of_bptt(problem, memory).work_bytes

    plain, root = ([work(m, n) for n in (1600, 6400)] for m in _MEMORIES)
    assert plain[1] / plain[0] == pytest.approx(4, rel=0.15)
    assert root[1] / root[0] == pytest.approx(2, rel=0.25)
    assert plain[0] > 4 * root[0]


_MEMORIES = (Stored(), Checkpoints())


def test_a_network_without_a_gradient_is_refused(getkey):
    class Deaf(eqx.Module):
        weight: jax.Array

        def __call__(self, x, u):
            return -x

    with pytest.raises(ValueError, match="`network` must be one with weights that"):
        conformance(Deaf(jnp.ones(2)), inputs=1, x0=jnp.zeros(2), laws={})


@jax.custom_vjp
def soft(a):
    """tanh with its derivative by hand, for reverse mode alone."""
    return jnp.tanh(a)


soft.defvjp(lambda a: (jnp.tanh(a), a), lambda a, g: (g / jnp.cosh(a) ** 2,))


class Soft(eqx.Module):
    weight: jax.Array
    phi: object = eqx.field(static=True)

    def __call__(self, x, u):
        return self.phi(self.weight @ jnp.concatenate([x, u])) - x


def test_a_cell_with_a_custom_vjp_ends_no_report(getkey):
    key = getkey()
    ours, plain = (Soft(jax.random.normal(key, (2, 3)), f) for f in (soft, jnp.tanh))
    wanted = "needs forward-mode derivatives: give the function a `custom_jvp`"
    forward = {
        "RTRL": RTRL(), "flow": RTRL(update=GradientFlow(1.0), solver=Euler()),
        "SnAp-1": SnAp1(inputs=1), "SnAp-2": SnAp(order=2, inputs=1), "UORO": UORO(),
    }  # fmt: skip
    laws = forward | {"flip": HamiltonianLearning(), "rest": RecurrentBackprop()}
    options = {"inputs": 1, "x0": jnp.zeros(2), "steps": 10, "draws": 2}
    report = conformance(ours, laws=laws, **options)
    rows = {row["law"]: row for row in report.rows()}
    assert {name for name, row in rows.items() if row["note"] == wanted} == set(forward)
    assert wanted in repr(report)
    # The others find what they find with jax's own derivative.
    others = {name: law for name, law in laws.items() if name not in forward}
    for row in conformance(plain, laws=others, **options).rows():
        assert not rows[row["law"]]["note"]
        assert rows[row["law"]]["cosine"] == pytest.approx(row["cosine"])


class Broken(AbstractSensitivity):
    """A mistake of its own."""

    def prepare(self, network, x, key):
        return None

    def start(self, network, x, fixed):
        return None

    def step(self, instant, fixed, memory):
        return None + 1, None

    @property
    def draws(self):
        return False


def test_a_mistake_in_a_law_is_shown_as_what_it_is(getkey):
    cell = Soft(jax.random.normal(getkey(), (2, 3)), jnp.tanh)
    with pytest.raises(TypeError, match="unsupported operand"):
        conformance(
            cell, inputs=1, x0=jnp.zeros(2), steps=4, laws={"mine": Law(None, Broken())}
        )


@pytest.mark.filterwarnings("ignore::hamlearn.costates.StabilityWarning")
def test_voltage_neurons_under_the_laws_of_voltages(getkey):
    network = VoltageNetwork(
        Digraph.layered([2, 2]), inputs=1, outputs=2, key=getkey(),
        prospective_time_constant=1.0,
    )  # fmt: skip
    names = ("VLE", "GLE", "LE", "NLA", "RFLO", "STLP")
    laws = compared_laws(network, 1, steps=20)
    laws = {name: laws[name] for name in names}
    report = conformance(network, inputs=1, steps=20, draws=2, laws=laws)
    rows = {row["law"]: row for row in report.rows()}
    assert {name for name in names if not rows[name]["note"]} == {"VLE", "GLE", "LE"}
    assert rows["VLE"]["exact"]  # though its g is the mean over its window
    assert not rows["VLE"]["local_in_time"]
    assert np.isfinite(rows["LE"]["cosine"])
    assert "`samples` must be a stream with rates for NLA" in rows["NLA"]["note"]
    assert "`network` must be a RateNetwork" in rows["RFLO"]["note"]
    assert "`sample.input_rate` must be given" in rows["STLP"]["note"]


def test_every_law_is_compared(getkey):
    """The comparison has one of each law that the audit knows, BPTT apart."""
    cell = Dynamics(Leaky(jnp.ones(1)), initial_state=jnp.zeros(1))
    kinds = lambda laws: {law.title.partition(", ")[0] for law in laws}
    audited = kinds(entry.law for entry in analysis.audited_laws().values())
    assert kinds(compared_laws(cell, 1).values()) == audited - {"BPTT"} | {
        "mean-slope RTRL"
    }
