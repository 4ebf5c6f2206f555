"""The audit says what theory says, and catches a law that cheats."""

import json

import equinox as eqx
import jax.numpy as jnp
import optax
import pytest

from hamlearn import Cost, HamiltonianLearning, SignFlip
from hamlearn.analysis import locality
from hamlearn.rules import (
    BPTT,
    RFLO,
    RTRL,
    UORO,
    AbstractRule,
    FeedbackAlignment,
    RandomFeedback,
    SnAp1,
    SymmetricFeedback,
)

SGD = optax.sgd(0.1)
LAWS = {
    "BPTT": BPTT(Cost(), SGD, window=3),
    "RTRL": RTRL(Cost(), SGD),
    "SnAp1": SnAp1(Cost(), SGD),
    "RFLO": RFLO(Cost(), SGD, feedback=SymmetricFeedback()),
    "RFLO random": RFLO(Cost(), SGD, feedback=RandomFeedback()),
    "UORO": UORO(Cost(), SGD),
    "FA": FeedbackAlignment(Cost(), SGD, sweeps=1),
    "Hamiltonian": HamiltonianLearning(Cost(dissipation=1.0), SignFlip()),
}
#         space, time, per node, per edge, transport
EXPECTED = {
    "BPTT": (True, False, 3.0, 0.0, True),
    "RTRL": (False, True, 0.0, 14.0, False),
    "SnAp1": (True, True, 0.0, 1.0, False),
    "RFLO": (True, True, 0.0, 1.0, False),
    "RFLO random": (False, True, 2.0, 1.0, False),
    "UORO": (False, True, 1.0, 1.0, True),
    "FA": (True, True, 0.0, 1.0, False),
    "Hamiltonian": (True, True, 1.0, 1.0, True),
}


@pytest.mark.parametrize("name", LAWS)
def test_the_audit_says_what_theory_says(name):
    (row,) = locality({name: LAWS[name]}).rows()
    found = (
        row["local_in_space"], row["local_in_time"], row["per_node"],
        row["per_edge"], row["weight_transport"],
    )  # fmt: skip
    assert found == EXPECTED[name]
    assert row["causal"]


class Cheater(AbstractRule):
    """SnAp-1 with the mean activity of the whole network added to one trace."""

    cost: Cost
    honest: SnAp1
    strength: float = eqx.field(static=True)

    def init(self, network, *, x0=None, key=None):
        return self.honest.init(network, x0=x0, key=key)

    def step(self, state, sample, dt):
        everywhere = self.strength * jnp.mean(state.x)
        state, info = self.honest.step(state, sample, dt)
        where = lambda s: s.trace["weight"]
        return eqx.tree_at(where, state, where(state).at[3].add(everywhere)), info


@pytest.mark.parametrize("strength", [0.0, 1e-6])
def test_a_planted_global_term_is_caught(strength):
    rule = Cheater(Cost(), LAWS["SnAp1"], strength)
    (row,) = locality({"cheater": rule}).rows()
    assert row["local_in_space"] is (strength == 0.0)


def test_the_table_prints_and_gives_one_json_object_a_line():
    table = locality({"SnAp1": LAWS["SnAp1"], "RFLO": LAWS["RFLO"]})
    lines = [json.loads(line) for line in table.to_json().splitlines()]
    assert [line["rule"] for line in lines] == ["SnAp1", "RFLO"]
    assert set(lines[0]) == {
        "rule", "local_in_space", "local_in_time", "causal", "per_node", "per_edge",
        "weight_transport",
    }  # fmt: skip
    assert "local_in_space" in repr(table)
