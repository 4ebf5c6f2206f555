"""Weights, costates and traces change where they lie: nothing so large is copied."""

import jax
import jax.numpy as jnp
import optax
import pytest

import hamlearn as hl
from hamlearn.laws import Instantaneous
from hamlearn.sensitivities import SymmetricFeedback
from hamlearn.updates import GradientFlow, Inertia, Optax

COST = hl.Cost()
SGD, ADAM = (Optax(f, learning_rate=1e-3) for f in (optax.sgd, optax.adam))
HEAVY = Inertia(10.0, 0.1)
FLAT = SymmetricFeedback()


def looped(law, network, inputs, outputs):
    """The compiled loop of a law over some samples."""
    start = law.init(network, key=jax.random.key(0))
    samples = hl.Sample(jnp.zeros((8, inputs)), jnp.ones((8, outputs)))
    moving = start.x, start.w, start.credit, start.update

    def run(moving, samples):
        state = type(start)(*moving, start.rest)
        state, infos = hl.scan(law, state, samples, 0.1)
        return (state.x, state.w, state.credit, state.update), infos.loss

    return jax.jit(run).lower(moving, samples).compile()


LAWS = {
    "flip": hl.HamiltonianLearning(COST, inertia=10.0, dissipation=0.1),
    "flip by a flow": hl.HamiltonianLearning(COST, update=GradientFlow(0.1)),
    "flip by Adam": hl.HamiltonianLearning(COST, update=ADAM),
    "instantaneous": Instantaneous(COST, SGD, sweeps=1),
    "instantaneous with mass": Instantaneous(COST, HEAVY, sweeps=1),
    "RFLO": hl.RFLO(COST, SGD, feedback=FLAT),
    "RFLO by Adam": hl.RFLO(COST, ADAM, feedback=FLAT),
    "SnAp-1": hl.SnAp1(COST, SGD),
    "SnAp-1 by Adam": hl.SnAp1(COST, ADAM),
    "SnAp-1 with mass": hl.SnAp1(COST, HEAVY),
    "GLE": hl.GLE(COST, SGD),
    "GLE with mass": hl.GLE(COST, HEAVY),
}


@pytest.mark.parametrize("name", LAWS)
def test_a_step_needs_less_scratch_than_one_array_of_weights(name, getkey):
    kind, times = hl.RateNetwork, {"time_constant": 4.0}
    if name.startswith("GLE"):
        kind = hl.VoltageNetwork
        times = {"membrane_time_constant": 4.0, "prospective_time_constant": 2.0}
    graph = hl.Digraph.complete(96, self_loops=True)
    network = kind(graph, inputs=2, outputs=3, gain=0.1, key=getkey(), **times)
    needed = looped(LAWS[name], network, 2, 3).memory_analysis().temp_size_in_bytes
    assert needed < network.weight.nbytes / 2


def scratch(function, *arguments):
    program = jax.jit(function).lower(*arguments).compile()
    return program.memory_analysis().temp_size_in_bytes


def test_a_ring_of_past_samples_is_written_at_one_place(getkey):
    """A window's scratch is that of its gradient: no second ring."""
    graph = hl.Digraph.complete(96, self_loops=True)
    network = hl.RateNetwork(graph, outputs=1, key=getkey())
    gradient = lambda u, y: hl.exact_gradient(COST, network, (u, y), dt=0.1).w
    found = []
    for length in (400, 800):
        law = hl.BPTT(COST, SGD, window=1, overlap=length - 1)
        run = looped(law, network, 0, 1).memory_analysis().temp_size_in_bytes
        stream = jnp.zeros((length, 0)), jnp.zeros((length, 1))
        found.append(run - scratch(gradient, *stream))
    ring = 400 * 96 * 8
    assert found[1] - found[0] < ring / 4
