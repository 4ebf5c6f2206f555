"""Gram solvers against dense NumPy, and against each other."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stlp_twin import dag, moving_signal

import hamlearn as hl
from hamlearn.action import Slack
from hamlearn.laws import phase
from hamlearn.mechanics import (
    Automatic,
    ConjugateGradients,
    GramSolve,
    LocalCholesky,
    NeumannSweeps,
    RepeatedSweeps,
)
from hamlearn.mechanics.gram import Tangent


def system(network, ratio):
    """The tangent of a network in motion, as STLP has it, and a right-hand side."""
    law = hl.STLP(neuron_mass=ratio)
    signal = moving_signal()
    state = law.begin(law.init(network), jnp.array(0.3), signal)
    motion = law.motion(state.rest.fixed.gram)
    tangent = motion.tangent(0.3, *phase(state), (state.rest, signal))
    return tangent, jax.random.normal(jax.random.key(5), (network.graph.num_nodes,))


def dense(tangent, b):
    """The Gram matrix column by column."""
    return np.stack([np.asarray(tangent.gram(e)) for e in np.eye(b.size)], axis=1)


@pytest.mark.parametrize("ratio", [1.0, 1e-2, 1e-5])
def test_every_solver_solves(getkey, ratio):
    """Within 1e-8 of NumPy's dense solution, whatever the masses."""
    network = dag(getkey(), neurons=30, in_degree=5)
    tangent, b = system(network, ratio)
    expected = np.linalg.solve(dense(tangent, b), b)
    deep = network.depth()
    iterations = {}
    for name, solver in {
        "any": GramSolve(),
        "local": LocalCholesky(),
        "plain": ConjugateGradients(rtol=1e-12),  # its error is times cond(A)
        "swept": ConjugateGradients(NeumannSweeps(deep)),
        "half": ConjugateGradients(NeumannSweeps(2), rtol=1e-12),
    }.items():
        delta, steps = solver.at(tangent)(b)
        error = np.max(np.abs(delta - expected)) / np.max(np.abs(expected))
        assert error < 1e-8, name
        iterations[name] = int(steps)
    assert iterations["any"] == iterations["local"] == 0
    if ratio <= 1e-5:
        assert iterations["swept"] <= 4 < iterations["plain"]


def test_the_limit_is_one_forward_and_one_backward_sweep(getkey):
    """A sweep of the network's depth inverts G_x exactly, by NumPy's inverse."""
    network = dag(getkey(), neurons=20, in_degree=4)
    tangent, b = system(network, 1e-3)
    along, _ = tangent.first()
    J = np.stack([np.asarray(along(e)) for e in np.eye(20)], axis=1)
    expected = np.linalg.solve(J.T, np.linalg.solve(J, b))
    exact = NeumannSweeps().bind(network)
    np.testing.assert_allclose(exact(tangent, b), expected, rtol=1e-12, atol=1e-12)
    short = NeumannSweeps(exact.exchanges - 1)
    assert np.max(np.abs(short(tangent, b) - expected)) > 1e-12


@pytest.mark.parametrize("ratio", [1e-2, 1e-3])
def test_repeated_sweeps_converge_to_the_solution(getkey, ratio):
    """Every round multiplies the error by 1 - S A, whose size falls with the masses."""
    network = dag(getkey(), neurons=20, in_degree=4)
    tangent, b = system(network, ratio)
    A, (along, _) = dense(tangent, b), tangent.first()
    exact = np.linalg.solve(A, b)
    J = np.stack([np.asarray(along(e)) for e in np.eye(20)], axis=1)
    unit = tangent.accelerate(jax.tree.map(jnp.ones_like, tangent.q))[0]
    S = np.linalg.inv(J.T) @ np.diag(1 / np.asarray(unit)) @ np.linalg.inv(J)
    left = np.eye(20) - S @ A
    size = np.abs(np.linalg.eigvals(left)).max()
    assert size < 30 * ratio
    enough = int(np.ceil(np.log(1e-11) / np.log(size)))
    for rounds in (1, 2, 3, enough):
        solver = RepeatedSweeps(rounds=rounds).bind(network, ratio)
        found, told = solver.at(tangent)(b)
        assert int(told) == rounds
        error = -np.linalg.matrix_power(left, rounds) @ exact
        np.testing.assert_allclose(
            found - exact, error, rtol=1e-6, atol=1e-11 * np.abs(exact).max()
        )
    assert np.abs(found - exact).max() < 1e-9 * np.abs(exact).max()


def test_repeated_sweeps_need_enough_exchanges_and_small_masses(getkey):
    network = dag(getkey(), neurons=20, in_degree=4)

    def error(ratio, exchanges, rounds):
        tangent, b = system(network, ratio)
        exact = np.linalg.solve(dense(tangent, b), b)
        sweeps = NeumannSweeps(exchanges)
        found, _ = RepeatedSweeps(sweeps, rounds=rounds).at(tangent)(b)
        return np.linalg.norm(found - exact) / np.linalg.norm(exact)

    deep = network.depth()
    # One round, more exchanges: down to the size of the masses, at the full depth.
    by_exchange = [error(1e-3, k, 1) for k in (1, 2, 4, deep)]
    assert by_exchange[0] > 0.1
    assert all(a > b for a, b in itertools.pairwise(by_exchange))
    assert by_exchange[-1] < 0.02
    # Sweeps that stop short are made up for by rounds, if they reach far enough.
    assert error(1e-3, 6, 16) < 1e-10
    assert error(1.0, deep, 8) > 1e3  # equal masses: diverges, as it says


def test_truncated_gradients_are_the_krylov_optimum(getkey):
    """After k iterations the error in the A-norm is least over the Krylov space."""
    tangent, b = system(dag(getkey()), 0.5)
    A = dense(tangent, b)
    x = np.linalg.solve(A, b)
    for k in (1, 3):
        basis = np.stack([np.linalg.matrix_power(A, p) @ b for p in range(k)], axis=1)
        basis, _ = np.linalg.qr(basis)
        best = basis @ np.linalg.solve(basis.T @ A @ basis, basis.T @ b)
        ours, steps = ConjugateGradients(max_steps=k).at(tangent)(b)
        assert int(steps) == k
        np.testing.assert_allclose(ours, best, atol=1e-9 * np.abs(x).max())


def test_nothing_in_nothing_out(getkey):
    tangent, b = system(dag(getkey()), 1e-2)
    for solver in (LocalCholesky(), ConjugateGradients()):
        np.testing.assert_array_equal(solver.at(tangent)(0 * b)[0], 0 * b)


def test_masses_a_neuron(getkey):
    """Unequal masses: the structured form agrees with the column-by-column one."""
    q = (jax.random.normal(getkey(), (4,)), jax.random.normal(getkey(), (4,)))
    inverse = (jnp.array([1.0, 10.0, 0.1, 3.0]), jnp.array([2.0, 0.5, 1.0, 1.0]))
    constraint = lambda q: q[0] - jnp.tanh(jnp.cumsum(q[0]) - q[0] + 0.3) * q[1]
    accelerate = lambda f: jax.tree.map(jnp.multiply, inverse, f)
    tangent = Tangent(constraint, q, accelerate)
    b = jnp.arange(1.0, 5.0)
    J = np.concatenate([*map(np.asarray, jax.jacobian(constraint)(q))], axis=1)
    A = J @ np.diag(np.concatenate(inverse)) @ J.T
    expected = np.linalg.solve(A, b)
    for solver in (
        LocalCholesky(),
        ConjugateGradients(),
        GramSolve(),
    ):
        np.testing.assert_allclose(solver.at(tangent)(b)[0], expected, rtol=1e-9)


def test_single_precision(getkey):
    graph = hl.Digraph.random(30, in_degree=5, acyclic=True, key=getkey())
    network = hl.RateNetwork(graph, key=getkey(), dtype=jnp.float32, gain=2.0)
    law = hl.STLP(neuron_mass=1e-3)
    signal = hl.Signal(target=lambda t: jnp.zeros(1, jnp.float32))
    x = 0.5 * jax.random.normal(getkey(), (30,), jnp.float32)
    state = law.init(network, x0=x)
    t = jnp.zeros((), jnp.float32)
    motion = law.motion(state.rest.fixed.gram)
    tangent = motion.tangent(t, *phase(state), (state.rest, signal))
    b = jax.random.normal(getkey(), (30,), jnp.float32)
    exact = np.linalg.solve(dense32(tangent).astype(float), np.asarray(b, float))
    for solver in (
        LocalCholesky(),
        ConjugateGradients(),
        ConjugateGradients(NeumannSweeps().bind(network)),
    ):
        delta, _ = solver.at(tangent)(b)
        assert delta.dtype == jnp.float32
        np.testing.assert_allclose(delta, exact, atol=1e-4 * np.abs(exact).max())


def dense32(tangent):
    columns = np.eye(30, dtype=np.float32)
    return np.stack([np.asarray(tangent.gram(jnp.asarray(e))) for e in columns], 1)


def test_the_choice_is_automatic_and_shown(getkey):
    small, large = dag(getkey()), dag(getkey(), neurons=200, in_degree=3)
    layered = hl.RateNetwork(
        hl.Digraph.layered([80, 80, 2]), inputs=2, outputs=2, key=getkey()
    )
    choose = lambda network, ratio: repr(Automatic().bind(network, ratio))
    assert choose(small, 1.0) == "LocalCholesky()"
    assert choose(large, 1e-4) == "ConjugateGradients()"
    assert "NeumannSweeps(exchanges=2)" in choose(layered, 1e-4)
    assert choose(layered, 1.0) == "ConjugateGradients()"
    assert "GramSolve" in choose(hl.Batch(small, 2), 1e-3)
    forced = (
        hl.STLP(gram=ConjugateGradients(NeumannSweeps())).init(small).rest.fixed.gram
    )
    assert forced.preconditioner.exchanges == small.depth()
    assert "LocalCholesky()" in repr(hl.STLP().init(small))
    samples = moving_signal().jets(jnp.arange(2.0))
    run = hl.stream(hl.STLP(), small, samples, dt=1e-3, progress=False)
    assert "gram=LocalCholesky" in repr(run)


def test_bad_choices(getkey):
    with pytest.raises(ValueError, match=r"`exchanges` must be .* but is 0"):
        NeumannSweeps(0)
    with pytest.raises(ValueError, match=r"`rtol` must be positive, but is -1"):
        ConjugateGradients(rtol=-1.0)
    network = dag(getkey())
    with pytest.raises(ValueError, match="`gram` must be"):
        hl.STLP(gram=LocalCholesky(), slack=Slack()).init(hl.Batch(network, 2))
    cyclic = hl.RateNetwork(hl.Digraph.complete(4, self_loops=True), key=getkey())
    with pytest.raises(ValueError, match="acyclic"):
        hl.STLP(gram=ConjugateGradients(NeumannSweeps()), slack=Slack()).init(cyclic)
    assert cyclic.depth() is None


def test_where_weights_are_local_their_part_is_a_diagonal(getkey):
    """The quick product is the full one, on layers with inputs and with slack."""
    cyclic = hl.RateNetwork(
        hl.Digraph.complete(5, self_loops=True),
        inputs=3,
        outputs=2,
        gain=0.3,
        key=getkey(),
    )
    for network, slack in (
        (dag(getkey(), neurons=30, in_degree=5), None),
        (cyclic, Slack()),
    ):
        law = hl.STLP(neuron_mass=0.1, slack=slack)
        signal = moving_signal()
        state = law.begin(law.init(network), jnp.array(0.3), signal)
        motion = law.motion(state.rest.fixed.gram)
        tangent = motion.tangent(0.3, *phase(state), (state.rest, signal))
        delta = jax.random.normal(getkey(), (network.graph.num_nodes,))
        np.testing.assert_allclose(
            tangent.local_gram()(delta), tangent.gram(delta), rtol=1e-12, atol=1e-13
        )


def test_a_constraint_of_ones_own_is_not_taken_for_local(getkey):
    network = dag(getkey(), neurons=20, in_degree=4)
    known = lambda **more: Automatic(dense=0).bind(network, 1.0, **more).local
    assert known()
    assert not known(own=True)
    with pytest.raises(ValueError, match="`gram` must be"):
        LocalCholesky().bind(network, 1.0, own=True)
    own = lambda network, q, sample: q.x - network.settled(q.x, sample.input)
    law = hl.STLP(constraint=own)
    assert isinstance(law.init(network).rest.fixed.gram, GramSolve)
