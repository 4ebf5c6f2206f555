"""The audit says what theory says, and catches a law that cheats."""

import equinox as eqx
import jax.numpy as jnp
import optax
import pytest

from hamlearn import RTRL, Cost, SnAp1
from hamlearn.analysis import Audited, audited_laws, locality, storage
from hamlearn.laws import AbstractLaw, Law, State
from hamlearn.laws.base import Info

#     space, time, numbers per node and per edge, weight transport, hops
EXPECTED = {
    "BPTT": (True, False, 3, 0, True, 1),
    "sliding BPTT": (True, False, 3, 0, True, 1),
    "RTRL": (False, True, 0, 14, False, 6),
    "RTRL, as a flow": (False, True, 0, 14, False, 6),
    "RTRL, blocks of 3": (False, False, 3, 14, True, 7),
    "SnAp-1": (True, True, 0, 1, False, 1),
    "SnAp-2": (True, True, 0, 56 / 19, True, 1),
    "RFLO": (False, True, 2, 1, False, 6),
    "RFLO, symmetric feedback": (True, True, 0, 1, False, 1),
    "e-prop": (True, True, 0, 1, False, 1),
    "spatial trace, 1 sweep": (True, True, 0, 1, True, 1),
    # The cap is a norm over all neurons.
    "hops, 2": (False, True, 2, 2, True, 7),
    "hops, 2, no cap": (True, True, 2, 2, True, 1),
    # Of every weight a complex number, and one for the turning of the mode.
    "diagonal RTRL": (True, True, 10, 0, False, 0),
    "UORO": (False, True, 1, 1, True, 7),
    "KF-RTRL": (False, True, 15, 0, True, None),
    "instantaneous, 1 sweep": (True, True, 0, 0, True, 1),
    "feedback alignment, 1 sweep": (True, True, 0, 1, False, 1),
    "recurrent backprop": (False, True, 0, 0, True, 7),
    "Hamiltonian, sign flip": (True, True, 1, 1, True, 1),
    # P is a square over 14 neurons and 19 weights.
    "Hamiltonian, time reversal": (False, True, 1, 1 + 33**2 / 19, True, 7),
    # First state, last state and where the last window came out, of q and p each.
    "echo": (True, False, 6, 0, True, 2),
    "VLE": (True, False, 3, 0, True, 1),
    "NLA": (False, True, 0, 0, True, 13),
    "LE": (True, True, 3, 0, True, 1),
    "GLE": (True, True, 4, 0, True, 1),
    "STLP": (False, True, 1, 1, True, 13),
    "STLP, 2 CG steps": (False, True, 1, 1, True, 13),
    "STLP, 2 local exchanges": (True, True, 1, 1, True, 2),
}

#: Samples from a target to the weights, where it takes some. Without a window all
#: targets take alike: what the costate is moved by moves the weights a sample later.
WAITS = {"Hamiltonian, time reversal": 1, "NLA": 1}
#: Laws that gather samples. In a window of three the second target waits for the third,
#: and the first, which nothing in the window has made, is never answered.
GATHER = {"BPTT": 1, "echo": 1, "VLE": 1, "RTRL, blocks of 3": 2}


def audit(law):
    (row,) = locality({"law": law}).rows()
    return row


@pytest.mark.parametrize("name", EXPECTED)
def test_the_audit_says_what_theory_says(name):
    row = audit(audited_laws()[name])
    found = (
        row["local_in_space"], row["local_in_time"], row["per_node"],
        row["per_edge"], row["weight_transport"], row["hops"],
    )  # fmt: skip
    assert found == EXPECTED[name]
    assert row["causal"] is (name not in GATHER)
    assert row["waits"] == (WAITS | GATHER).get(name, 0)


def test_no_law_is_left_out():
    assert set(audited_laws()) == set(EXPECTED)


class AbstractCheater(AbstractLaw):
    """SnAp-1 with something it should not do."""

    honest: eqx.AbstractVar[Law]

    def init(self, network, *, x0=None, key=None):
        return self.honest.init(network, x0=x0, key=key)

    def estimate(self, state, sample, dt):
        return self.honest.estimate(state, sample, dt)

    def check(self, state, sample, dt):
        self.honest.check(state, sample, dt)

    def chosen(self, state):
        return self

    @property
    def title(self):
        return type(self).__name__


def trace_of(state: State):
    return state.credit.memory["weight"]


class Globalist(AbstractCheater):
    """Adds the mean activity of the whole network to one trace."""

    honest: Law
    cost: Cost

    def step(self, state, sample, dt):
        everywhere = 1e-6 * jnp.mean(state.x)
        state, info = self.honest.step(state, sample, dt)
        trace = trace_of(state).at[3].add(everywhere)
        return eqx.tree_at(trace_of, state, trace), info


class Peeker(AbstractCheater):
    """Reports an output with a little of its target in it."""

    honest: Law
    cost: Cost

    def step(self, state, sample, dt):
        state, info = self.honest.step(state, sample, dt)
        seen = info.output + 1e-6 * (sample.target - info.output)
        return state, Info(seen, info.loss, info.more)


class Transporter(AbstractCheater):
    """Adds to the trace of edge 0 -> 1 the weight of an edge that leaves node 1."""

    honest: Law
    cost: Cost

    def step(self, state, sample, dt):
        state, info = self.honest.step(state, sample, dt)
        graph = state.network.graph
        at = lambda j, i: jnp.argmax((graph.senders == j) & (graph.receivers == i))
        first, second = at(0, 1), at(1, 2)
        stolen = 1e-6 * state.w["weight"][second]
        # Node 1 now needs what belongs to node 2.
        trace = trace_of(state).at[first].add(stolen)
        return eqx.tree_at(trace_of, state, trace), info


CHEATERS = {
    Globalist: {"local_in_space": False},
    Peeker: {"causal": False},
    Transporter: {"weight_transport": True},
}


@pytest.mark.parametrize("kind", CHEATERS, ids=lambda kind: kind.__name__)
def test_cheats_are_caught_and_nothing_else_is(kind):
    honest = SnAp1(update=optax.sgd(0.1))
    row = audit(kind(honest, honest.cost))
    honest = dict.fromkeys(("local_in_space", "local_in_time", "causal"), True)
    honest |= {"weight_transport": False}
    assert {name: row[name] for name in honest} == honest | CHEATERS[kind]


class Historian(AbstractCheater):
    """Keeps the last five targets, though it does nothing with them."""

    honest: Law
    cost: Cost

    def init(self, network, *, x0=None, key=None):
        state = self.honest.init(network, key=key)
        return self._with_past(state, jnp.zeros((5, 2)))

    def step(self, state, sample, dt):
        inside, past = state.credit
        state = eqx.tree_at(lambda s: s.credit, state, inside)
        after, info = self.honest.step(state, sample, dt)
        past = jnp.concatenate([past[1:], sample.target[None]])
        return self._with_past(after, past), info

    def _with_past(self, state, past):
        return State(state.x, state.w, (state.credit, past), state.update, state.rest)


def test_what_is_kept_of_the_past_is_seen():
    honest = SnAp1(update=optax.sgd(0.1))
    row = audit(Historian(honest, honest.cost))
    assert row["local_in_space"]
    assert not row["local_in_time"]
    assert row["causal"]


def test_what_echo_keeps_of_a_window():
    """Inputs and what the errors are made of, first and last state; no state between."""
    rows = {row["leaf"]: row for row in storage(audited_laws()["echo"]).rows()}
    past = {leaf for leaf, row in rows.items() if row["past"]}
    kept = ("input", "target", "weight")
    assert past == {f"credit.memory.{name}" for name in kept}
    per_sample = sum(rows[leaf]["numbers"] for leaf in past) / 3
    assert per_sample == 1 + 2 + 1
    states = sum(row["numbers"] for name, row in rows.items() if "node" in row["lives"])
    assert states == 14 * (2 + 2 * 3)


def test_every_leaf_says_where_it_lives():
    lives = {row["leaf"]: row for row in storage(RTRL()).rows()}
    assert {name: row["lives"] for name, row in lives.items()} == {
        "x": "node", "w.weight": "edge", "credit.memory": "node x edge",
    }  # fmt: skip
    assert lives["credit.memory"]["numbers"] == 14 * 19
    bptt = {row["leaf"]: row for row in storage(audited_laws()["BPTT"]).rows()}
    assert bptt["credit.memory.x"]["lives"] == "past x node"
    assert bptt["credit.memory.target"]["lives"] == "past x output"
    assert bptt["credit.memory.x"]["past"] == 3


def test_exchanges_must_be_a_number():
    with pytest.raises(ValueError, match="`exchanges` must be an integer of at least"):
        locality({"law": Audited(RTRL(), exchanges=0)})
