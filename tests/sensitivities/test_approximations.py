"""Every approximation of RTRL against the identities that define it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from online_twin import COST, DT, mean_over_signs, relative, summed

from hamlearn import (
    RFLO,
    RTRL,
    Batch,
    Digraph,
    EProp,
    RateNetwork,
    Sample,
    SnAp,
    SnAp1,
    exact_gradient,
    join,
    split,
)
from hamlearn.action.cost import running_cost
from hamlearn.laws import (
    KFRTRL,
    UORO,
    FeedbackAlignment,
    Instantaneous,
    RecurrentBackprop,
)
from hamlearn.sensitivities import (
    DrawnFeedback,
    KroneckerTrace,
    RankOneTrace,
    SymmetricFeedback,
)
from hamlearn.sensitivities.stochastic import kronecker_after, rank_one_after

EXACT = SymmetricFeedback()


def make(key, graph, inputs=2, outputs=2, tau=(0.5, 2.0), **options):
    a, b, c, d = jax.random.split(key, 4)
    tau = jnp.linspace(*tau, graph.num_nodes)
    network = RateNetwork(
        graph, inputs=inputs, outputs=outputs, time_constant=tau, key=a, **options
    )
    network = eqx.tree_at(
        lambda n: n.bias, network, 0.3 * jax.random.normal(b, network.bias.shape)
    )
    u = jax.random.normal(c, (12, inputs))
    return network, Sample(u, jax.random.normal(d, (12, outputs)))


def bptt(network, samples):
    return exact_gradient(COST, network, samples, dt=DT).w


def diagonal(network):
    return eqx.tree_at(lambda n: n.weight, network, jnp.diag(jnp.diag(network.weight)))


def test_snap_1_is_exact_iff_the_recurrence_is_diagonal(getkey):
    network, samples = make(getkey(), Digraph.complete(5, self_loops=True))
    assert (
        relative(summed(SnAp1(COST), network, samples), bptt(network, samples)) > 0.01
    )
    network = diagonal(network)
    # Weights off the diagonal are zero, and their own gradients then exact too.
    assert (
        relative(summed(SnAp1(COST), network, samples), bptt(network, samples)) < 1e-12
    )


@pytest.mark.parametrize("loops", [True, False])
def test_snap_2_is_rtrl_on_a_dense_graph(getkey, loops):
    network, samples = make(getkey(), Digraph.complete(5, self_loops=loops))
    exact = bptt(network, samples)
    assert relative(summed(SnAp(COST, order=2), network, samples), exact) < 1e-12
    assert relative(summed(SnAp(COST, order=1), network, samples), exact) > 0.01


@pytest.mark.parametrize("kind", ["rows", "segments"])
def test_snap_n_reaches_rtrl_one_above_the_longest_shortest_path(getkey, kind):
    ring = [(k, (k + 1) % 6) for k in range(6)] + [(2, 2), (3, 3)] * (kind != "rows")
    senders, receivers = np.array(ring).T
    graph = Digraph(6, senders, receivers)
    network, samples = make(getkey(), graph, gain=2.0)
    samples = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), samples)
    exact = bptt(network, samples)
    errors = [
        relative(summed(SnAp(COST, order=n), network, samples), exact)
        for n in range(1, 7)
    ]
    assert errors[5] < 1e-12
    assert all(error > 1e-8 for error in errors[:5])
    alike = relative(
        summed(SnAp(COST, order=1), network, samples),
        summed(SnAp1(COST), network, samples),
    )
    assert alike < 1e-12


def test_snap_keeps_only_what_is_near(getkey):
    graph = Digraph.random(40, in_degree=2, key=getkey())
    network, _ = make(getkey(), graph)
    trace = SnAp(COST, order=2).init(network).credit.memory
    out_degree = np.bincount(np.asarray(graph.senders)).max()
    assert trace.shape == (40, 1 + out_degree, 2 + 2 + 1)


def test_rflo_is_exact_without_recurrence_and_else_not(getkey):
    network, samples = make(getkey(), Digraph.complete(5, self_loops=True))
    law = RFLO(COST, feedback=EXACT)
    assert relative(summed(law, network, samples), bptt(network, samples)) > 0.01
    network = eqx.tree_at(lambda n: n.weight, network, jnp.zeros((5, 5)))
    assert relative(summed(law, network, samples), bptt(network, samples)) < 1e-12


def test_rflo_is_snap_1_iff_there_are_no_self_loops(getkey):
    law = RFLO(COST, feedback=EXACT)
    network, samples = make(getkey(), Digraph.complete(5, self_loops=True))
    snap = summed(SnAp1(COST), network, samples)
    assert relative(summed(law, network, samples), snap) > 1e-3
    hollow = eqx.tree_at(lambda n: n.weight, network, network.weight * (1 - jnp.eye(5)))
    snap = summed(SnAp1(COST), hollow, samples)
    assert relative(summed(law, hollow, samples), snap) < 1e-12


def test_without_leak_rflo_is_bptt_of_one_step(getkey):
    network, samples = make(
        getkey(), Digraph.complete(5, self_loops=True), tau=(DT, DT)
    )
    g = summed(RFLO(COST, feedback=EXACT), network, samples)
    w, frozen = split(network)
    at = lambda k: jax.tree.map(lambda leaf: leaf[k], samples)

    def last_step(w, x, k):
        after = x + DT * join(w, frozen)(x, samples.input[k])
        return running_cost(COST, network, after, at(k + 1))

    step = lambda x, u: (x + DT * network(x, u), x)
    x = jax.lax.scan(step, network.initial_state(), samples.input[:11])[1]
    each = jax.vmap(jax.grad(last_step), (None, 0, 0))
    total = jax.tree.map(lambda leaf: leaf.sum(0), jax.jit(each)(w, x, jnp.arange(11)))
    assert relative(g, total) < 1e-12


def with_readout(key):
    """Neurons that a learned readout lies behind, and samples."""
    network, samples = make(
        key, Digraph.complete(3, self_loops=True),
        readout=eqx.nn.Linear(2, 2, key=jax.random.fold_in(key, 1)),
    )  # fmt: skip
    return network, samples


def test_eprop_is_rflo_on_rate_neurons(getkey):
    network, samples = with_readout(getkey())
    key = getkey()
    for feedback in (EXACT, DrawnFeedback()):
        g = summed(EProp(COST, feedback=feedback), network, samples, key)
        other = summed(RFLO(COST, feedback=feedback), network, samples, key)
        assert relative(g, other) < 1e-14
    exact = summed(RFLO(COST, feedback=EXACT), network, samples, key)
    assert relative(summed(RFLO(COST), network, samples, key), exact) > 0.1


def test_random_feedback_twin_in_numpy(getkey):
    network, samples = with_readout(getkey())
    law, key = RFLO(COST), getkey()
    B, W, Win, b, C, c = (
        np.asarray(v)
        for v in (
            law.init(network, key=key).rest.fixed, network.weight,
            network.input_weight, network.bias, network.readout_map.weight,
            network.readout_map.bias,
        )
    )  # fmt: skip
    x, rate, s, g = np.zeros(3), DT / np.asarray(network.time_constant), 0, 0
    for u, y in zip(np.asarray(samples.input), np.asarray(samples.target), strict=True):
        g = g + (B @ (1.5 * (C @ x[1:] + c - y)))[:, None] * s
        r = np.tanh(W @ x + Win @ u + b)
        s = (1 - rate)[:, None] * s + (rate * (1 - r**2))[:, None] * x
        x = x + rate * (r - x)
    found = summed(law, network, samples, key)["weight"]
    assert np.abs(found - g).max() < 1e-13


def test_random_feedback_needs_a_readout_that_can_align_with_it(getkey):
    network, _ = make(getkey(), Digraph.complete(3, self_loops=True))
    with pytest.raises(ValueError, match="`network` must be one with a readout that"):
        RFLO(COST).init(network, key=getkey())


@pytest.mark.parametrize("law", ["UORO", "KF-RTRL"])
def test_the_mean_over_all_256_draws_is_bptt(getkey, law):
    network, samples = make(
        getkey(), Digraph.complete(2, self_loops=True), inputs=1, outputs=1
    )
    # Four sets of signs act on the gradient of the fifth sample and those before.
    samples = jax.tree.map(lambda leaf: leaf[:5], samples)
    exact = bptt(network, samples)
    if law == "UORO":
        law, part, advance = UORO(COST), RankOneTrace(), rank_one_after
    else:
        law, part, advance = KFRTRL(COST), KroneckerTrace(), kronecker_after
    start = part.start(network, network.initial_state(), None)
    estimate = lambda instant, trace: part.step(instant, None, trace)[0]
    mean = mean_over_signs(network, samples, start, advance, estimate, bits=2)
    assert relative(mean, exact) < 1e-12
    one = summed(law, network, samples, getkey())
    assert relative(one, exact) > 0.01


def test_laws_that_draw_do_so_afresh_for_each_stream_of_a_batch(getkey):
    network, samples = make(getkey(), Digraph.complete(4, self_loops=True))
    twice = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2, axis=1), samples)
    for law in (UORO(COST), KFRTRL(COST)):
        state = law.init(Batch(network, 2), key=getkey())
        for k in range(3):
            now = jax.tree.map(lambda leaf, k=k: leaf[k], twice)
            _, state, _ = eqx.filter_jit(law.estimate)(state, now, jnp.asarray(DT))
        a = jax.tree.leaves(state.credit.memory)[0]
        assert not np.allclose(a[0], a[1])
        with pytest.raises(ValueError, match="`key` must be given"):
            law.init(network)


@eqx.filter_jit
def at_rest(network, u, steps=4000):
    settle = lambda x, _: (x + 0.05 * network(x, u), None)
    return jax.lax.scan(settle, network.initial_state(), None, length=steps)[0]


@eqx.filter_jit
def estimated(law, state, sample):
    return law.estimate(state, sample, jnp.asarray(DT))[0]


def test_recurrent_backprop_is_the_gradient_of_the_fixed_point(getkey):
    network, samples = make(getkey(), Digraph.complete(4, self_loops=True), gain=0.5)
    u, y = samples.input[0], samples.target[0]
    w, frozen = split(network)

    def rest(w):
        # Implicit differentiation by Newton's last step, exact at the fixed point.
        x = jax.lax.stop_gradient(at_rest(join(w, frozen), u))
        f = lambda x: join(w, frozen)(x, u)
        return x - jnp.linalg.solve(jax.lax.stop_gradient(jax.jacfwd(f)(x)), f(x))

    ell = lambda w: running_cost(COST, join(w, frozen), rest(w), Sample(u, y))
    exact = jax.jit(jax.grad(ell))(w)
    for law in (RecurrentBackprop(COST), Instantaneous(COST, sweeps=200)):
        state = law.init(network, x0=at_rest(network, u))
        assert relative(estimated(law, state, Sample(u, y)), exact) < 1e-10


def test_on_layers_instantaneous_is_backprop_of_an_mlp(getkey):
    network, samples = make(getkey(), Digraph.layered([2, 3, 4, 2]))
    u, y = samples.input[0], samples.target[0]
    W = network.weight

    def mlp(W):
        h = jnp.tanh(network.input_weight @ u + network.bias[:2])
        h = jnp.tanh(W[:6].reshape(3, 2) @ h + network.bias[2:5])
        h = jnp.tanh(W[6:18].reshape(4, 3) @ h + network.bias[5:9])
        h = jnp.tanh(W[18:].reshape(2, 4) @ h + network.bias[9:])
        return 1.5 * jnp.sum((h - y) ** 2) / 2

    law = Instantaneous(COST)
    g = estimated(law, law.init(network, x0=at_rest(network, u)), Sample(u, y))
    exact = jax.jit(jax.grad(mlp))(W)
    assert np.abs(g["weight"] - exact).max() < 1e-12
    assert np.abs(exact).max() > 1e-3


def test_feedback_alignment_is_backprop_with_its_own_weights_back(getkey):
    network, samples = make(getkey(), Digraph.layered([2, 3, 2]))
    u, y = samples.input[0], samples.target[0]
    law = FeedbackAlignment(COST)
    state = law.init(network, key=getkey(), x0=at_rest(network, u))
    B = np.asarray(state.rest.fixed[1])[6:].reshape(2, 3)
    g = estimated(law, state, Sample(u, y))
    x = np.asarray(state.x)
    top = 1.5 * (x[5:] - np.asarray(y)) * (1 - x[5:] ** 2)
    hidden = B.T @ top * (1 - x[2:5] ** 2)
    expected = np.concatenate([np.outer(hidden, x[:2]), np.outer(top, x[2:5])], None)
    assert np.abs(g["weight"] - expected).max() < 1e-10


def test_cycles_ask_for_a_number_of_sweeps(getkey):
    network, _ = make(getkey(), Digraph.complete(3, self_loops=False))
    with pytest.raises(ValueError, match="`sweeps` must be given"):
        Instantaneous().init(network)


def test_online_laws_keep_their_size(getkey):
    network, samples = make(getkey(), Digraph.complete(4, self_loops=True))
    flat = RFLO(feedback=EXACT)
    for law in (RTRL(), SnAp1(), SnAp(order=2), flat, UORO(), KFRTRL()):
        state = law.init(network, key=getkey())
        now = jax.tree.map(lambda leaf: leaf[0], samples)
        after, _ = eqx.filter_eval_shape(law.step, state, now, jnp.asarray(DT))
        shapes = [jax.tree.map(jnp.shape, s) for s in (state.credit, after.credit)]
        assert shapes[0] == shapes[1]
