"""BPTT against a hand-written unrolled loop, closed forms and itself truncated."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from online_twin import summed

from hamlearn import (
    BPTT,
    Batch,
    Cost,
    Digraph,
    Dynamics,
    RateNetwork,
    Sample,
    exact_gradient,
    join,
    scan,
    split,
    stream,
)
from hamlearn.costates import Checkpoints
from hamlearn.laws import SlidingBPTT
from hamlearn.updates import Optax


def sgd(rate):
    return Optax(optax.sgd, learning_rate=rate)


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
    """A loop over time, as in a textbook."""
    w, frozen = split(network)

    def total(w):
        net, decay = join(w, frozen), sum(jnp.sum(leaf**2) for leaf in w.values())

        def step(x, now):
            u, y = now
            loss = cost.loss_weight * jnp.sum((net.readout(x, u) - y) ** 2) / 2
            return x + dt * net(x, u), loss + cost.weight_decay / 2 * decay

        pairs = samples.input, samples.target
        return jnp.sum(jax.lax.scan(step, network.initial_state(), pairs)[1])

    return jax.jit(jax.grad(total))(w)


def close(a, b, tolerance=1e-10):
    for name in b:
        scale = np.abs(b[name]).max() + 1e-30
        assert np.abs(a[name] - b[name]).max() < tolerance * scale, name


def run(law, network, samples, dt=0.1):
    start = law.init(network)
    return jax.jit(lambda samples: scan(law, start, samples, dt))(samples)


@pytest.mark.parametrize("window", [11, 12])
def test_a_window_of_the_whole_stream_is_the_gradient_of_the_loop(getkey, window):
    network = make_network(Digraph.complete(4, self_loops=True), getkey())
    samples = make_samples(getkey(), window)
    cost = Cost(loss_weight=2.0, weight_decay=0.1)
    exact = unrolled(network, samples, 0.1, cost)
    close(summed(BPTT(cost, window=window), network, samples, dt=0.1), exact)
    close(exact_gradient(cost, network, samples, dt=0.1).w, exact)


def test_one_update_goes_down_the_full_gradient(getkey):
    network = make_network(Digraph.random(6, in_degree=2, key=getkey()), getkey())
    samples = make_samples(getkey(), 12)
    state, _ = run(BPTT(Cost(), sgd(1.0), window=12), network, samples)
    exact = exact_gradient(Cost(), network, samples, dt=0.1).w
    w, _ = split(network)
    close({name: w[name] - state.w[name] for name in w}, exact, 1e-9)


def test_overlap_gives_the_credit_of_the_longer_window(getkey):
    network = make_network(Digraph.complete(3, self_loops=False), getkey())
    samples = make_samples(getkey(), 12)
    law = BPTT(Cost(), sgd(1.0), window=4, overlap=8)
    still = BPTT(Cost(), sgd(0.0), window=4, overlap=8)
    state, _ = run(still, network, jax.tree.map(lambda a: a[:11], samples))
    last = jax.tree.map(lambda a: a[11], samples)
    after, _ = eqx.filter_jit(law.step)(state, last, jnp.asarray(0.1))
    counted = jnp.asarray([0.0] * 8 + [1.0] * 4)
    exact = exact_gradient(Cost(), network, samples, dt=0.1, counted=counted).w
    close({k: state.w[k] - after.w[k] for k in exact}, exact, 1e-9)


def test_credit_goes_along_the_states_that_were_met(getkey):
    """The second window with overlap, by a loop over states of two sets of weights."""
    network = make_network(Digraph.complete(3, self_loops=True), getkey())
    samples = make_samples(getkey(), 8)
    law = BPTT(Cost(), sgd(0.5), window=4, overlap=4)
    start = law.init(network)
    _, states = scan(law, start, samples, 0.1, lambda after, *_: (after.x, after.w))
    x = jnp.concatenate([start.x[None], states[0][:-1]])
    before, after = (jax.tree.map(lambda a, k=k: a[k], states[1]) for k in (6, 7))

    def total(w, nudged):
        """ell of samples 4 to 7; x_{k+1} is that met, plus what a nudge makes of it."""
        net, value = join(w, split(network)[1]), 0.0
        for k in range(8):
            at = x[k] + nudged - jax.lax.stop_gradient(nudged)
            error = net.readout(at, samples.input[k]) - samples.target[k]
            value += float(k >= 4) * jnp.sum(error**2) / 2
            nudged = at + 0.1 * net(at, samples.input[k])
        return value

    g = jax.jit(jax.grad(total))(before, jnp.zeros(3))
    close({k: before[k] - after[k] for k in g}, {k: 0.5 * v for k, v in g.items()})
    # The same under the present weights all along is another gradient.
    other = exact_gradient(
        Cost(), join(before, split(network)[1]), samples, dt=0.1,
        counted=jnp.asarray([0.0] * 4 + [1.0] * 4),
    ).w  # fmt: skip
    assert np.abs(other["weight"] - g["weight"]).max() > 1e-4


def test_truncation_error_falls_with_the_overlap(getkey):
    network = make_network(Digraph.complete(4, self_loops=True), getkey(), gain=0.5)
    samples = make_samples(getkey(), 240)
    counted = jnp.zeros(240).at[-1].set(1.0)
    exact = exact_gradient(Cost(), network, samples, dt=0.1, counted=counted).w
    errors = []
    for overlap in (20, 60, 180):
        law = BPTT(Cost(), sgd(0.0), window=1, overlap=overlap)
        state, _ = run(law, network, jax.tree.map(lambda a: a[:-1], samples))
        last = jax.tree.map(lambda a: a[-1], samples)
        g, _, _ = eqx.filter_jit(law.estimate)(state, last, jnp.asarray(0.1))
        off = optax.tree_utils.tree_sub(g, exact)
        errors.append(
            float(optax.tree_utils.tree_norm(off) / optax.tree_utils.tree_norm(exact))
        )
    assert errors[0] > 5 * errors[1] > 50 * errors[2]
    assert errors[2] < 1e-3


def test_a_batch_is_the_mean_over_its_streams(getkey):
    network = make_network(Digraph.layered([2, 3, 2]), getkey())
    samples = make_samples(getkey(), 9, batch=(3,))
    each = [
        unrolled(network, jax.tree.map(lambda a, k=k: a[:, k], samples), 0.1, Cost())
        for k in range(3)
    ]
    mean = {n: sum(e[n] for e in each) / 3 for n in each[0]}
    batch = Batch(network, 3)
    state, _ = run(BPTT(Cost(), sgd(1.0), window=9), batch, samples)
    w, _ = split(batch)
    close({name: w[name] - state.w[name] for name in w}, mean, 1e-9)


def test_nothing_is_learned_across_the_start_of_an_episode(getkey):
    network = make_network(Digraph.complete(3, self_loops=True), getkey())
    samples = make_samples(getkey(), 10)
    start = jnp.zeros(10, bool).at[6].set(True)
    marked = Sample(samples.input, samples.target, start=start)
    g = summed(BPTT(Cost(), window=10), network, marked, dt=0.1)
    parts = [
        unrolled(network, jax.tree.map(lambda a, s=s: a[s], samples), 0.1, Cost())
        for s in (slice(6), slice(6, None))
    ]
    close(g, jax.tree.map(jnp.add, *parts))


def test_updates_come_at_the_ends_of_windows_and_the_state_keeps_its_size(getkey):
    network = make_network(Digraph.complete(3, self_loops=True), getkey())
    samples = make_samples(getkey(), 40)
    law = BPTT(window=5, overlap=2)
    state = law.init(network)
    sizes, changed = set(), []
    step = eqx.filter_jit(law.step)
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
    law = BPTT(Cost(), sgd(0.05), window=10)
    result = stream(law, network, (u, y), dt=0.1, progress=False)
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
    state, _ = run(BPTT(Cost(), sgd(1.0), window=3, inputs=2), network, samples)
    exact = exact_gradient(Cost(), network, samples, dt=0.1).w
    close({"drift.a": 1 - state.w["drift.a"]}, exact)


@pytest.mark.parametrize("window", [1, 2, 5])
def test_a_sliding_window_is_the_gradient_of_the_present_loss_alone(getkey, window):
    network = make_network(Digraph.complete(4, self_loops=True), getkey())
    samples, law = make_samples(getkey(), 9), SlidingBPTT(Cost(), window=window)
    state, states, estimate = law.init(network), [], eqx.filter_jit(law.estimate)
    for k in range(9):
        states.append(state.x)
        sample = jax.tree.map(lambda leaf, k=k: leaf[k], samples)
        g, state, _ = estimate(state, sample, jnp.array(0.2))
    w, frozen = split(network)

    def last(w):
        net, x = join(w, frozen), states[9 - window]
        for u in samples.input[9 - window : 8]:
            x = x + 0.2 * net(x, u)
        return jnp.sum((net.readout(x, samples.input[8]) - samples.target[8]) ** 2) / 2

    exact = jax.jit(jax.grad(last))(w)
    for name, leaf in exact.items():
        np.testing.assert_allclose(g[name], leaf, atol=1e-13)
    assert (window == 1) == (not np.any(exact["weight"]))


@pytest.mark.parametrize("batch", [0, 3])
def test_states_run_again_give_the_same_gradient(getkey, batch):
    """Windows of 9 and episodes inside them; the states met are not kept."""
    network = make_network(Digraph.complete(4, self_loops=True), getkey())
    samples = make_samples(getkey(), 27, batch=(batch,) if batch else ())
    start = jnp.zeros(27).at[jnp.array([4, 9, 15])].set(1.0)
    weight = jnp.linspace(0.0, 2.0, 27)
    samples = Sample(samples.input, samples.target, weight, start=start)
    network = Batch(network, batch) if batch else network
    kept = BPTT(Cost(weight_decay=0.1), sgd(0.3), window=9)
    again = BPTT(Cost(weight_decay=0.1), sgd(0.3), window=9, memory=Checkpoints())
    (a, infos), (b, others) = (run(law, network, samples) for law in (kept, again))
    close(b.w, a.w, 1e-12)
    np.testing.assert_allclose(others.loss, infos.loss, rtol=1e-12)


def test_states_run_again_are_not_held(getkey):
    """What is carried does not grow with the neurons, but for one state."""
    sizes = []
    for n in (4, 8):
        network = make_network(Digraph.complete(n, self_loops=True), getkey())
        state = BPTT(window=100, memory=Checkpoints()).init(network)
        sizes.append(sum(leaf.size for leaf in jax.tree.leaves(state.credit)))
    assert sizes[1] - sizes[0] == 4


def test_states_run_again_take_no_overlap():
    with pytest.raises(ValueError, match="`overlap` must be 0"):
        BPTT(window=4, overlap=2, memory=Checkpoints())
