"""The report on a user's own cell says what is known of each law."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from hamlearn import Cost, Digraph, RateNetwork
from hamlearn.analysis import conformance
from hamlearn.rules import RTRL, AbstractOnlineRule


class Gated(eqx.Module):
    """A cell with one gate, and a weight that reaches the output through time alone."""

    gate: jax.Array
    new: jax.Array
    slow: jax.Array

    def __call__(self, x, u):
        z = jax.nn.sigmoid(self.gate @ jnp.concatenate([x, u]))
        return z * (jnp.tanh(self.new @ jnp.concatenate([x, u])) - x) + self.slow * x


def test_a_gated_cell(getkey):
    cell = Gated(
        jax.random.normal(getkey(), (3, 5)),
        jax.random.normal(getkey(), (3, 5)),
        0.1 * jnp.ones(3),
    )
    table = conformance(cell, inputs=2, x0=jnp.zeros(3), steps=30)
    rows = {row["rule"]: row for row in table.rows()}
    for name in ("BPTT", "BPTT, checkpointed", "RTRL"):
        assert rows[name]["exact"]
        assert rows[name]["error"] < 1e-12
    for name in ("SnAp-1", "RFLO", "KF-RTRL"):
        assert "must be a RateNetwork" in rows[name]["note"]
    uoro = rows["UORO"]
    assert not uoro["exact"]
    # Unbiased: the mean of 16 draws is off by about its spread over 4.
    assert uoro["error"] < uoro["spread"]
    assert rows["RTRL"]["spread"] is None
    assert rows["recurrent backprop"]["error"] > 0.01


def test_a_network_of_rate_neurons_without_recurrence(getkey):
    network = RateNetwork(
        Digraph.complete(3, self_loops=True), inputs=1, outputs=3, key=getkey()
    )
    network = eqx.tree_at(lambda n: n.weight, network, jnp.zeros((3, 3)))
    rows = {r["rule"]: r for r in conformance(network, inputs=1, steps=20).rows()}
    for name in ("SnAp-1", "SnAp-2", "e-prop", "RTRL"):
        assert rows[name]["exact"], name
    assert not rows["RFLO"]["exact"]  # random feedback
    assert "`sweeps` must be given" in rows["instantaneous"]["note"]
    assert rows["RTRL"]["state_bytes"] == 8 * (3 + 9 + 3 + 3 + 3 * 15 + 3)


class Forgetful(AbstractOnlineRule):
    """RTRL that gives biases nothing."""

    cost: Cost
    optimizer: optax.GradientTransformation
    whole: RTRL

    def start(self, network, x, key):
        return self.whole.start(network, x, key)

    def credit(self, moment, fixed, trace):
        g, trace = self.whole.credit(moment, fixed, trace)
        return g | {"bias": jnp.zeros_like(g["bias"])}, trace


def test_parameters_without_credit_are_named(getkey):
    network = RateNetwork(Digraph.complete(3, self_loops=True), inputs=1, key=getkey())
    rule = Forgetful(Cost(), optax.sgd(1.0), RTRL())
    (row,) = conformance(network, inputs=1, steps=10, rules={"F": rule}).rows()
    assert row["no_credit"] == "bias"
    assert np.isfinite(row["cosine"])
