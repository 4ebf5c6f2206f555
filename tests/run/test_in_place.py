"""Weights, costates and traces change where they lie: nothing so large is copied."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest

import hamlearn as hl
from hamlearn.laws import Instantaneous
from hamlearn.sensitivities import SymmetricFeedback
from hamlearn.updates import Optax

COST, SGD = hl.Cost(), Optax(optax.sgd, learning_rate=1e-3)
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


@pytest.mark.parametrize(
    "law",
    [
        hl.HamiltonianLearning(COST, inertia=10.0, dissipation=0.1),
        Instantaneous(COST, SGD, sweeps=1),
        hl.RFLO(COST, SGD, feedback=FLAT),
        hl.SnAp1(COST, SGD),
        hl.GLE(COST, SGD),
    ],
    ids=lambda law: law.title,
)
def test_a_step_needs_less_scratch_than_one_array_of_weights(law, getkey):
    kind, times = hl.RateNetwork, {"time_constant": 4.0}
    if law.title == "GLE":
        kind = hl.VoltageNetwork
        times = {"membrane_time_constant": 4.0, "prospective_time_constant": 2.0}
    graph = hl.Digraph.complete(96, self_loops=True)
    network = kind(graph, inputs=2, outputs=3, gain=0.1, key=getkey(), **times)
    needed = looped(law, network, 2, 3).memory_analysis().temp_size_in_bytes
    assert needed < network.weight.nbytes / 2


@pytest.mark.parametrize("law", ["flip", "rflo"])
def test_large_weights_are_never_copied(law, getkey):
    """The optimised loop over samples has no copy of an n x n array."""
    n = 128
    network = hl.RateNetwork(
        hl.Digraph.complete(n, self_loops=True), outputs=1, key=getkey()
    )
    laws = {
        "flip": hl.HamiltonianLearning(dissipation=1.0),
        "rflo": hl.RFLO(feedback=FLAT),
    }
    text = looped(laws[law], network, 0, 1).as_text()
    # Before the loop the arguments are copied once, `copy(%moving...)`.
    assert re.findall(rf"f64\[{n},{n}\]\S* copy\(%get-tuple-element", text) == []
    assert f"f64[{n},{n}]" in text


JOIN = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
FLIP = """
import jax, hamlearn as hl
from test_in_place import looped
graph = hl.Digraph.complete(96, self_loops=True)
network = hl.RateNetwork(graph, outputs=1, key=jax.random.key(0))
law = hl.HamiltonianLearning(dissipation=1.0)
program = looped(law, network, 0, 1)
print(program.memory_analysis().temp_size_in_bytes < network.weight.nbytes / 2)
print(program.as_text())
"""


@pytest.mark.parametrize(("flags", "loops"), [("", 0), (JOIN, 1)])
def test_xla_changes_weights_and_costates_in_one_loop_where_told_to(flags, loops):
    run = subprocess.run(
        [sys.executable, "-c", FLIP], env=os.environ | {"XLA_FLAGS": flags},
        cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert run.stdout.startswith("True")
    n = r"f32\[96,96\]\S*"
    assert len(re.findall(rf"= \({n}, {n}\) fusion\(", run.stdout)) == loops


def test_the_installation_page_has_the_option():
    page = Path(__file__).parents[2] / "docs" / "installation.md"
    assert JOIN in page.read_text()
