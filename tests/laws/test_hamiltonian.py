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
    RateNetwork,
    Sample,
    join,
    scan,
    split,
)
from hamlearn.costates.sign import NoFlip, SignFlip
from hamlearn.laws.base import Carried, State, with_rest, without_rest
from hamlearn.mechanics.solvers import Euler

KEY = jax.random.key(0)


def silent_no_flip():
    with pytest.warns(UserWarning, match="diverges"):
        return NoFlip()


def random_flow(law, network, seed=0):
    """What moves of a state of the law, with all numbers random."""
    rng = np.random.default_rng(seed)
    y = without_rest(law.init(network))
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), y)


def costate(y):
    """p_x; a policy that concerns the weights too keeps its memory beside it."""
    memory = y.credit.memory
    return memory[0] if isinstance(memory, tuple) else memory


def with_costate(y, p_x):
    where = lambda y: jax.tree.leaves(y.credit.memory)[0]
    return eqx.tree_at(where, y, p_x)


def local_equations(network, cost, sign, flow, u, y, *, inertia, dissipation):
    """Betti & Gori (2024), theorem 2, neuron by neuron and edge by edge."""
    n = network.graph.num_nodes
    senders, receivers = np.asarray(network.graph.senders), network.graph.receivers
    edges = list(zip(senders.tolist(), np.asarray(receivers).tolist(), strict=True))
    w, b = np.ravel(flow.w["weight"]), np.asarray(flow.w["bias"])
    b_in = np.asarray(flow.w["input_weight"])
    x, p = np.asarray(flow.x), np.asarray(costate(flow))
    c = 1 / np.asarray(network.time_constant)
    heard = network.input_nodes
    heard = range(*heard.span) if heard.nodes is None else heard.nodes.tolist()
    a = b.copy()
    for e, (j, i) in enumerate(edges):
        a[i] += w[e] * x[j]
    for row, i in enumerate(heard):
        a[i] += b_in[row] @ u
    slope = 1 - np.tanh(a) ** 2
    theta, q, r = dissipation, float(cost.loss_weight), inertia
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
        {name: -np.asarray(value) / r for name, value in flow.update.items()},
        rate(H_x, p),
        {name: rate(H_w[name], flow.update[name]) for name in H_w},
    )
    x, w, p_x, p_w = jax.tree.map(jnp.asarray, rates)
    memory = (p_x, None) if isinstance(flow.credit.memory, tuple) else p_x
    return State(x, w, Carried(memory), p_w, None)


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
    cost = Cost(loss_weight=100.0, weight_decay=0.7)
    policy = SignFlip() if sign == -1 else silent_no_flip()
    law = HamiltonianLearning(cost, policy, inertia=0.1, dissipation=20.0)
    u, y = np.array([0.3, -0.8]), np.array([0.5, 0.1])
    flow = random_flow(law, network)
    sample = Sample(jnp.asarray(u), jnp.asarray(y))
    field = eqx.filter_jit(law.vector_field)
    got = field(jnp.asarray(0.0), flow, (law.init(network).rest, sample))
    wanted = local_equations(
        network, cost, sign, flow, u, y, inertia=0.1, dissipation=20.0
    )
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
    law = HamiltonianLearning(inertia=1e12, dissipation=0.0)
    state = law.init(network, x0=backprop(network, signals(jnp.asarray(0.0)))[0])

    @jax.jit
    def states(x):
        def step(x, k):
            u = signals(k * h).input
            return x + h * network(x, u), x

        return jax.lax.scan(step, x, jnp.arange(steps, dtype=float))[1]

    def pull(x, p, t):
        """H_x, through the law: with the flip dp/dt = H_x."""
        where = lambda y: (y.x, y.credit.memory)
        y = eqx.tree_at(where, without_rest(state), (x, p))
        return law.vector_field(t, y, (state.rest, signals)).credit.memory

    @jax.jit
    def costates(xs):
        # Backward in time dp/dt = -H_x is p <- p + h H_x: the same update.
        def step(p, k_x):
            k, x = k_x
            p = p + h * pull(x, p, k * h)
            return p, p

        order = (jnp.arange(steps, dtype=float), xs)
        return jax.lax.scan(step, jnp.zeros(12), order, reverse=not forward)[1]

    xs = states(state.x)
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


@pytest.mark.parametrize("solver", [None, Euler()], ids=["in turn", "at once"])
def test_true_sign_forward_diverges(solver):
    """At c = 10 the error of the true costate, forward from the exact one."""
    network = deep_network(10.0)
    law = HamiltonianLearning(
        policy=silent_no_flip(), inertia=1e12, dissipation=0.0, solver=solver
    )
    x, delta = backprop(network, signals(jnp.asarray(0.0)))
    state = law.init(network, x0=x)
    state = with_costate(state, delta / 10)
    h = 1e-3
    samples = jax.vmap(signals)(h * jnp.arange(6000.0))
    last, _ = eqx.filter_jit(scan)(law, state, samples, h)
    _, delta = backprop(network, signals(jnp.asarray(6.0)))
    error = jnp.linalg.norm(10 * costate(last) - delta) / jnp.linalg.norm(delta)
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
    law = HamiltonianLearning(policy=policy, inertia=100.0, dissipation=1.0)
    u, y = regression(1)
    u, y = np.repeat(u, 200, axis=0), np.repeat(y, 200, axis=0)
    network = instant_network()
    before = mean_loss(network, u, y)
    state, infos = eqx.filter_jit(scan)(law, law.init(network), (u, y), 0.1)
    after = mean_loss(state.network, u, y)
    assert after < 0.5 * before if flipped else after > 1.5 * before
    np.testing.assert_allclose(infos.loss[0], before, rtol=1e-12)


@pytest.mark.parametrize(
    ("lr", "mu", "rho", "tau"),
    [(0.01, 0.0, 0.0, 1.0), (0.001, 0.0, 0.0, 0.5), (0.01, 0.9, 0.0, 1.0),
     (0.01, 0.05, 0.6, 1.0), (0.01, 0.1, 0.5, 0.5)],
)  # fmt: skip
def test_equals_stochastic_gradient_descent_with_momentum(lr, mu, rho, tau):
    """r = tau/lr, theta = (1 - mu)/tau, q = (1 - rho)/tau: optax.sgd, step by step."""
    cost = Cost(loss_weight=(1 - rho) / tau)
    law = HamiltonianLearning(cost, inertia=tau / lr, dissipation=(1 - mu) / tau)
    u, y = regression(3000)
    network = instant_network()
    state, _ = eqx.filter_jit(scan)(law, law.init(network), (u, y), tau)
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
    got = jax.tree.leaves(eqx.filter(state.network.readout_map.mlp, eqx.is_array))
    assert len(got) == len(wanted) == 4
    moved = zip(got, jax.tree.leaves(start), strict=True)
    assert max(float(jnp.max(jnp.abs(a - b))) for a, b in moved) > 0.05
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("solver", [None, Euler()], ids=["in turn", "at once"])
def test_layered_network_computes_backprop_one_hop_a_step(solver):
    """With tau_i = dt the costates are Backprop's deltas after 2 layers steps."""
    sizes, dt = [3, 5, 4, 4, 2], 0.5
    layers = len(sizes)  # the first one hears the input
    graph = Digraph.layered(sizes)
    network = RateNetwork(
        graph, inputs=2, outputs=2, time_constant=dt, gain=1.2, key=KEY
    )
    law = HamiltonianLearning(
        Cost(loss_weight=1 / dt), inertia=1e30, dissipation=0.0, solver=solver
    )
    u, y = jnp.array([0.4, -1.1]), jnp.array([0.3, 0.9])

    def loss(shift):
        """The loss as a function of what is added to every neuron's output."""
        x = shift
        for _ in range(layers):
            x = jnp.tanh(network.drive(x, u)) + shift
        return jnp.sum((x[-2:] - y) ** 2) / 2

    delta = jax.grad(loss)(jnp.zeros(graph.num_nodes))
    state, errors, step = law.init(network), [], eqx.filter_jit(law.step)
    for _ in range(2 * layers + 3):
        state, _ = step(state, Sample(u, y), jnp.asarray(dt))
        p_x = state.credit.memory
        error = jnp.linalg.norm(p_x - delta) / jnp.linalg.norm(delta)
        errors.append(float(error))
    assert errors[layers] > 1e-3
    assert max(errors[2 * layers - 1 :]) < 1e-14


@pytest.mark.parametrize("solver", [None, Euler()], ids=["in turn", "at once"])
def test_info_is_from_before_the_step(solver):
    network = deep_network(2.0)
    cost = Cost(loss_weight=3.0, weight_decay=0.1)
    law = HamiltonianLearning(cost, inertia=0.5, dissipation=0.4, solver=solver)
    sample, h = signals(jnp.asarray(0.4)), 0.1
    flow = random_flow(law, network, seed=2)
    state = with_rest(flow, law.init(network).rest)
    after, info = law.step(state, sample, jnp.asarray(h))
    x, w = np.asarray(flow.x), np.asarray(flow.w["weight"])
    p_x, p_w = np.asarray(flow.credit.memory), np.asarray(flow.update["weight"])
    loss = np.sum((x[10:] - sample.target) ** 2) / 2
    np.testing.assert_array_equal(info.output, x[10:])
    np.testing.assert_allclose(info.loss, loss, rtol=1e-13)
    ell = 3 * loss + 0.05 * np.sum(w**2)
    kinetic = np.sum(p_w**2)  # over 2 r = 1
    np.testing.assert_allclose(info.more["lagrangian"], kinetic + ell, rtol=1e-13)
    f = np.asarray(state.network(flow.x, sample.input))
    wanted = ell + p_x @ f - kinetic
    np.testing.assert_allclose(info.more["hamiltonian"], wanted, rtol=1e-13)
    if solver is not None:
        np.testing.assert_allclose(after.x, x + h * f, rtol=1e-13)
        return
    # In turn: p_x, then p_w with the new p_x, then w with that, then x with the new w.
    rates = lambda y: local_equations_of(law, network, y, sample)
    p_new = p_x + h * np.asarray(rates(flow).credit.memory)
    with_p = eqx.tree_at(lambda y: y.credit.memory, flow, jnp.asarray(p_new))
    p_w_new = p_w + h * np.asarray(rates(with_p).update["weight"])
    w_new = w - h * p_w_new / 0.5
    moved = eqx.tree_at(lambda n: n.weight, network, jnp.asarray(w_new))
    wanted_x = x + h * np.asarray(moved(flow.x, sample.input))
    np.testing.assert_allclose(after.credit.memory, p_new, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(after.update["weight"], p_w_new, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(after.w["weight"], w_new, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(after.x, wanted_x, rtol=1e-12, atol=1e-14)


def local_equations_of(law, network, flow, sample):
    network = join(flow.w, split(network)[1])
    w = {"bias": network.bias, "input_weight": network.input_weight} | flow.w
    zeros = {name: jnp.zeros_like(leaf) for name, leaf in w.items()}
    full = State(flow.x, w, flow.credit, zeros | flow.update, None)
    u, y = np.asarray(sample.input), np.asarray(sample.target)
    return local_equations(
        network, law.cost, -1, full, u, y, inertia=0.5, dissipation=0.4
    )
