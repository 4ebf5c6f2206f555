"""The audit says what theory says, and catches a law that cheats."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

from hamlearn import Cost
from hamlearn.analysis import Audited, audited_laws, locality, storage
from hamlearn.rules import RTRL, AbstractRule, SnAp1

#     space, time, numbers per node and per edge, weight transport, hops
EXPECTED = {
    "BPTT": (True, False, 3, 0, True, 1),
    "RTRL": (False, True, 0, 14, False, 6),
    "RTRL, as a flow": (False, True, 0, 14, False, 6),
    "SnAp-1": (True, True, 0, 1, False, 1),
    "SnAp-2": (True, True, 0, 56 / 19, True, 1),
    "RFLO": (False, True, 2, 1, False, 6),
    "RFLO, symmetric feedback": (True, True, 0, 1, False, 1),
    "e-prop": (True, True, 0, 1, False, 1),
    "UORO": (False, True, 1, 1, True, 7),
    "KF-RTRL": (False, True, 15, 0, True, None),
    "instantaneous, 1 sweep": (True, True, 0, 0, True, 1),
    "feedback alignment, 1 sweep": (True, True, 0, 1, False, 1),
    "recurrent backprop": (False, True, 0, 0, True, 7),
    "Hamiltonian, sign flip": (True, True, 1, 1, True, 1),
    # P is a square over 14 neurons and 19 weights.
    "Hamiltonian, time reversal": (False, True, 1, 1 + 33**2 / 19, True, 7),
    "VLE": (True, False, 1, 0, True, 1),
    "NLA": (False, True, 0, 0, True, 13),
    "LE": (True, True, 3, 0, True, 1),
    "GLE": (True, True, 4, 0, True, 1),
    "STLP": (False, True, 1, 1, True, 13),
    "STLP, 2 CG steps": (False, True, 1, 1, True, 13),
    "STLP, 2 local exchanges": (True, True, 1, 1, True, 2),
}


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
    assert row["causal"]


def test_no_law_is_left_out():
    assert set(audited_laws()) == set(EXPECTED)


class AbstractCheater(AbstractRule):
    """SnAp-1 with something it should not do."""

    honest: eqx.AbstractVar[SnAp1]

    def init(self, network, *, x0=None, key=None):
        return self.honest.init(network, x0=x0, key=key)


class Globalist(AbstractCheater):
    """Adds the mean activity of the whole network to one trace."""

    honest: SnAp1
    cost: Cost

    def step(self, state, sample, dt):
        everywhere = 1e-6 * jnp.mean(state.x)
        state, info = self.honest.step(state, sample, dt)
        where = lambda s: s.trace["weight"]
        return eqx.tree_at(where, state, where(state).at[3].add(everywhere)), info


class Peeker(AbstractCheater):
    """Reports an output with a little of its target in it."""

    honest: SnAp1
    cost: Cost

    def step(self, state, sample, dt):
        state, info = self.honest.step(state, sample, dt)
        seen = info.output + 1e-6 * (sample.target - info.output)
        return state, eqx.tree_at(lambda i: i.output, info, seen)


class Transporter(AbstractCheater):
    """Adds to the trace of edge 0 -> 1 the weight of an edge that leaves node 1."""

    honest: SnAp1
    cost: Cost

    def step(self, state, sample, dt):
        state, info = self.honest.step(state, sample, dt)
        graph = state.network.graph
        at = lambda j, i: jnp.argmax((graph.senders == j) & (graph.receivers == i))
        first, second = at(0, 1), at(1, 2)
        stolen = 1e-6 * state.w["weight"][second]
        where = lambda s: s.trace["weight"]
        trace = where(state).at[first].add(stolen)
        # Node 1 now needs what belongs to node 2.
        return eqx.tree_at(where, state, trace), info


CHEATERS = {
    Globalist: {"local_in_space": False},
    Peeker: {"causal": False},
    Transporter: {"weight_transport": True},
}


@pytest.mark.parametrize("kind", CHEATERS, ids=lambda kind: kind.__name__)
def test_cheats_are_caught_and_nothing_else_is(kind):
    cost, sgd = Cost(), optax.sgd(0.1)
    row = audit(kind(SnAp1(cost, sgd), cost))
    honest = dict.fromkeys(("local_in_space", "local_in_time", "causal"), True)
    honest |= {"weight_transport": False}
    assert {name: row[name] for name in honest} == honest | CHEATERS[kind]


class Hoarder(eqx.Module):
    """The state of SnAp-1 and the last five targets."""

    inside: object
    past: jax.Array

    @property
    def network(self):
        return self.inside.network


class Historian(AbstractRule):
    """Keeps what has been, though it does nothing with it."""

    honest: SnAp1
    cost: Cost

    def init(self, network, *, x0=None, key=None):
        return Hoarder(self.honest.init(network, key=key), jnp.zeros((5, 2)))

    def step(self, state, sample, dt):
        after, info = self.honest.step(state.inside, sample, dt)
        past = jnp.concatenate([state.past[1:], sample.target[None]])
        return Hoarder(after, past), info


def test_what_is_kept_of_the_past_is_seen():
    cost = Cost()
    row = audit(Historian(SnAp1(cost, optax.sgd(0.1)), cost))
    assert row["local_in_space"]
    assert not row["local_in_time"]


def test_every_leaf_says_where_it_lives():
    lives = {row["leaf"]: row for row in storage(RTRL(Cost())).rows()}
    assert {name: row["lives"] for name, row in lives.items()} == {
        "x": "node", "w.weight": "edge", "trace": "node x edge",
    }  # fmt: skip
    assert lives["trace"]["numbers"] == 14 * 19
    bptt = {row["leaf"]: row for row in storage(audited_laws()["BPTT"]).rows()}
    assert bptt["past.x"]["lives"] == "past x node"
    assert bptt["past.target"]["lives"] == "past x output"
    assert bptt["past.x"]["past"] == 3


def test_exchanges_must_be_a_number():
    with pytest.raises(ValueError, match="`exchanges` must be an integer of at least"):
        locality({"law": Audited(RTRL(), exchanges=0)})
