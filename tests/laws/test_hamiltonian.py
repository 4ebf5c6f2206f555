"""Hamiltonian learning against hand-written local equations, Backprop and SGD."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hamlearn import (
    Cost,
    Digraph,
    Dynamics,
    HamiltonianLearning,
    NoFlip,
    RateNetwork,
    Sample,
    SemiImplicitEuler,
    SignFlip,
    stream,
)
from hamlearn.rules.hamiltonian import HamiltonianFlow

KEY = jax.random.key(0)


def silent_no_flip():
    with pytest.warns(UserWarning, match="diverges"):
        return NoFlip()


def random_flow(rule, network, seed=0):
    """A state of the rule with all numbers random."""
    rng = np.random.default_rng(seed)
    flow = rule.init(network).flow
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), flow)


def local_equations(network, cost, sign, flow, u, y):
    """Betti & Gori (2024), theorem 2, neuron by neuron and edge by edge."""
    n = network.graph.num_nodes
    senders, receivers = np.asarray(network.graph.senders), network.graph.receivers
    edges = list(zip(senders.tolist(), np.asarray(receivers).tolist(), strict=True))
    w, b = np.ravel(flow.w["weight"]), np.asarray(flow.w["bias"])
    b_in = np.asarray(flow.w["input_weight"])
    x, p = np.asarray(flow.x), np.asarray(flow.p_x)
    c = 1 / np.asarray(network.time_constant)
    heard = network.input_nodes
    heard = range(*heard.span) if heard.nodes is None else heard.nodes.tolist()
    a = b.copy()
    for e, (j, i) in enumerate(edges):
        a[i] += w[e] * x[j]
    for row, i in enumerate(heard):
        a[i] += b_in[row] @ u
    slope = 1 - np.tanh(a) ** 2
    theta, q, r = (float(k) for k in (cost.dissipation, cost.accuracy, cost.inertia))
    decay = float(cost.weight_decay)
    ell_x = np.zeros(n)
    ell_x[n - len(y) :] = q * (x[n - len(y) :] - y)
    H_x = ell_x - c * p
    for e, (j, i) in enumerate(edges):
        H_x[j] += c[i] * p[i] * slope[i] * w[e]
    pull = c * p * slope
    H_w = {
        "weight": [decay * w[e] + pull[i] * x[j] for e, (j, i) in enumerate(edges)],
        "bias": decay * b + pull,
        "input_weight": decay * b_in + np.outer([pull[i] for i in heard], u),
    }
    rate = lambda h, p: -sign * np.reshape(h, p.shape) - theta * np.asarray(p)
    rates = (
        c * (np.tanh(a) - x),
        {name: -np.asarray(value) / r for name, value in flow.p_w.items()},
        rate(H_x, flow.p_x),
        {name: rate(H_w[name], flow.p_w[name]) for name in H_w},
    )
    return HamiltonianFlow(*jax.tree.map(jnp.asarray, rates), memory=None)


@pytest.mark.parametrize("kind", ["dense", "no loops", "rows", "segments", "layered"])
@pytest.mark.parametrize("sign", [-1, 1])
def test_field_is_the_local_equations(kind, sign):
    graph = {
        "dense": lambda: Digraph.complete(5, self_loops=True),
        "no loops": lambda: Digraph.complete(5, self_loops=False),
        "rows": lambda: Digraph.random(8, in_degree=3, key=KEY),
        "segments": lambda: Digraph.random(8, in_degree=3, acyclic=True, key=KEY),
        "layered": lambda: Digraph.layered([3, 4, 2]),
    }[kind]()
    n = graph.num_nodes
    tau = np.random.default_rng(3).uniform(0.1, 2, n)
    network = RateNetwork(graph, inputs=2, outputs=2, time_constant=tau, key=KEY)
    cost = Cost(accuracy=100.0, weight_decay=0.7, inertia=0.1, dissipation=20.0)
    policy = SignFlip() if sign == -1 else silent_no_flip()
    rule = HamiltonianLearning(cost, policy)
    u, y = np.array([0.3, -0.8]), np.array([0.5, 0.1])
    flow = random_flow(rule, network)
    still = rule.still(rule.init(network))
    sample = Sample(jnp.asarray(u), jnp.asarray(y))
    field = eqx.filter_jit(rule.vector_field)
    got = field(jnp.asarray(0.0), flow, (still, sample))
    wanted = local_equations(network, cost, sign, flow, u, y)
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12 * 20)


# Propagation speed to infinity: the costate becomes Backprop's delta.


def deep_network(c):
    graph = Digraph.random(12, in_degree=3, acyclic=True, key=jax.random.key(4))
    return RateNetwork(
        graph, inputs=3, outputs=2, time_constant=1 / c, learn=("weight",), key=KEY
    )


def signals(t):
    u = jnp.stack([jnp.sin(t), jnp.cos(1.3 * t), jnp.sin(0.7 * t + 1)])
    return Sample(u, jnp.stack([0.5 * jnp.sin(0.9 * t), 0.3 * jnp.cos(t)]))


def backprop(network, sample):
    """(states, deltas) of the feedforward net: fixed point, and its adjoint."""
    x = jnp.zeros(12)
    for _ in range(12):  # nilpotent: exact after as many sweeps as there are levels
        x = jnp.tanh(network.drive(x, sample.input))
    weight = jnp.zeros((12, 12)).at[network.graph.receivers, network.graph.senders]
    W = weight.set(jnp.ravel(network.weight))
    ell_x = jnp.zeros(12).at[10:].set(x[10:] - sample.target)
    # delta = ell_x + W^T s' delta
    return x, jnp.linalg.solve(jnp.eye(12) - W.T * (1 - x**2), ell_x)


HORIZON = 3.0


def sweep(c, *, forward):
    """Normalised error of c p_x at mid-horizon, the costate run in either direction.

    The weights stand still (large inertia), so both directions see one trajectory.
    """
    network = deep_network(c)
    steps = int(HORIZON * c * 10)
    h = HORIZON / steps
    rule = HamiltonianLearning(Cost(inertia=1e12, accuracy=1.0))
    state = rule.init(network, x0=backprop(network, signals(jnp.asarray(0.0)))[0])
    still = rule.still(state)

    @jax.jit
    def states(x):
        def step(x, k):
            u = signals(k * h).input
            return x + h * network(x, u), x

        return jax.lax.scan(step, x, jnp.arange(steps, dtype=float))[1]

    def pull(x, p, t):
        """H_x, through the rule: with the flip dp/dt = H_x."""
        flow = eqx.tree_at(lambda f: (f.x, f.p_x), state.flow, (x, p))
        return rule.vector_field(t, flow, (still, signals)).p_x

    @jax.jit
    def costates(xs):
        # Backward in time dp/dt = -H_x is p <- p + h H_x: the same update.
        def step(p, k_x):
            k, x = k_x
            p = p + h * pull(x, p, k * h)
            return p, p

        order = (jnp.arange(steps, dtype=float), xs)
        return jax.lax.scan(step, jnp.zeros(12), order, reverse=not forward)[1]

    xs = states(state.flow.x)
    ps = costates(xs)
    middle = steps // 2
    _, delta = backprop(network, signals(jnp.asarray(middle * h)))
    # p obeys p = ell_x / c + ..., since only the drift carries the factor c.
    return float(jnp.linalg.norm(c * ps[middle] - delta) / jnp.linalg.norm(delta))


@pytest.mark.parametrize("forward", [True, False], ids=["flipped", "backward"])
def test_costates_tend_to_backprop_like_one_over_c(forward):
    slow, fast = sweep(100.0, forward=forward), sweep(1000.0, forward=forward)
    assert fast < (5e-3 if forward else 2e-3)
    assert 7 < slow / fast < 13


def test_true_sign_forward_diverges():
    """At c = 10 the error of the true costate, forward from the exact one."""
    network = deep_network(10.0)
    rule = HamiltonianLearning(Cost(inertia=1e12), silent_no_flip())
    x, delta = backprop(network, signals(jnp.asarray(0.0)))
    state = rule.init(network, x0=x)
    state = eqx.tree_at(lambda s: s.flow.p_x, state, delta / 10)
    h = 1e-3

    @jax.jit
    def run(state):
        def step(state, k):
            return rule.step(state, signals(k * h), jnp.asarray(h))[0], None

        return jax.lax.scan(step, state, jnp.arange(6000, dtype=float))[0]

    last = run(state)
    _, delta = backprop(network, signals(jnp.asarray(6.0)))
    error = jnp.linalg.norm(10 * last.flow.p_x - delta) / jnp.linalg.norm(delta)
    assert not error < 1e6


# Momentum and its sign.


class Instant(eqx.Module):
    """A multilayer perceptron of the input, read out at once."""

    mlp: eqx.nn.MLP

    def __call__(self, x, u):
        return self.mlp(u)


def instant_network(key=KEY):
    mlp = eqx.nn.MLP(4, 3, 30, 1, activation=jnp.tanh, key=key)
    return Dynamics(lambda x, u: -x, initial_state=jnp.zeros(1), readout=Instant(mlp))


def regression(count):
    rng = np.random.default_rng(7)
    return rng.normal(size=(count, 4)), np.tanh(rng.normal(size=(count, 3)))


def mean_loss(network, u, y):
    outputs = jax.vmap(lambda u: network.readout(jnp.zeros(1), u))(jnp.asarray(u))
    return float(jnp.mean(jnp.sum((outputs - y) ** 2, axis=1)) / 2)


@pytest.mark.parametrize("flipped", [True, False])
def test_only_the_flip_descends(flipped):
    policy = SignFlip() if flipped else silent_no_flip()
    cost = Cost(inertia=100.0, dissipation=1.0)
    rule = HamiltonianLearning(cost, policy, SemiImplicitEuler())
    u, y = regression(1)
    u, y = np.repeat(u, 200, axis=0), np.repeat(y, 200, axis=0)
    network = instant_network()
    before = mean_loss(network, u, y)
    result = stream(rule, network, (u, y), dt=0.1, progress=False)
    after = mean_loss(result.network, u, y)
    assert after < 0.5 * before if flipped else after > 1.5 * before
    np.testing.assert_allclose(result.loss[0], before, rtol=1e-12)


@pytest.mark.parametrize(
    ("lr", "mu", "rho", "tau"),
    [(0.01, 0.0, 0.0, 1.0), (0.001, 0.0, 0.0, 0.5), (0.01, 0.9, 0.0, 1.0),
     (0.01, 0.05, 0.6, 1.0), (0.01, 0.1, 0.5, 0.5)],
)  # fmt: skip
def test_equals_stochastic_gradient_descent_with_momentum(lr, mu, rho, tau):
    """r = tau/lr, theta = (1 - mu)/tau, q = (1 - rho)/tau: optax.sgd, step by step."""
    cost = Cost(accuracy=(1 - rho) / tau, inertia=tau / lr, dissipation=(1 - mu) / tau)
    rule = HamiltonianLearning(cost, SignFlip(), SemiImplicitEuler())
    u, y = regression(3000)
    network = instant_network()
    result = stream(rule, network, (u, y), dt=tau, progress=False)
    mlp, optimizer = network.readout_map.mlp, optax.sgd(lr, momentum=mu or None)
    start, rest = eqx.partition(mlp, eqx.is_array)

    @jax.jit
    def train(weights):
        def step(carry, sample):
            weights, memory = carry
            u, y = sample
            error = lambda w: eqx.combine(w, rest)(u) - y
            loss = lambda w: (1 - rho) * jnp.sum(error(w) ** 2) / 2
            updates, memory = optimizer.update(jax.grad(loss)(weights), memory)
            return (optax.apply_updates(weights, updates), memory), None

        carry = weights, optimizer.init(weights)
        return jax.lax.scan(step, carry, (jnp.asarray(u), jnp.asarray(y)))[0][0]

    wanted = jax.tree.leaves(train(start))
    got = jax.tree.leaves(eqx.filter(result.network.readout_map.mlp, eqx.is_array))
    assert len(got) == len(wanted) == 4
    moved = zip(got, jax.tree.leaves(start), strict=True)
    assert max(float(jnp.max(jnp.abs(a - b))) for a, b in moved) > 0.05
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


def test_layered_network_computes_backprop_one_hop_a_step():
    """With tau_i = dt the costates are Backprop's deltas after 2 layers steps."""
    sizes, dt = [3, 5, 4, 4, 2], 0.5
    layers = len(sizes)  # the first one hears the input
    graph = Digraph.layered(sizes)
    network = RateNetwork(
        graph, inputs=2, outputs=2, time_constant=dt, gain=1.2, key=KEY
    )
    rule = HamiltonianLearning(Cost(inertia=1e30, accuracy=1 / dt))
    u, y = jnp.array([0.4, -1.1]), jnp.array([0.3, 0.9])

    def loss(shift):
        """The loss as a function of what is added to every neuron's output."""
        x = shift
        for _ in range(layers):
            x = jnp.tanh(network.drive(x, u)) + shift
        return jnp.sum((x[-2:] - y) ** 2) / 2

    delta = jax.grad(loss)(jnp.zeros(graph.num_nodes))
    state, errors, step = rule.init(network), [], eqx.filter_jit(rule.step)
    for _ in range(2 * layers + 3):
        state, _ = step(state, Sample(u, y), jnp.asarray(dt))
        error = jnp.linalg.norm(state.flow.p_x - delta) / jnp.linalg.norm(delta)
        errors.append(float(error))
    assert errors[layers] > 1e-3
    assert max(errors[2 * layers - 1 :]) < 1e-14


def test_info_is_from_before_the_step():
    network = deep_network(2.0)
    cost = Cost(accuracy=3.0, weight_decay=0.1, inertia=0.5)
    rule = HamiltonianLearning(cost)
    state = rule.init(network, x0=jnp.linspace(-1, 1, 12))
    sample = signals(jnp.asarray(0.4))
    flow = random_flow(rule, network, seed=2)
    state = rule.join(flow, rule.still(state))
    after, info = rule.step(state, sample, jnp.asarray(0.1))
    x, w = np.asarray(flow.x), np.asarray(flow.w["weight"])
    p_w = np.asarray(flow.p_w["weight"])
    loss = np.sum((x[10:] - sample.target) ** 2) / 2
    np.testing.assert_array_equal(info.output, x[10:])
    np.testing.assert_allclose(info.loss, loss, rtol=1e-13)
    ell = 3 * loss + 0.05 * np.sum(w**2)
    kinetic = np.sum(p_w**2)  # over 2 r = 1
    np.testing.assert_allclose(info.lagrangian, kinetic + ell, rtol=1e-13)
    f = np.asarray(state.network(flow.x, sample.input))
    wanted = ell + flow.p_x @ f - kinetic
    np.testing.assert_allclose(info.hamiltonian, wanted, rtol=1e-13)
    np.testing.assert_allclose(after.flow.x, x + 0.1 * f, rtol=1e-13)
