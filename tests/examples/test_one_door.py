"""Own Hamiltonian, Lagrangian, residual, costate, sensitivity and update, all through
`stream`, `solve`, `compare`, `conform`, checkpoints and plots."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure

import hamlearn as hl
from hamlearn.jobs.contenders import Contender

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY = jax.random.key(0)
SIGNAL = hl.Signal(lambda t: jnp.sin(t), lambda t: 0.4 * jnp.sin(t) ** 2)


def part(file, name):
    spec = importlib.util.spec_from_file_location(file, EXAMPLES / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


def layers(key=KEY, neurons=5, inputs=1, outputs=1):
    graph = hl.Digraph.layered([neurons - outputs, outputs])
    return hl.RateNetwork(graph, inputs=inputs, outputs=outputs, key=key)


def voltages(key=KEY, neurons=5, inputs=1, outputs=1):
    graph = hl.Digraph.complete(neurons, self_loops=True)
    return hl.VoltageNetwork(graph, inputs=inputs, outputs=outputs, key=key)


def own_hamiltonian():
    H = part("own_hamiltonian", "H")
    return hl.HamiltonianLearning(dissipation=60.0, hamiltonian=H)


def own_lagrangian():
    L, G = part("own_lagrangian", "L"), part("own_lagrangian", "G")
    return hl.STLP(lagrangian=L, constraint=G, dissipation=10.0)


def own_residual():
    residual, motion = (part("own_residual", n)() for n in ("Exponential", "Step"))
    update = hl.updates.GradientFlow(0.1)
    at_rest = hl.costates.AtRest()
    return hl.Law(None, at_rest, update, residual=residual, motion=motion)


def own_costate():
    return hl.Law(None, part("own_costate", "SyntheticGradient")(0.5))


def own_sensitivity():
    return hl.Law(None, part("own_sensitivity", "SenderTrace")())


def own_update():
    return hl.RTRL(update=part("own_update", "ExponentiatedGradient")(0.03))


OWN = {
    "hamiltonian": (own_hamiltonian, layers, 1),
    "lagrangian": (own_lagrangian, layers, 4),
    "residual": (own_residual, layers, 1),
    "costate": (own_costate, layers, 1),
    "sensitivity": (own_sensitivity, voltages, 1),
    "update": (own_update, layers, 1),
}
WITH_RATES = ("hamiltonian", "lagrangian")


@pytest.fixture(autouse=True)
def _as_a_user_runs_them():
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.parametrize("name", OWN)
def test_streams_go_on_from_checkpoints_and_are_drawn(name, tmp_path):
    make, build, _ = OWN[name]
    law, net, samples = make(), build(), SIGNAL.jets(0.02 * np.arange(120))
    options = {"dt": 0.02, "chunk": 30, "progress": False}
    whole = hl.stream(law, net, samples, **options)
    early = jax.tree.map(lambda leaf: leaf[:60], samples)
    hl.stream(law, net, early, checkpoint=tmp_path, **options)
    result = hl.resume(tmp_path, law, net, samples, **options)
    np.testing.assert_array_equal(result.loss, whole.loss)
    for a, b in zip(
        jax.tree.leaves(result.state.w), jax.tree.leaves(whole.state.w), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert isinstance(result.plot(), Figure)
    assert law.title in repr(result)


@pytest.mark.parametrize("name", OWN)
def test_solves_take_what_has_rates_and_refuse_the_rest_by_name(name):
    make, build, _ = OWN[name]
    law, net = make(), build()
    if name not in WITH_RATES:
        with pytest.raises(ValueError, match=r"`law` must be a law with rates.*has"):
            hl.solve(law, net, SIGNAL, t0=0.0, t1=1.0)
        return
    solved = hl.solve(law, net, SIGNAL, t0=0.0, t1=1.0)
    steps = 2000
    fine = SIGNAL.jets(np.arange(steps) / steps)
    streamed = hl.stream(law, net, fine, dt=1 / steps, progress=False)
    assert solved.diverged is None
    np.testing.assert_allclose(
        solved.network.weight, streamed.network.weight, atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("name", OWN)
def test_conform_tells_what_they_make_of_a_network(name):
    make, build, _ = OWN[name]
    found = hl.analysis.conformance(
        build(), inputs=1, steps=12, laws={"own": make()}, draws=2
    )
    row = next(row for row in found.rows() if row["law"] == "own")
    if name == "lagrangian":  # the stream of `conform` has no rates
        assert "input_rate" in row["note"]
        return
    assert row["note"] == ""
    assert row["causal"]
    assert row["exact"] == (name == "update")


@pytest.mark.parametrize("name", OWN)
def test_compare_takes_them_beside_others(name):
    make, build, steps = OWN[name]
    network = lambda key, n, inputs, outputs: build(key, n, inputs, outputs)
    law = lambda cost, rate: make()
    mine = Contender(law, network, "own", immediate=False, steps=steps)
    u = np.sin(0.3 * np.arange(240))
    task = hl.tasks.Paired("tone", u, 0.5 * np.roll(u, 1))
    found = hl.compare(
        task, {"own": mine}, neurons=4, seeds=1, rates=(0.1,), progress=False
    )
    entry = found.entries[0]
    assert entry.law == "own"
    assert entry.diverged in (0, 1)
    assert "own" in repr(found)
