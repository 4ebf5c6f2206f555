"""Exact gradients against plain loops, closed forms, the laws, and their own memory."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from online_twin import relative, summed

import hamlearn as hl
from hamlearn.costates import Checkpoints, Midpoint, SignFlip, Stored
from hamlearn.laws import Law
from hamlearn.sensitivities import Immediate
from hamlearn.updates import Optax

DT = 0.05
COST = hl.Cost(loss_weight=3.0, weight_decay=0.2)
MEMORIES = {"stored": Stored(), "checkpoints": Checkpoints(), "midpoint": Midpoint()}


def make_samples(key, steps, batch=(), inputs=2):
    key_u, key_y = jax.random.split(key)
    u = jax.random.normal(key_u, (steps, *batch, inputs))
    return hl.Sample(u, jax.random.normal(key_y, (steps, *batch, 2)))


def problem(getkey, graph, steps=40):
    network = hl.RateNetwork(
        graph, inputs=2, outputs=2, time_constant=0.4, key=getkey()
    )
    x0 = 0.3 * jax.random.normal(getkey(), (graph.num_nodes,))
    return network, make_samples(getkey(), steps), x0


def slow_cost(network, samples, x0, midpoint=False, counted=None, begins=()):
    """J by a loop over time, for `jax.grad`; shares no code with the library."""
    w = (network.weight, network.input_weight, network.bias)
    decay = sum(jnp.sum(a**2) for a in w)
    times = np.arange(samples.target.shape[0])

    def step(states, now):
        before, x = states
        u, y, much, begins, first = now
        x = jnp.where(begins, 0.0, x)
        ell = 3.0 * jnp.sum((x[-2:] - y) ** 2) / 2 + 0.1 * decay
        f = network(x, u)
        after = x + DT * f
        if midpoint:
            after = jnp.where(first, after, before + 2 * DT * f)
        return (x, after), much * ell

    counted = jnp.ones(times.size) if counted is None else counted
    marks = jnp.asarray(np.isin(times, begins)), jnp.asarray(times == 0)
    stream = (samples.input, samples.target, counted, *marks)
    return jnp.sum(jax.lax.scan(step, (x0, x0), stream)[1])


def truth(network, samples, x0, **options):
    """(J, dJ/dw by name, dJ/dx_0) of the loop."""
    w, frozen = hl.split(network)
    J = lambda w, x: slow_cost(hl.join(w, frozen), samples, x, **options)
    value, (by_w, by_x) = jax.jit(jax.value_and_grad(J, (0, 1)))(w, x0)
    return value, by_w, by_x


def close(found, wanted, tolerance=1e-12):
    value, by_w, by_x = wanted
    assert found.w.keys() == by_w.keys()
    for a, b in [(found.value, value), (found.x0, by_x)] + [
        (found.w[name], by_w[name]) for name in by_w
    ]:
        scale = np.abs(b).max()
        assert scale > 1e-3
        np.testing.assert_allclose(a, b, atol=tolerance * scale, rtol=0)


GRAPHS = {
    "complete": lambda key: hl.Digraph.complete(5, self_loops=True),
    "layered": lambda key: hl.Digraph.layered([3, 4, 2]),
    "sparse": lambda key: hl.Digraph.random(8, in_degree=3, key=key),
}


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("memory", MEMORIES)
def test_gradient_is_that_of_autodiff_through_the_loop(getkey, graph, memory):
    # The midpoint rule loses a digit every 1.2 time constants: 2.5 of them here.
    midpoint = memory == "midpoint"
    graph = GRAPHS[graph](getkey())
    network, samples, x0 = problem(getkey, graph, steps=20 if midpoint else 40)
    counted = jax.random.uniform(getkey(), (len(samples.target),))
    found = hl.exact_gradient(
        COST, network, samples, dt=DT, x0=x0, counted=counted,
        memory=MEMORIES[memory],
    )  # fmt: skip
    close(found, truth(network, samples, x0, midpoint=midpoint, counted=counted))


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_batch_is_the_mean_over_its_streams(getkey, memory):
    network, _, x0 = problem(getkey, GRAPHS["layered"](None))
    samples, starts = make_samples(getkey(), 11, (3,)), jnp.stack([x0, -x0, 2 * x0])
    found = hl.exact_gradient(
        COST, hl.Batch(network, 3), samples, dt=DT, x0=starts, memory=MEMORIES[memory]
    )
    one = lambda samples, x0: truth(
        network, samples, x0, midpoint=memory == "midpoint"
    )  # fmt: skip
    value, by_w, by_x = jax.vmap(one, (1, 0))(samples, starts)
    value, by_w = jax.tree.map(lambda leaf: leaf.mean(0), (value, by_w))
    close(found, (value, by_w, by_x / 3))


@pytest.mark.parametrize("memory", ["stored", "checkpoints"])
def test_nothing_crosses_the_start_of_an_episode(getkey, memory):
    network, samples, x0 = problem(getkey, GRAPHS["sparse"](getkey()), steps=20)
    start = jnp.zeros(20, bool).at[jnp.asarray([7, 13])].set(True)
    marked = hl.Sample(samples.input, samples.target, start=start)
    found = hl.exact_gradient(
        COST, network, marked, dt=DT, x0=x0, memory=MEMORIES[memory]
    )
    close(found, truth(network, samples, x0, begins=(7, 13)))


def test_gradient_of_a_linear_neuron_in_closed_form(getkey):
    # x' = x + dt (b u - x), u = 1: x_k = b (1 - (1 - dt)^k), d/db of sum (x_k)^2/2.
    network = hl.RateNetwork(
        hl.Digraph(1, [0], [0]), inputs=1, activation=lambda a: a, key=getkey()
    )
    zero, b, dt = jnp.zeros_like(network.weight), 0.7, 0.1
    network = eqx.tree_at(
        lambda n: (n.weight, n.input_weight), network, (zero, jnp.full((1, 1), b))
    )
    samples = (jnp.ones((20, 1)), jnp.zeros((20, 1)))
    g = hl.exact_gradient(hl.Cost(), network, samples, dt=dt)
    rise = 1 - (1 - dt) ** np.arange(20)
    assert np.isclose(g.w["input_weight"][0, 0], b * np.sum(rise**2), rtol=1e-12)
    assert np.isclose(g.value, b**2 * np.sum(rise**2) / 2, rtol=1e-12)


def test_a_stream_run_forward_and_then_reversed_is_bptt(getkey):
    """The law's own vector field with s = -1, fed with a finished run backwards."""
    network, samples, x0 = problem(getkey, GRAPHS["complete"](None))
    still = Law(COST, Immediate(), Optax(optax.sgd, learning_rate=0.0))
    _, states = hl.scan(
        still, still.init(network, x0=x0), samples, DT, lambda after, *_: after.x
    )
    states = jnp.concatenate([x0[None], states[:-1]])
    law = hl.HamiltonianLearning(COST, SignFlip(), dissipation=0.0)
    state = law.init(network)

    def back(carry, moment):
        p_x, p_w = carry
        x, sample = moment
        y = eqx.tree_at(
            lambda s: (s.x, s.credit.memory, s.update, s.rest), state,
            (x, p_x, p_w, None), is_leaf=lambda leaf: leaf is None,
        )  # fmt: skip
        rate = law.vector_field(jnp.zeros(()), y, (state.rest, sample))
        step = lambda p, f: p + DT * f
        p_w = jax.tree.map(step, p_w, rate.update)
        return (step(p_x, rate.credit.memory), p_w), None

    start = jnp.zeros_like(x0), jax.tree.map(jnp.zeros_like, state.w)
    (p_x, p_w), _ = jax.jit(
        lambda: jax.lax.scan(back, start, (states, samples), reverse=True)
    )()
    exact = hl.exact_gradient(COST, network, samples, dt=DT, x0=x0)
    np.testing.assert_allclose(p_x, DT * exact.x0, rtol=1e-12)
    for name, leaf in exact.w.items():
        scale = DT * np.abs(leaf).max()
        np.testing.assert_allclose(p_w[name], DT * leaf, atol=1e-12 * scale, rtol=0)


@pytest.mark.parametrize("streams", [None, 3])
def test_the_prospective_action_has_the_same_gradient(getkey, streams):
    """Its Euler-Lagrange equations are backpropagation through the same steps."""
    N, discount = 60, 0.4
    tau_m = jnp.linspace(0.4, 2.0, 7)
    learn = ("weight", "bias", "membrane_time_constant", "prospective_time_constant")
    network = hl.VoltageNetwork(
        hl.Digraph.layered([2, 3, 2]), inputs=2, outputs=2, learn=learn,
        membrane_time_constant=tau_m, prospective_time_constant=0.7 * tau_m[::-1],
        key=getkey(),
    )  # fmt: skip
    batch = () if streams is None else (streams,)
    network = network if streams is None else hl.Batch(network, streams)
    u, y = make_samples(getkey(), N, batch), make_samples(getkey(), N, batch)
    weight = jax.random.uniform(getkey(), (N, *batch))
    samples = hl.Sample(u.input, y.target, weight)
    g = summed(hl.VLE(COST, window=N, discount=discount), network, samples, dt=DT)
    counted = np.exp(-discount * DT * np.arange(N)) / N
    exact = hl.exact_gradient(COST, network, samples, dt=DT, counted=counted).w
    assert all(np.linalg.norm(leaf) > 1e-4 for leaf in exact.values())
    assert relative(g, exact) < 1e-12


def test_midpoint_recovers_the_start_and_says_when_it_cannot(getkey):
    network, samples, x0 = problem(getkey, GRAPHS["complete"](None), steps=20)
    found = hl.exact_gradient(COST, network, samples, dt=DT, x0=x0, memory=Midpoint())
    np.testing.assert_allclose(found.start, x0, atol=1e-12)
    # 100 time constants: the parasitic mode amplifies rounding beyond recognition.
    long = jax.tree.map(lambda a: jnp.tile(a, (40, 1)), samples)
    found = hl.exact_gradient(COST, network, long, dt=DT, x0=x0, memory=Midpoint())
    assert not np.allclose(found.start, x0, atol=0.1)


def scratch(memory, steps, n=20):
    network = hl.RateNetwork(
        hl.Digraph.complete(n, self_loops=True), inputs=2, outputs=2,
        key=jax.random.key(0),
    )  # fmt: skip
    samples = hl.Sample(jnp.zeros((steps, 2)), jnp.zeros((steps, 2)))
    run = jax.jit(
        lambda x, s: hl.exact_gradient(COST, network, s, dt=DT, x0=x, memory=memory).w
    )
    program = run.lower(network.initial_state(), samples).compile()
    return program.memory_analysis().temp_size_in_bytes


def test_memory_grows_with_the_stream_its_root_or_not_at_all():
    n, state = 20, 20 * 8
    stored = [scratch(Stored(), N) for N in (100, 1000)]
    assert 900 * state < stored[1] - stored[0] < 8 * 900 * state
    roots = [scratch(Checkpoints(), N) for N in (400, 1600, 6400)]
    assert 1.9 < (roots[2] - roots[1]) / (roots[1] - roots[0]) < 2.1
    assert roots[2] < 8 * 80 * state
    free = [scratch(Midpoint(), N) for N in (100, 1000)]
    # Cutting off the first sample may copy the others; states are never stored.
    assert free[1] - free[0] <= 900 * 4 * 8 < 900 * n * 8


def test_it_goes_into_other_transformations(getkey):
    network, samples, x0 = problem(getkey, GRAPHS["sparse"](getkey()), steps=10)
    starts = jnp.stack([x0, 2 * x0])
    of = lambda x, s: hl.exact_gradient(COST, network, s, dt=DT, x0=x)
    both = jax.jit(jax.vmap(of, (0, None)))(starts, samples)
    for k in range(2):
        wanted = of(starts[k], samples)
        for a, b in zip(jax.tree.leaves(both), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-12, atol=1e-14)


def test_a_sum_in_half_precision_does_not_stop_growing():
    network = hl.RateNetwork(
        hl.Digraph(1, [0], [0]), inputs=1, dtype=jnp.bfloat16, key=jax.random.key(0)
    )
    samples = (np.zeros((2000, 1)), np.ones((2000, 1)))
    for memory in (Stored(), Checkpoints()):
        g = hl.exact_gradient(hl.Cost(), network, samples, dt=0.1, memory=memory)
        assert abs(float(g.value) - 1000) < 10
        assert g.w["weight"].dtype == jnp.bfloat16


def test_errors_name_the_argument(getkey):
    network, samples, _ = problem(getkey, GRAPHS["complete"](None), steps=3)
    of = lambda **options: hl.exact_gradient(
        COST, network, **{"samples": samples, "dt": DT} | options
    )
    with pytest.raises(ValueError, match=r"`dt` must be positive, but is -1\.0"):
        of(dt=-1.0)
    with pytest.raises(ValueError, match=r"`counted` must be an array of shape \(3\)"):
        of(counted=jnp.ones(4))
    one = jax.tree.map(lambda a: a[:1], samples)
    with pytest.raises(ValueError, match=r"`len\(samples\)` must be .* at least 2"):
        of(samples=one, memory=Midpoint())
    begun = hl.Sample(samples.input, samples.target, start=jnp.ones(3))
    with pytest.raises(ValueError, match=r"`samples.start` must be None for `Midp"):
        of(samples=begun, memory=Midpoint())
