"""BPTT against a hand-written unrolled loop, closed forms and itself truncated."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hamlearn import Batch, Cost, Digraph, Dynamics, RateNetwork, Sample, stream
from hamlearn.networks.partition import join, split
from hamlearn.rules.bptt import BPTT, SqrtCheckpoints, stream_gradient


def make_network(graph, key, inputs=2, outputs=2, **options):
    tau = jnp.linspace(0.5, 2.0, graph.num_nodes)
    return RateNetwork(
        graph, inputs=inputs, outputs=outputs, time_constant=tau, key=key, **options
    )


def make_samples(key, steps, inputs=2, outputs=2, batch=()):
    key_u, key_y = jax.random.split(key)
    u = jax.random.normal(key_u, (steps, *batch, inputs))
    return Sample(u, jax.random.normal(key_y, (steps, *batch, outputs)))


def unrolled(network, samples, dt, cost):
    """Python loop over time, as in a textbook."""
    w, frozen = split(network)

    def total(w):
        net, x, value = join(w, frozen), network.initial_state(), 0.0
        for u, y in zip(samples.input, samples.target, strict=True):
            out = net.readout(x, u)
            decay = sum(jnp.sum(leaf**2) for leaf in w.values())
            value += cost.accuracy * jnp.sum((out - y) ** 2) / 2
            value += cost.weight_decay / 2 * decay
            x = x + dt * net(x, u)
        return value

    return jax.grad(total)(w)


def close(a, b, tolerance=1e-10):
    for name in b:
        scale = np.abs(b[name]).max() + 1e-30
        assert np.abs(a[name] - b[name]).max() < tolerance * scale, name


@pytest.mark.parametrize("memory", ["plain", "checkpointed"])
def test_stream_gradient_is_that_of_the_unrolled_loop(getkey, memory):
    network = make_network(Digraph.complete(4, self_loops=True), getkey())
    samples = make_samples(getkey(), 11)
    cost = Cost(accuracy=2.0, weight_decay=0.1)
    options = {"memory": SqrtCheckpoints()} if memory == "checkpointed" else {}
    g, _ = stream_gradient(cost, network, samples, dt=0.1, **options)
    close(g, unrolled(network, samples, 0.1, cost))


def test_gradient_of_a_linear_neuron_in_closed_form(getkey):
    # x' = x + dt (b u - x), u = 1: x_k = b (1 - (1 - dt)^k), d/db of sum (x_k)^2/2.
    network = RateNetwork(
        Digraph(1, [0], [0]), inputs=1, activation=lambda a: a, key=getkey()
    )
    zero, b, dt = jnp.zeros_like(network.weight), 0.7, 0.1
    network = eqx.tree_at(
        lambda n: (n.weight, n.input_weight), network, (zero, jnp.full((1, 1), b))
    )
    g, _ = stream_gradient(
        Cost(), network, Sample(jnp.ones((20, 1)), jnp.zeros((20, 1))), dt=dt
    )
    rise = 1 - (1 - dt) ** np.arange(20)
    assert np.isclose(g["input_weight"][0, 0], b * np.sum(rise**2), rtol=1e-12)


def run(rule, network, samples, dt=0.1):
    state = rule.init(network)

    def body(state, sample):
        return rule.step(state, sample, jnp.asarray(dt))

    return jax.lax.scan(body, state, samples)


def test_a_window_of_the_whole_stream_is_the_full_gradient(getkey):
    network = make_network(Digraph.random(6, in_degree=2, key=getkey()), getkey())
    samples = make_samples(getkey(), 12)
    state, _ = run(BPTT(Cost(), optax.sgd(1.0), window=12), network, samples)
    exact, _ = stream_gradient(Cost(), network, samples, dt=0.1)
    w, _ = split(network)
    close({name: w[name] - state.w[name] for name in w}, exact, 1e-9)


def test_overlap_gives_the_credit_of_the_longer_window(getkey):
    network = make_network(Digraph.complete(3, self_loops=False), getkey())
    samples = make_samples(getkey(), 12)
    rule = BPTT(Cost(), optax.sgd(1.0), window=4, overlap=8)
    still = BPTT(Cost(), optax.sgd(0.0), window=4, overlap=8)
    state, _ = run(still, network, jax.tree.map(lambda a: a[:11], samples))
    state = eqx.tree_at(lambda s: s.memory, state, rule.optimizer.init(state.w))
    last = jax.tree.map(lambda a: a[11], samples)
    after, _ = rule.step(state, last, jnp.asarray(0.1))
    counted = jnp.asarray([0.0] * 8 + [1.0] * 4)
    exact, _ = stream_gradient(Cost(), network, samples, dt=0.1, counted=counted)
    close({k: state.w[k] - after.w[k] for k in exact}, exact, 1e-9)


def test_truncation_error_falls_with_the_overlap(getkey):
    network = make_network(Digraph.complete(4, self_loops=True), getkey(), gain=0.5)
    samples = make_samples(getkey(), 240)
    counted = jnp.zeros(240).at[-1].set(1.0)
    exact, _ = stream_gradient(Cost(), network, samples, dt=0.1, counted=counted)
    errors = []
    for overlap in (20, 60, 180):
        tail = jax.tree.map(lambda a, n=overlap: a[-n - 1 :], samples)
        state, _ = run(
            BPTT(Cost(), optax.sgd(0.0), window=1, overlap=overlap), network, samples
        )
        start = state.past.x[state.count % (overlap + 1)]
        g, _ = stream_gradient(
            Cost(), network, tail, dt=0.1, x0=start, counted=counted[-overlap - 1 :]
        )
        off = optax.tree_utils.tree_sub(g, exact)
        errors.append(
            float(optax.tree_utils.tree_norm(off) / optax.tree_utils.tree_norm(exact))
        )
    assert errors[0] > 5 * errors[1] > 50 * errors[2]
    assert errors[2] < 1e-3


def test_a_batch_is_the_mean_over_its_streams(getkey):
    network = make_network(Digraph.layered([2, 3, 2]), getkey())
    samples = make_samples(getkey(), 9, batch=(3,))
    g, _ = stream_gradient(Cost(), Batch(network, 3), samples, dt=0.1)
    each = [
        stream_gradient(
            Cost(), network, jax.tree.map(lambda a, k=k: a[:, k], samples), dt=0.1
        )[0]
        for k in range(3)
    ]
    mean = {f"network.{n}": sum(e[n] for e in each) / 3 for n in each[0]}
    close(g, mean)
    state, _ = run(BPTT(window=9, optimizer=optax.sgd(1.0)), Batch(network, 3), samples)
    w, _ = split(Batch(network, 3))
    close({name: w[name] - state.w[name] for name in w}, mean, 1e-9)


def test_updates_come_at_the_ends_of_windows_and_the_state_keeps_its_size(getkey):
    network = make_network(Digraph.complete(3, self_loops=True), getkey())
    samples = make_samples(getkey(), 40)
    rule = BPTT(window=5, overlap=2)
    state = rule.init(network)
    sizes, changed = set(), []
    step = eqx.filter_jit(rule.step)
    for k in range(40):
        before = state.w["weight"]
        now = jax.tree.map(lambda a, k=k: a[k], samples)
        state, _ = step(state, now, jnp.asarray(0.1))
        sizes.add(sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
        changed.append(bool(np.any(before != state.w["weight"])))
    assert np.flatnonzero(changed).tolist() == list(range(4, 40, 5))
    assert len(sizes) == 1


def test_streaming_learns_a_linear_map(getkey):
    network = RateNetwork(
        Digraph.complete(3, self_loops=True), inputs=2, time_constant=0.1, key=getkey()
    )
    u = jax.random.normal(getkey(), (4000, 2)) * 0.5
    y = jnp.concatenate([jnp.zeros((1, 1)), 0.4 * u[:-1] @ jnp.ones((2, 1))])
    rule = BPTT(Cost(), optax.sgd(0.05), window=10)
    result = stream(rule, network, (u, y), dt=0.1, progress=False)
    assert result.loss[-400:].mean() < 0.02 * result.losses["zero"]


def test_unknown_inputs_are_asked_for(getkey):
    class Leaky(eqx.Module):
        a: jax.Array

        def __call__(self, x, u):
            return -self.a * x + u

    network = Dynamics(Leaky(jnp.ones(2)), initial_state=jnp.zeros(2))
    with pytest.raises(ValueError, match="`inputs` must be given"):
        BPTT(window=3).init(network)
    samples = make_samples(getkey(), 3)
    state, _ = run(BPTT(Cost(), optax.sgd(1.0), window=3, inputs=2), network, samples)
    exact, _ = stream_gradient(Cost(), network, samples, dt=0.1)
    close({"drift.a": 1 - state.w["drift.a"]}, exact)
