"""STLP against hand-written equations, closed forms, gradients and gradient flow."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stlp_twin import (
    chain,
    chain_signal,
    dag,
    first,
    flat,
    gradient_flow,
    linear_neuron,
    local_accelerations,
    loss_at,
    moving_signal,
    relative,
)

import hamlearn as hl
from hamlearn.action import Slack
from hamlearn.laws.base import without_rest
from hamlearn.laws.stlp import phase
from hamlearn.mechanics import (
    Baumgarte,
    ConjugateGradients,
    ConstraintForce,
    ConstraintPotential,
    GramSolve,
    Heun,
    LocalCholesky,
    Projected,
    Projection,
)

EXACT = dfx.PIDController(rtol=1e-11, atol=1e-12)


def noisy(tree, key, scale=0.3):
    """The tree with Gaussian noise on every number."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    moved = [
        a + scale * jax.random.normal(k, a.shape, a.dtype)
        for a, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, moved)


def masses(network, m_x, m_w, m_s=None):
    w = {"weight": network.weight, "input_weight": network.input_weight}
    full = {name: np.full(leaf.shape, m_w) for name, leaf in w.items()}
    n = network.graph.num_nodes
    return [np.full(n, m_x), *full.values(), None if m_s is None else np.full(n, m_s)]


@pytest.mark.parametrize("gram", [LocalCholesky(), ConjugateGradients()])
def test_the_motion_is_that_of_the_local_equations(getkey, gram):
    """At random points off the constraints, with masses of all kinds, to 1e-10."""
    network, signal = dag(getkey()), moving_signal()
    m_x = np.linspace(0.05, 0.2, 9)
    m_e = np.linspace(0.5, 2.0, network.weight.size).reshape(network.weight.shape)
    law = hl.STLP(
        hl.Cost(weight_decay=0.2), inertia=0.7, dissipation=1.3,
        neuron_mass=m_x, weight_mass={"weight": m_e},
        stabilisation=Baumgarte(), gram=gram,
    )  # fmt: skip
    state = law.init(network)
    y = noisy(without_rest(state), getkey())
    q, v = phase(y)
    rate = phase(eqx.filter_jit(law.vector_field)(0.4, y, (state.rest, signal)))
    s = first(signal.jets(jnp.array([0.4])))
    heavy = [m_x, m_e, np.full(network.input_weight.shape, 0.7), None]
    x2, w2, b2, _ = local_accelerations(
        eqx.tree_at(lambda n: n.weight, network, q.w["weight"]), q, v,
        (s.input, s.input_rate, s.input_acceleration), s.target,
        masses=heavy, theta=1.3, decay=0.2,
    )  # fmt: skip
    tolerance = {"rtol": 1e-10, "atol": 1e-10 * np.abs(x2).max()}
    np.testing.assert_allclose(rate.v.x, x2, **tolerance)
    np.testing.assert_allclose(rate.v.w["weight"], w2, **tolerance)
    np.testing.assert_allclose(rate.v.w["input_weight"], b2, **tolerance)
    for moved, velocity in zip(
        jax.tree.leaves(rate.q), jax.tree.leaves(v), strict=True
    ):
        np.testing.assert_array_equal(moved, velocity)


def test_slack_motion_is_that_of_the_local_equations(getkey):
    graph = hl.Digraph.complete(5, self_loops=False)
    network = hl.RateNetwork(
        graph, inputs=2, outputs=2, input_nodes=[0, 3], key=getkey(),
        learn=("weight", "input_weight"),
    )  # fmt: skip
    signal = hl.Signal(
        input=lambda t: jnp.sin(t + jnp.arange(2.0)),
        target=lambda t: jnp.zeros(2) + 0.3,
    )
    law = hl.STLP(
        dissipation=0.8, neuron_mass=0.1, stabilisation=Baumgarte(),
        slack=Slack(mass=2.0, stiffness=7.0),
    )  # fmt: skip
    state = law.init(network)
    y = noisy(without_rest(state), getkey())
    q, v = phase(y)
    rate = phase(eqx.filter_jit(law.vector_field)(0.4, y, (state.rest, signal)))
    s = first(signal.jets(jnp.array([0.4])))
    x2, w2, b2, s2 = local_accelerations(
        network, q, v, (s.input, s.input_rate, s.input_acceleration), s.target,
        masses=masses(network, 0.1, 1.0, 2.0), theta=0.8, kappa=7.0,
    )  # fmt: skip
    for ours, theirs in [
        (rate.v.x, x2),
        (rate.v.w["weight"], w2),
        (rate.v.w["input_weight"], b2),
        (rate.v.slack, s2),
    ]:
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-9)


def test_a_users_potential_enters_as_a_force(getkey):
    """U = g.x with no loss: x'' and w'' change by what d'Alembert says."""
    network, signal = dag(getkey()), moving_signal()
    g = jax.random.normal(getkey(), (9,))
    cost = hl.Cost(loss_weight=0.0)
    plain = hl.STLP(cost, dissipation=0.0, neuron_mass=0.1)
    with_potential = hl.STLP(
        cost, dissipation=0.0, neuron_mass=0.1,
        potential=lambda network, x, sample: g @ x,
    )  # fmt: skip
    state = plain.begin(plain.init(network), jnp.array(0.0), signal)
    y, args = without_rest(state), (state.rest, signal)
    moved = eqx.filter_jit(lambda law: phase(law.vector_field(0.0, y, args)).v)
    a, b = moved(plain), moved(with_potential)
    tangent = plain.motion(GramSolve()).tangent(jnp.array(0.0), *phase(y), args)
    Gx = jax.vmap(tangent.first()[0], out_axes=1)(jnp.eye(9))
    s1 = 1 - y.x**2
    pa = jnp.asarray(np.bincount(
        np.asarray(network.graph.receivers),
        np.asarray(y.x)[np.asarray(network.graph.senders)] ** 2, 9,
    ))  # fmt: skip
    heard = (
        jnp.zeros(9)
        .at[jnp.array([0, 1, 4])]
        .set(jnp.sum(signal(jnp.array(0.0)).input ** 2))
    )
    A = Gx @ Gx.T / 0.1 + jnp.diag(s1**2 * (pa + heard))
    delta = jnp.linalg.solve(A, Gx @ g / 0.1)
    np.testing.assert_allclose(b.x - a.x, (-g + Gx.T @ delta) / 0.1, atol=1e-10)


def solved(law, network, signal, t1, **options):
    saveat = dfx.SaveAt(ts=jnp.linspace(0.0, t1, 401))
    chosen = {"solver": dfx.Dopri8(), "controller": EXACT} | options
    return hl.solve(law, network, signal, t0=0.0, t1=t1, saveat=saveat, **chosen)


def test_single_linear_neuron():
    """The weight tends to y/u, along the exact one-dimensional reduced equation."""
    u = lambda t: 1 - 0.8 * jnp.exp(-(t**2) / 8)
    signal = hl.Signal(
        input=lambda t: jnp.atleast_1d(u(t)), target=lambda t: jnp.full(1, 1.5)
    )
    m_x, m_w, theta = 0.05, 1.0, 1.0
    law = hl.STLP(
        inertia=m_w, dissipation=theta, neuron_mass=m_x,
        stabilisation=Baumgarte(),
    )  # fmt: skip
    result = solved(law, linear_neuron(), signal, 30.0)
    assert abs(result.network.weight.item() - 1.5) < 1e-3
    assert result.info["residual"].max() < 1e-9

    def reduced(t, y, args):
        w, v = y
        u1, u2 = jax.grad(u)(t), jax.grad(jax.grad(u))(t)
        mass = m_w + m_x * u(t) ** 2
        damping = theta * mass + 2 * m_x * u(t) * u1
        stiffness = u(t) ** 2 + m_x * (u(t) * u2 + theta * u(t) * u1)
        return v, (u(t) * 1.5 - damping * v - stiffness * w) / mass

    twin = dfx.diffeqsolve(
        dfx.ODETerm(reduced), dfx.Dopri8(), 0.0, 30.0, None, (0.0, 0.0),
        stepsize_controller=EXACT, saveat=dfx.SaveAt(ts=jnp.linspace(0.0, 30.0, 401)),
    )  # fmt: skip
    w = twin.ys[0] * jax.vmap(u)(twin.ts)
    np.testing.assert_allclose(result.output[:, 0], w, atol=1e-8)


def test_resonance_with_the_input():
    """Bounded below m_x omega^2 = 1, growing above; the numbers measured before."""
    signal = hl.Signal(
        input=lambda t: jnp.sin(2 * t)[None], target=lambda t: jnp.full(1, 1.5)
    )
    reached = {}
    for number in (0.8, 1.04, 1.2):
        law = hl.STLP(dissipation=1.0, neuron_mass=number / 4)
        result = solved(
            law, linear_neuron(0.3), signal, 40.0,
            controller=dfx.PIDController(rtol=1e-9, atol=1e-10),
        )  # fmt: skip
        reached[number] = float(result.network.weight.item())
    np.testing.assert_allclose(reached[0.8], 0.324442, rtol=1e-3)
    np.testing.assert_allclose(reached[1.04], 2.2506, rtol=1e-3)
    assert reached[1.2] > 10 * 0.3


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(0.0, [2.0, 4.0, 10.0]), (0.5, [1.2642411, 1.7293294, 1.9865241])],
)
def test_an_inconsistent_velocity_drifts(alpha, expected):
    """|G| = 2 t; with alpha = theta/2 = 1/2 it is 2 (1 - e^{-t})."""
    signal = hl.Signal(
        input=lambda t: jnp.sin(t)[None], target=lambda t: jnp.full(1, 0.5)
    )
    law = hl.STLP(
        dissipation=1.0,
        neuron_mass=0.1,
        stabilisation=Baumgarte(alpha, 0.0),
    )
    state = law.begin(law.init(linear_neuron(0.3)), jnp.array(0.0), signal)
    y = without_rest(state)
    wrong = y.credit.x_dot.at[1].add(2.0)
    y = eqx.tree_at(lambda y: y.credit.x_dot, y, wrong)
    motion = dfx.diffeqsolve(
        dfx.ODETerm(law.vector_field), dfx.Dopri8(), 0.0, 5.0, None, y,
        args=(state.rest, signal), stepsize_controller=EXACT,
        saveat=dfx.SaveAt(ts=jnp.array([1.0, 2.0, 5.0])),
    )  # fmt: skip
    drift = motion.ys.x[:, 1] - motion.ys.w["weight"][:, 0] * motion.ys.x[:, 0]
    np.testing.assert_allclose(jnp.abs(drift), expected, rtol=1e-7)


def test_the_potential_on_the_constraint_cancels(getkey):
    """Off the constraints: in the Lagrangian it does nothing, as a force it acts."""
    network, signal = dag(getkey()), moving_signal()
    kinds = [
        Baumgarte(),
        ConstraintPotential(100.0),
        ConstraintForce(100.0),
    ]
    laws = [
        hl.STLP(dissipation=1.0, neuron_mass=0.05, stabilisation=kind) for kind in kinds
    ]
    state = laws[0].init(network)
    y, args = phase(noisy(without_rest(state), getkey())), (state.rest, signal)
    gram = state.rest.fixed.gram
    at = [eqx.filter_jit(law.motion(gram).react)(0.3, y, args) for law in laws]
    assert max(jnp.max(jnp.abs(at[0].G)), 0) > 0.1
    scale = np.max(np.abs(at[0].acceleration.x))
    same = jax.tree.map(lambda a, b: a - b, at[1].acceleration, at[0].acceleration)
    assert max(np.max(np.abs(leaf)) for leaf in jax.tree.leaves(same)) < 1e-10 * scale
    np.testing.assert_allclose(
        at[1].multipliers - at[0].multipliers, 100.0 * at[0].G, atol=1e-10 * scale
    )
    extra = jax.tree.map(lambda a, b: a - b, at[2].acceleration, at[0].acceleration)
    tangent = laws[0].motion(gram).tangent(0.3, *y, args)
    expected = -100.0 * tangent.gram(at[0].G)
    np.testing.assert_allclose(tangent.along(extra), expected, atol=1e-10 * scale)


credited = eqx.filter_jit(
    lambda law, state, s: law.estimate(state, s, jnp.array(0.1))[0]
)


def test_credit_tends_to_the_gradient(getkey):
    """Error of slope 1 in m_x/m_w, below 1.5e-3 at 1e-4, with moving input."""
    network, signal = dag(getkey()), moving_signal()
    theta, errors = 100.0, []
    ratios = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5]
    sample = first(signal.jets(jnp.array([0.7])))
    for ratio in ratios:
        law = hl.STLP(inertia=1 / theta, dissipation=theta, neuron_mass=ratio / theta)
        state = law.begin(law.init(network), jnp.array(0.7), signal)
        true = jax.grad(loss_at(state.rest.frozen, sample, 9))(state.w)
        errors.append(relative(credited(law, state, sample), true))
    assert errors[3] < 1.5e-3
    slopes = np.diff(np.log(errors[1:])) / np.diff(np.log(ratios[1:]))
    np.testing.assert_allclose(slopes, 1.0, atol=0.1)
    assert errors[0] > 0.1  # with masses alike the direction is wrong


def test_credit_along_a_run_is_the_gradient(getkey):
    network, signal = dag(getkey()), moving_signal()
    theta = 100.0
    law = hl.STLP(inertia=1 / theta, dissipation=theta, neuron_mass=1e-4 / theta)
    result = solved(law, network, signal, 2.0, solver=dfx.Tsit5(), controller=None)
    state, sample = result.state, first(signal.jets(jnp.array([2.0])))
    true = jax.grad(loss_at(state.rest.frozen, sample, 9))(state.w)
    assert relative(credited(law, state, sample), true) < 1.5e-3


def test_trajectories_tend_to_gradient_flow():
    """The error falls like 1/theta: halves from 30, below 1e-2 at 100 on average.

    The floor under it is of the order of m_x/m_w, so that ratio is small here.
    """
    at_100, signal = [], moving_signal()
    for seed in range(3):
        network = dag(jax.random.key(seed))
        w0 = {"weight": network.weight, "input_weight": network.input_weight}
        frozen = hl.STLP().init(network).rest.frozen
        target = gradient_flow(frozen, w0, signal, 1.0, 4.0, sweeps=9)
        travelled = np.linalg.norm(flat(target) - flat(w0))
        errors = {}
        for theta in (30.0, 100.0):
            law = hl.STLP(
                inertia=1 / theta, dissipation=theta, neuron_mass=1e-4 / theta
            )
            solver = dfx.Tsit5()
            result = solved(law, network, signal, 4.0, solver=solver, controller=None)
            w = result.state.w
            errors[theta] = np.linalg.norm(flat(w) - flat(target)) / travelled
        assert errors[30.0] > 2 * errors[100.0]
        at_100.append(errors[100.0])
    assert np.mean(at_100) < 1e-2


@pytest.mark.parametrize(
    ("solver", "stabilisation", "low", "high"),
    [
        (Heun(), Baumgarte(), 3e-3, 3e-2),
        (Heun(), Baumgarte(10**0.5, 10**0.5), 0, 3e-4),
        (Heun(), Projection(), 0, 1e-9),
    ],
)
def test_drift_over_ten_thousand_steps(solver, stabilisation, low, high):
    network, signal = chain(jax.random.key(1)), chain_signal()
    law = hl.STLP(dissipation=1.0, neuron_mass=0.05, stabilisation=stabilisation)
    chosen = Projected(solver, law.project)
    result = hl.solve(
        law, network, signal, t0=0.0, t1=200.0, dt0=0.02, solver=chosen,
        controller=dfx.ConstantStepSize(),
    )  # fmt: skip
    assert low <= result.info["residual"].max() < high


def test_phase_is_a_pair(getkey):
    """Of coordinates and velocities, as mechanics takes them."""
    state = hl.STLP(slack=Slack()).init(dag(getkey()))
    y = noisy(without_rest(state), getkey())
    q, v = phase(y)
    assert (q.x is y.x, q.w is y.w, q.slack is y.credit.slack) == (True,) * 3
    assert (v.x is y.credit.x_dot, v.w is y.update) == (True,) * 2
    assert v.slack is y.credit.slack_dot
