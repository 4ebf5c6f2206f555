"""Networks, laws and results go from process to process, and are copied."""

import copy
import multiprocessing
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.updates import Optax

LAW = hl.RTRL(update=Optax(optax.adam, learning_rate=1e-2))


def network(activation=jnp.tanh):
    graph = hl.Digraph.complete(3, self_loops=True)
    options = {"inputs": 1, "activation": activation, "key": jax.random.key(0)}
    return hl.RateNetwork(graph, **options)


def learned(job):
    law, net, seed = job
    u = np.random.default_rng(seed).normal(size=(30, 1))
    return hl.stream(law, net, (u, u), dt=0.1, progress=False)


@pytest.mark.parametrize(
    "again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy]
)
@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.relu, jax.nn.softplus])
def test_networks_laws_and_results_come_back(again, activation):
    net = network(activation)
    other = again(net)
    assert eqx.tree_equal(other, net)
    assert other.activation is activation
    assert eqx.tree_equal(again(LAW), LAW)
    result = learned((LAW, net, 0))
    twin = again(result)
    assert eqx.tree_equal(twin.state, result.state)
    assert repr(twin) == repr(result)
    np.testing.assert_array_equal(twin.output, result.output)
    more = learned((again(LAW), twin.network, 1))
    np.testing.assert_array_equal(more.output, learned((LAW, result.network, 1)).output)


def test_a_lambda_is_copied_but_not_pickled():
    net = network(lambda a: jnp.tanh(a))
    assert copy.deepcopy(net).activation is net.activation
    with pytest.raises(pickle.PicklingError, match="cannot be found by its name"):
        pickle.dumps(net)


def test_seeds_run_in_processes_of_their_own(monkeypatch):
    monkeypatch.setenv("JAX_ENABLE_X64", "1")  # arrays arrive before a setting would
    jobs = [(LAW, network(), seed) for seed in (0, 1)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results = pool.map(learned, jobs)
    for job, result in zip(jobs, results, strict=True):
        np.testing.assert_array_equal(result.output, learned(job).output)
