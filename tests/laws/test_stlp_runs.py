"""STLP as a law among laws: streams, slack, large dissipation, borders."""

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
    forward,
    gradient_flow,
    loss_at,
    moving_signal,
    relative,
)

import hamlearn as hl
from hamlearn.action import Slack
from hamlearn.laws import phase
from hamlearn.laws.base import without_rest
from hamlearn.mechanics import (
    Baumgarte,
    ExponentialDamping,
    GramSolve,
    Projected,
    Projection,
    RepeatedSweeps,
)


def recurrent(key, gain=0.6):
    """Eight tanh neurons with cycles, two of which hear a constant input."""
    graph = hl.Digraph.random(8, in_degree=4, key=key)
    network = hl.RateNetwork(
        graph, inputs=2, outputs=1, input_nodes=[0, 1], gain=gain, key=key,
        learn=("weight", "input_weight"),
    )  # fmt: skip
    assert graph.levels() is None
    return network


CONSTANT = hl.Signal(
    input=lambda t: jnp.array([0.7, -0.4]), target=lambda t: jnp.full(1, 0.5)
)


def still_sample(signal, t=0.0):
    return first(signal.jets(jnp.array([t])))


def test_slack_tends_to_recurrent_backprop():
    """Quasi-static slack: the error of the credit falls like 1/kappa."""
    network = recurrent(jax.random.key(2), gain=0.4)
    errors = [settled_credit(network, kappa) for kappa in (10.0, 100.0, 1000.0)]
    assert errors[1] < 1.65e-2
    np.testing.assert_allclose(np.diff(np.log10(errors)), -1.0, atol=0.1)


def settled_credit(network, kappa):
    """Error of the credit where x and s rest, against the implicit gradient.

    They rest where V(x) + kappa/2 |x - sigma(x)|^2 is least, found by Newton's method.
    """
    law = hl.STLP(
        inertia=1e9, dissipation=0.0, neuron_mass=1e-3, slack=Slack(stiffness=kappa)
    )
    return _settled_credit(law, law.init(network), network, jnp.asarray(kappa))


@eqx.filter_jit
def _settled_credit(law, state, network, kappa):
    sample = still_sample(CONSTANT)
    gap = lambda x: x - network.activation(network.drive(x, sample.input))
    energy = lambda x: (
        jnp.sum((x[-1:] - sample.target) ** 2) / 2 + kappa / 2 * jnp.sum(gap(x) ** 2)
    )
    newton = lambda _, x: (
        x - jnp.linalg.solve(jax.hessian(energy)(x), jax.grad(energy)(x))
    )
    x = jax.lax.fori_loop(0, 20, newton, forward(network, sample.input))
    begun = jnp.ones_like(state.credit.begun)
    where = lambda s: (s.x, s.credit.slack, s.credit.begun)
    at_rest = eqx.tree_at(where, state, (x, gap(x), begun))
    ours, _, _ = law.estimate(at_rest, sample, jnp.array(0.1))
    true = jax.grad(loss_at(state.rest.frozen, sample, 100))(at_rest.w)
    off, size = jax.tree.map(jnp.subtract, ours, true), true
    norm = lambda w: jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(w)))
    return norm(off) / norm(size)


def test_slack_dynamics_learn_and_without_stiffness_nothing_is_learned():
    network = recurrent(jax.random.key(2))
    w0 = {"weight": network.weight, "input_weight": network.input_weight}
    frozen = hl.STLP(slack=Slack()).init(network).rest.frozen
    target = gradient_flow(frozen, w0, CONSTANT, 1.0, 4.0, sweeps=100)
    loss = loss_at(frozen, CONSTANT(jnp.array(0.0)), 200)
    theta, end = 100.0, {}
    for kappa in (0.0, 100.0):
        law = hl.STLP(
            inertia=1 / theta,
            dissipation=theta,
            neuron_mass=1e-2 / theta,
            slack=Slack(mass=1e-2 / theta, stiffness=kappa),
        )
        result = hl.solve(
            law, network, CONSTANT, t0=0.0, t1=4.0,
            saveat=dfx.SaveAt(ts=jnp.array([0.0, 4.0])),
        )  # fmt: skip
        end[kappa] = result.state.w
        assert result.info["residual"].max() < 1e-6
    gap = np.linalg.norm(flat(end[100.0]) - flat(target))
    travelled = np.linalg.norm(flat(target) - flat(w0))
    assert gap < 0.05 * travelled
    start = loss(w0)
    assert loss(end[100.0]) < 0.5 * start
    assert abs(loss(end[0.0]) - start) < 5e-2 * start


def test_the_step_does_not_shrink_with_dissipation():
    """theta = 3000 and h = 0.1, a hundred steps, against an adaptive reference."""
    network, signal = chain(jax.random.key(1)), chain_signal()
    theta = 3000.0
    law = hl.STLP(inertia=1 / theta, dissipation=theta, neuron_mass=1e-2 / theta)
    result = hl.solve(
        law, network, signal, t0=0.0, t1=10.0, dt0=0.1,
        solver=Projected(ExponentialDamping(theta, pair=phase), law.project),
        controller=dfx.ConstantStepSize(), saveat=dfx.SaveAt(ts=jnp.array([10.0])),
    )  # fmt: skip
    assert result.samples == 100
    reference = hl.solve(
        law, network, signal, t0=0.0, t1=10.0, solver=dfx.Dopri8(),
        saveat=dfx.SaveAt(ts=jnp.array([10.0])),
    )  # fmt: skip
    assert reference.samples > 3000
    gap = flat(result.state.w) - flat(reference.state.w)
    assert np.abs(gap).max() < 1e-2
    assert np.abs(flat(reference.state.w) - [0.8, 0.5]).max() > 0.05


@pytest.mark.parametrize("theta", [0.0, 2.0, 50.0])
def test_damping_is_exact_and_of_first_order(theta):
    """Without a force the velocity is exact; with one the error halves with h."""

    def motion(h, force):
        solution = dfx.diffeqsolve(
            dfx.ODETerm(lambda t, y, args: (y[1], force * jnp.cos(t) - theta * y[1])),
            ExponentialDamping(theta), 0.0, 1.0, h, (jnp.array(0.0), jnp.array(1.5)),
        )  # fmt: skip
        return [float(leaf[-1]) for leaf in solution.ys]

    assert abs(motion(0.1, 0.0)[1] - 1.5 * np.exp(-theta)) < 1e-12
    exact = (
        1.5 * np.exp(-theta)
        + (theta * np.cos(1) + np.sin(1) - theta * np.exp(-theta)) / (theta**2 + 1)
    )  # fmt: skip
    errors = [abs(motion(h, 1.0)[1] - exact) for h in (0.02, 0.01)]
    assert 1.8 < errors[0] / errors[1] < 2.2


def test_large_damping_is_gradient_descent():
    """theta h -> infinity: one step is w - h/(m theta) grad V."""
    slope = lambda q: 3.0 * (q - 0.7)
    m, theta, h = 0.5, 1e6, 0.1
    field = lambda t, y, args: (y[1], -slope(y[0]) / m - theta * y[1])
    solver, terms = ExponentialDamping(theta), dfx.ODETerm(field)
    y0 = (jnp.array(0.2), jnp.array(0.0))
    y1, *_ = solver.step(terms, jnp.array(0.0), jnp.array(h), y0, None, None, False)
    expected = 0.2 - h / (m * theta) * slope(0.2)
    assert abs(float(y1[0]) - expected) < 1e-12


@pytest.mark.slow
def test_default_stays_on_the_constraints_for_a_hundred_thousand_steps():
    network, signal = chain(jax.random.key(1)), chain_signal()
    law = hl.STLP(dissipation=1.0, neuron_mass=0.05)
    samples = signal.jets(jnp.asarray(np.arange(100_000) * 0.02))
    result = hl.stream(law, network, samples, dt=0.02, progress=False, record_every=10)
    assert result.info["residual"].max() < 1e-6
    assert result.info["residual_rate"].max() < 1e-6
    assert result.loss[-1000:].mean() < 0.5 * result.loss[:1000].mean()


def test_stream_starts_on_the_constraints_and_steps_begin_alone(getkey):
    """`begin` and a first step from a state that has not begun are the same."""
    network, signal = dag(getkey()), moving_signal()
    law = hl.STLP(dissipation=5.0)
    sample = still_sample(signal)
    fresh = law.init(network)
    begun = law.begin(fresh, jnp.array(0.0), sample)
    np.testing.assert_allclose(begun.x, forward(network, sample.input), atol=1e-15)
    h = 1e-5
    ahead = forward(network, sample.input + h * sample.input_rate)
    behind = forward(network, sample.input - h * sample.input_rate)
    np.testing.assert_allclose(
        begun.credit.x_dot, (ahead - behind) / (2 * h), atol=1e-9
    )
    step = eqx.filter_jit(law.step)
    (a, info_a), (b, info_b) = (
        step(state, sample, jnp.array(0.01)) for state in (fresh, begun)
    )
    for one, other in zip(
        jax.tree.leaves((without_rest(a), info_a)),
        jax.tree.leaves((without_rest(b), info_b)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    assert float(info_a.more["residual"]) < 1e-14


def calls(jaxpr, name):
    """How often a primitive stands in a program and in all that it calls."""
    is_jaxpr = lambda leaf: hasattr(leaf, "eqns") or hasattr(leaf, "jaxpr")
    total = 0
    for equation in jaxpr.eqns:
        total += equation.primitive.name == name
        for inner in jax.tree.leaves(equation.params, is_leaf=is_jaxpr):
            if is_jaxpr(inner):
                total += calls(getattr(inner, "jaxpr", inner), name)
    return total


@pytest.mark.parametrize(("newton", "factorisations"), [(1, 2), (3, 4), (0, 1)])
def test_velocities_and_multipliers_share_a_factorisation(
    newton, factorisations, getkey
):
    """One for each Newton step onto G = 0, one for dG/dt = 0 and the multipliers."""
    kind = Projection(newton) if newton else Baumgarte(1.0, 1.0)
    law, sample = hl.STLP(stabilisation=kind), still_sample(moving_signal())
    state = law.init(dag(getkey()))
    step = jax.make_jaxpr(lambda y, s: law.step(y, s, jnp.array(0.1)))(state, sample)
    assert calls(step.jaxpr, "cholesky") == factorisations


def test_held_weights_leave_the_neurons_at_rest_in_them(getkey):
    """Evaluation follows the forward pass of the weights as they are, exactly."""
    network, signal = dag(getkey()), moving_signal()
    samples = signal.jets(jnp.asarray(np.arange(200) * 0.05))
    cut = lambda a, b: jax.tree.map(lambda leaf: leaf[a:b], samples)
    law = hl.STLP(inertia=0.01, dissipation=10.0, neuron_mass=1e-5)
    state = hl.stream(law, network, cut(0, 100), dt=0.05, progress=False).state
    assert np.abs(flat(state.update)).max() > 1e-2
    result = hl.stream(law, state, cut(100, 200), dt=0.05, learn=False, progress=False)
    for name, leaf in state.w.items():
        np.testing.assert_array_equal(result.state.w[name], leaf)
        np.testing.assert_array_equal(result.state.update[name], state.update[name])
    forwards = jax.vmap(lambda u: forward(state.network, u)[-2:])
    np.testing.assert_allclose(
        result.output[1:], forwards(samples.input[101:]), atol=1e-5
    )


def test_causality_and_one_compilation():
    """Sample k + 1 moves nothing up to t_{k+1}; other numbers compile nothing new."""
    network, signal = chain(jax.random.key(1)), chain_signal()
    samples = signal.jets(jnp.asarray(np.arange(8) * 0.05))
    changed = jax.tree.map(lambda leaf: leaf.at[5].add(0.3), samples)
    traced = eqx.debug.assert_max_traces(max_traces=1)(
        lambda law, state, s, dt: law.step(state, s, dt)
    )
    step = eqx.filter_jit(traced)
    runs = []
    for theta, data in [(1.0, samples), (1.0, changed), (3.0, samples)]:
        law = hl.STLP(dissipation=theta, neuron_mass=0.05 / theta)
        state = law.init(network)
        state = law.begin(state, jnp.array(0.0), first(data))
        path = []
        for k in range(8):
            one = jax.tree.map(lambda leaf, k=k: leaf[k], data)
            state, _ = step(law, state, one, jnp.array(0.05))
            path.append(flat(state.w))
        runs.append(np.stack(path))
    np.testing.assert_array_equal(runs[0][:5], runs[1][:5])
    assert np.abs(runs[0][5:] - runs[1][5:]).max() > 0
    assert np.abs(runs[0] - runs[2]).max() > 0


@pytest.mark.parametrize("neuron_mass", [3e-4, 3e-5])
def test_single_precision_learns_the_same(neuron_mass):
    """float32 follows float64 where the mass of neurons allows, on the constraints."""
    weights = []
    for dtype in (jnp.float32, jnp.float64):
        network = hl.RateNetwork(
            hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[0], dtype=dtype,
            learn=("weight", "input_weight"), key=jax.random.key(0),
        )  # fmt: skip
        put = lambda n: (n.weight, n.input_weight)
        start = (
            jnp.full(network.weight.shape, 0.5, dtype),
            jnp.full((1, 1), 0.8, dtype),
        )
        network = eqx.tree_at(put, network, start)
        law = hl.STLP(dissipation=1.0, neuron_mass=neuron_mass)
        samples = chain_signal().jets(jnp.asarray(np.arange(2000) * 0.01))
        result = hl.stream(law, network, samples, dt=0.01, progress=False)
        assert result.network.weight.dtype == dtype
        assert result.info["residual"].max() < 1e-6
        weights.append(flat(result.state.w))
    np.testing.assert_allclose(*weights, atol=1e-4)
    assert np.abs(weights[1] - [0.8, 0.5]).max() > 0.05


@pytest.mark.parametrize("gram", [GramSolve(), RepeatedSweeps()])
def test_a_run_that_explodes_ends_with_its_report(gram, getkey):
    network = hl.RateNetwork(
        hl.Digraph.layered([4, 1]), inputs=2, activation=lambda a: a, key=getkey()
    )  # fmt: skip
    wave = lambda t: jnp.exp(20 * t) * jnp.ones(2)
    signal = hl.Signal(wave, lambda t: jnp.cos(t)[None])
    law = hl.STLP(gram=gram, dissipation=0.0)
    with pytest.warns(hl.DivergenceWarning, match="diverged at t = "):
        result = hl.stream(
            law, network, signal.jets(jnp.arange(300.0) * 0.1), dt=0.1, progress=False
        )
    assert result.diverged is not None
    assert result.diverged.sample < 300
    assert all(np.isfinite(leaf).all() for leaf in result.to_numpy().values())


def test_a_batch_follows_the_mean_gradient(getkey):
    network, signal = dag(getkey()), moving_signal()
    batch = hl.Batch(network, 2)
    two = lambda f: lambda t: jnp.stack([f(t), f(t + 1.0)])
    law = hl.STLP(neuron_mass=1e-7, dissipation=0.0)
    moving = hl.Signal(two(signal.input), two(signal.target))
    state = law.begin(law.init(batch), jnp.array(0.4), moving)
    estimate = eqx.filter_jit(law.estimate)
    ours, _, _ = estimate(state, still_sample(moving, 0.4), jnp.array(0.1))
    frozen = law.init(network).rest.frozen
    grads = [
        jax.grad(loss_at(frozen, signal(jnp.array(t)), 9))(
            {"weight": network.weight, "input_weight": network.input_weight}
        )
        for t in (0.4, 1.4)
    ]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *grads)
    assert relative(ours, mean) < 1e-4


def test_errors_say_what_is_wrong(getkey):
    network, signal = dag(getkey()), moving_signal()
    law = hl.STLP()
    held = signal.sample(jnp.arange(4.0))
    with pytest.raises(
        ValueError, match=r"`sample.input_rate` must be given .`mollify"
    ):
        hl.stream(law, network, held, dt=0.1)
    with pytest.raises(ValueError, match=r"`sample.input_rate` must be given"):
        law.step(law.init(network), first(held), jnp.array(0.1))
    cyclic = hl.RateNetwork(hl.Digraph.complete(4, self_loops=False), key=getkey())
    with pytest.raises(ValueError, match="`slack` must be a Slack for a network"):
        law.init(cyclic)
    right = forward(network, signal(jnp.array(0.0)).input)
    samples = signal.jets(jnp.arange(4.0))
    hl.stream(law, network, samples, dt=0.1, x0=right, progress=False)
    with pytest.raises(
        ValueError, match=r"`x0` must be the forward pass .* off by 0.25"
    ):
        hl.stream(law, network, samples, dt=0.1, x0=right.at[3].add(0.25))
    with pytest.raises(
        ValueError, match=r"`x0` must be the forward pass .* off by 0.25"
    ):
        hl.solve(law, network, signal, t0=0.0, t1=1.0, x0=right.at[3].add(0.25))
    with pytest.raises(ValueError, match="`neuron_mass` must be positive, but is 0"):
        hl.STLP(neuron_mass=0.0)
    with pytest.raises(ValueError, match=r"`weight_mass` must be masses of .*'wieght'"):
        hl.STLP(weight_mass={"wieght": 1.0}).init(network)
    with pytest.raises(ValueError, match="`stiffness` must be non-negative"):
        Slack(stiffness=-1.0)
    with pytest.raises(ValueError, match="`newton` must be an integer of at least 1"):
        Projection(0)
