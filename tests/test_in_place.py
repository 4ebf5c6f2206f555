"""Weights, costates and traces change where they lie: nothing so large is copied."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

import hamlearn as hl
from hamlearn.rules import RFLO, Instantaneous, SnAp1, SymmetricFeedback

SGD, COST = optax.sgd(1e-3), hl.Cost()


def looped(rule, network, inputs, outputs):
    """The compiled loop of a law over some samples."""
    moving, still = eqx.partition(rule.init(network), eqx.is_array)
    samples = hl.Sample(jnp.zeros((8, inputs)), jnp.ones((8, outputs)))

    def run(moving, samples):
        def step(moving, sample):
            after, info = rule.step(
                eqx.combine(moving, still), sample, jnp.asarray(0.1)
            )
            return eqx.filter(after, eqx.is_array), info.loss

        return jax.lax.scan(step, moving, samples)

    return jax.jit(run).lower(moving, samples).compile()


@pytest.mark.parametrize(
    "rule",
    [
        hl.HamiltonianLearning(hl.Cost(inertia=10.0, dissipation=0.1)),
        Instantaneous(COST, SGD, sweeps=1),
        RFLO(COST, SGD, feedback=SymmetricFeedback()),
        SnAp1(COST, SGD),
        hl.GLE(optimizer=SGD),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_a_step_needs_less_scratch_than_one_array_of_weights(rule, getkey):
    kind, times = hl.RateNetwork, {"time_constant": 4.0}
    if isinstance(rule, hl.GLE):
        kind = hl.VoltageNetwork
        times = {"membrane_time_constant": 4.0, "prospective_time_constant": 2.0}
    graph = hl.Digraph.complete(96, self_loops=True)
    network = kind(graph, inputs=2, outputs=3, gain=0.1, key=getkey(), **times)
    needed = looped(rule, network, 2, 3).memory_analysis().temp_size_in_bytes
    assert needed < network.weight.nbytes / 2


@pytest.mark.parametrize("law", ["flip", "rflo"])
def test_large_weights_are_never_copied(law, getkey):
    """The optimised loop over samples has no copy of an n x n array."""
    n = 128
    network = hl.RateNetwork(
        hl.Digraph.complete(n, self_loops=True), outputs=1, key=getkey()
    )
    rules = {
        "flip": hl.HamiltonianLearning(hl.Cost(dissipation=1.0)),
        "rflo": RFLO(feedback=SymmetricFeedback()),
    }
    text = looped(rules[law], network, 0, 1).as_text()
    # Before the loop the arguments are copied once, `copy(%moving...)`.
    assert re.findall(rf"f64\[{n},{n}\]\S* copy\(%get-tuple-element", text) == []
    assert f"f64[{n},{n}]" in text
