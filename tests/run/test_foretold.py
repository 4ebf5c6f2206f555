"""What takes more memory than there is, says so before any of it is taken."""

import jax
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.sensitivities import base

KEY = jax.random.key(0)


def test_rtrl_counts_all_streams_of_a_batch():
    """Twice n times its weights, for each of 10,000 streams: 1,970 GB."""
    graph = hl.Digraph.complete(280, self_loops=True)
    network = hl.RateNetwork(graph, dtype="float32", key=KEY)
    need = 2 * 10_000 * 280 * (280**2 + 280) * 4 / 1e9
    with pytest.raises(ValueError, match=rf"`network` must be small .* {need:.4g} GB"):
        hl.RTRL().init(hl.Batch(network, 10_000))


def test_snap_counts_all_that_n_steps_reach():
    """On 10,000 neurons of ten edges each, within 1,111 nodes and more after 3 steps.

    The tables hold a number of every two of them, for each neuron.
    """
    graph = hl.Digraph.random(10_000, in_degree=10, key=KEY)
    network = hl.RateNetwork(graph, dtype="float32", key=KEY)
    with pytest.raises(ValueError, match=r"small enough for SnAp-5 .* needs (.*) GB"):
        hl.SnAp(order=5).init(network)


@pytest.mark.parametrize(
    "law", [hl.RTRL(), hl.SnAp(order=2), hl.laws.KFRTRL()], ids=lambda law: law.title
)
def test_much_memory_is_said_beforehand(law, monkeypatch):
    network = hl.RateNetwork(hl.Digraph.complete(6, self_loops=True), key=KEY)
    law.init(network, key=KEY)  # little says nothing
    monkeypatch.setattr(base, "LARGE", 100)
    with pytest.warns(UserWarning, match=rf"{law.title} carries .* GB .*, in .* s at"):
        law.init(network, key=KEY)


def test_what_snap_reaches_is_that_of_powers_of_the_graph():
    """Blocks of order n hold the nodes within n - 1 edges, the neuron itself first."""
    graph = hl.Digraph.random(30, in_degree=2, key=KEY)
    network = hl.RateNetwork(graph, key=KEY)
    step = np.eye(30, dtype=int)
    step[graph.senders, graph.receivers] = 1
    for order in (1, 2, 3):
        blocks = hl.SnAp(order=order).init(network).rest.fixed.blocks
        nodes, real = np.asarray(blocks.nodes), np.asarray(blocks.real)
        found = [set(row[here].tolist()) for row, here in zip(nodes, real, strict=True)]
        reached = np.linalg.matrix_power(step, order - 1) > 0
        assert found == [set(np.flatnonzero(row).tolist()) for row in reached]
        np.testing.assert_array_equal(nodes[:, 0], np.arange(30))
