"""The energy balance closes, to the order of the step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optimised import as_users_have_it

import hamlearn as hl
from hamlearn import (
    STLP,
    Cost,
    Digraph,
    HamiltonianLearning,
    Law,
    RateNetwork,
    Sample,
)
from hamlearn.action.action import hamiltonian
from hamlearn.action.cognitive import Slack
from hamlearn.analysis import energy, energy_balance
from hamlearn.costates import CostateFlow, NoFlip, SignFlip, TimeReversal
from hamlearn.mechanics import RungeKutta4
from hamlearn.updates import GradientFlow, Inertia

# The true costate is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:`NoFlip`:UserWarning")


def run(key, dt, law, constant=False):
    network = RateNetwork(Digraph.complete(4, self_loops=True), inputs=1, key=key)
    t = dt * jnp.arange(1.0 / dt)
    u = jnp.ones((t.size, 1))
    y = 0.5 * jnp.ones_like(u) if constant else jnp.sin(3.0 * t)[:, None]
    return energy_balance(law, network, Sample(u, y), dt=dt)


@pytest.mark.parametrize("policy", [NoFlip, SignFlip])
def test_what_is_left_over_falls_with_the_step(getkey, policy):
    cost = Cost(loss_weight=5.0)
    law = HamiltonianLearning(cost, policy(), inertia=0.5, dissipation=2.0)
    key = getkey()
    left = [float(jnp.sum(run(key, dt, law).residual)) for dt in (0.02, 0.01, 0.005)]
    assert 1.7 < left[0] / left[1] < 2.3
    assert 1.7 < left[1] / left[2] < 2.3


def test_hamiltons_own_equations_conserve_h_at_constant_signals(monkeypatch, getkey):
    # To the last bit, in what is exchanged.
    monkeypatch.setattr(energy, "_run", as_users_have_it(energy._run))
    law = HamiltonianLearning(
        Cost(loss_weight=5.0), NoFlip(), dissipation=0.0, solver=RungeKutta4()
    )
    key = getkey()
    found = run(key, 0.005, law, constant=True)
    drift = [
        np.abs(np.diff(np.asarray(e.hamiltonian), prepend=e.hamiltonian[0])).sum()
        for e in (run(key, 0.01, law, constant=True), found)
    ]
    assert drift[1] < 1e-8  # of H = 0.625, by a method of order 4
    assert 12 < drift[0] / drift[1] < 40
    assert np.all(np.asarray(found.exchanged) == 0)
    assert np.abs(np.asarray(found.work)).max() < 1e-12
    parts = {row["part"]: row["energy"] for row in found.rows()}
    assert parts["dissipated"] == 0


def test_dissipation_takes_what_it_should(getkey):
    # At true Hamilton's equations: dH/dt = -theta p.H_p at constant signals.
    law = HamiltonianLearning(
        Cost(loss_weight=5.0), NoFlip(), dissipation=2.0, solver=RungeKutta4()
    )
    found = run(getkey(), 0.001, law, constant=True)
    change = float(found.hamiltonian[-1] - found.hamiltonian[0])
    lost = float(jnp.sum(found.dissipated[:-1]))
    assert abs(change) > 1e-3
    assert np.isclose(change, -lost, rtol=1e-2)


def test_stlp_keeps_its_energy_but_for_what_it_dissipates(getkey):
    # L = e^{theta t} (T - V) with constant signals: d(T + V)/dt = -2 theta T, and
    # constraints at rest do no work. STLP reports T - V and T + V.
    network = RateNetwork(Digraph.layered([2, 2]), inputs=1, outputs=2, key=getkey())
    count, key = 60, getkey()
    held = lambda value, size: jnp.full((count, size), value)
    sample = Sample(
        held(1.0, 1), held(0.5, 2), None, *(held(0.0, size) for size in (1, 2, 1, 2))
    )  # fmt: skip
    for theta in (0.0, 2.0):
        law, left = (
            STLP(
                Cost(loss_weight=20.0), dissipation=theta, neuron_mass=0.5,
                solver=RungeKutta4(),
            ),
            [],
        )  # fmt: skip
        for dt in (0.02, 0.01):
            info = hl.stream(law, network, sample, dt=dt, progress=False, key=key).info
            total, kinetic = info["energy"], (info["energy"] + info["lagrangian"]) / 2
            means = (kinetic[1:] + kinetic[:-1]) / 2  # the trapezoidal rule
            lost = 2 * theta * dt * np.concatenate([[0.0], np.cumsum(means)])
            until = round(0.5 / dt)
            left.append(np.abs(total - total[0] + lost)[:until].max() / total[0])
            assert kinetic[:until].max() > 1e-2 * total[0]
        assert theta == 0 or lost[until] > 1e-2 * total[0]
        # What is left falls with the square of the step.
        assert left[1] < 1e-3
        assert left[1] < 0.3 * left[0]


def test_the_balance_of_stlp_closes_while_constraints_move(getkey):
    # A moving input moves the constraints, which then do work; slack carries cycles.
    keys = getkey(), getkey()
    graphs = Digraph.layered([2, 2]), Digraph.complete(3, self_loops=True)
    for graph, slack, key in zip(graphs, (None, Slack()), keys, strict=True):
        network = RateNetwork(graph, inputs=1, outputs=2, key=key)
        left = []
        law = STLP(
            Cost(loss_weight=5.0), dissipation=1.0, neuron_mass=0.2, slack=slack,
            solver=RungeKutta4(),
        )  # fmt: skip
        for dt in (0.01, 0.005):
            t = dt * jnp.arange(200.0)[:, None]  # one program serves both
            u = (jnp.sin(2 * t), 2 * jnp.cos(2 * t), -4 * jnp.sin(2 * t))
            y = [jnp.tile(part, 2) for part in u]
            sample = Sample(u[0], y[0], None, u[1], y[1], u[2], y[2])
            found = energy_balance(law, network, sample, dt=dt)
            residual = np.cumsum(found.residual)[: round(1 / dt) - 1]
            left.append(float(np.abs(residual).max()))
        moved = [
            jnp.abs(jnp.cumsum(part)).max() for part in (found.work, found.exchanged)
        ]
        assert min(moved) > 20 * left[1]
        assert float(jnp.sum(found.dissipated)) > 0
        assert 1.7 < left[0] / left[1] < 2.5


COST = Cost(loss_weight=5.0)


def own_hamiltonian(network, x, p_x, p_w, sample):
    """Another price on change than a square."""
    H = hamiltonian(COST, network, x, p_x, p_w, sample, inertia=0.5)
    return H - 0.1 * sum(jnp.sum(leaf**4) for leaf in p_w.values())


CLOSED = {
    "time reversal": HamiltonianLearning(COST, TimeReversal(), dissipation=2.0),
    "own": HamiltonianLearning(COST, hamiltonian=own_hamiltonian, dissipation=2.0),
    "gradient flow": Law(COST, CostateFlow(dissipation=2.0), GradientFlow(0.5)),
    "two frictions": Law(COST, CostateFlow(dissipation=2.0), Inertia(0.5, 1.0)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_the_balance_of_every_hamiltonian_closes(getkey, name):
    key, left = getkey(), []
    for dt in (0.01, 0.005):
        found = run(key, dt, CLOSED[name])
        left.append(float(jnp.sum(found.residual)))
    assert 1.7 < left[0] / left[1] < 2.3
    assert float(jnp.sum(found.dissipated)) != 0


def test_the_balance_of_several_streams_is_their_mean(getkey):
    # Alike streams do what one alone does.
    network = RateNetwork(
        Digraph.complete(4, self_loops=True), inputs=1, key=getkey()
    )  # fmt: skip
    t = 0.02 * jnp.arange(50.0)[:, None]
    samples = Sample(jnp.ones_like(t), jnp.sin(3 * t))
    wide = Sample(*(jnp.stack([a] * 3, 1) for a in (samples.input, samples.target)))
    one, many = (
        energy_balance(HamiltonianLearning(COST), net, s, dt=0.02)
        for net, s in ((network, samples), (hl.Batch(network, 3), wide))
    )
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(many), strict=True):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "law", [hl.RTRL(), hl.GLE(), HamiltonianLearning(update=optax.sgd(0.1))]
)
def test_a_law_without_a_hamiltonian_is_refused_by_name(getkey, law):
    wanted = f"`law` must be one with a Hamiltonian .* but is {law.title}"
    with pytest.raises(ValueError, match=wanted):
        run(getkey(), 0.1, law)
