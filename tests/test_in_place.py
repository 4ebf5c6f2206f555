"""Weights, costates and traces change where they lie: nothing so large is copied."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

import hamlearn as hl
from hamlearn.rules import RFLO, Instantaneous, SnAp1, SymmetricFeedback

SGD, COST = optax.sgd(1e-3), hl.Cost()


def scratch(rule, network):
    """Bytes that a compiled run of some samples needs beside what it carries."""
    moving, still = eqx.partition(rule.init(network), eqx.is_array)
    samples = hl.Sample(jnp.ones((6, 2)), jnp.ones((6, 3)))
    dt = jnp.asarray(0.5)

    def run(moving, samples):
        def step(moving, sample):
            state, info = rule.step(eqx.combine(moving, still), sample, dt)
            return eqx.filter(state, eqx.is_array), info.loss

        return jax.lax.scan(step, moving, samples)

    program = jax.jit(run).lower(moving, samples).compile()
    return program.memory_analysis().temp_size_in_bytes


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
    assert scratch(rule, network) < network.weight.nbytes / 2
