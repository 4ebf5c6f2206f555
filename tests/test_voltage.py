"""Voltage networks against neuron-by-neuron NumPy twins."""

import equinox as eqx
import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
from jax.test_util import check_grads

import hamlearn as hl
from hamlearn.graph.sweeps import Scanned, Unrolled
from hamlearn.networks.partition import join, split

TIMES = ("membrane_time_constant", "prospective_time_constant")


def twin(network, u, x, *, sweeps=1):
    """(du/dt, rates) one neuron after the other, in topological order of the index."""
    n = network.graph.num_nodes
    W = np.zeros((n, n))
    edges = np.asarray(network.graph.receivers), np.asarray(network.graph.senders)
    W[edges] = np.asarray(network.weight).reshape(-1)
    tau_m, tau_r = (np.asarray(getattr(network, name)) for name in TIMES)
    drive = np.array(network.bias)
    drive[np.flatnonzero(network.graph.in_degree() == 0)] += (
        np.asarray(network.input_weight) @ x
    )
    r, v = np.zeros(n), np.zeros(n)
    for _ in range(sweeps):
        for i in range(n):
            v[i] = (-u[i] + W[i] @ r + drive[i]) / tau_m[i]
            r[i] = np.tanh(u[i] + tau_r[i] * v[i])
    return v, r


def make(graph, key, **options):
    n = graph.num_nodes
    k1, k2, k3 = jax.random.split(key, 3)
    tau_m = np.array(jax.random.uniform(k1, (n,), minval=0.4, maxval=2.0))
    tau_r = np.array(jax.random.uniform(k2, (n,), minval=0.0, maxval=1.5))
    tau_r[0], tau_r[1] = 0.0, tau_m[1]
    times = dict(zip(TIMES, (tau_m, tau_r), strict=True))
    options = times | options
    return hl.VoltageNetwork(graph, inputs=2, outputs=2, key=k3, **options)


def acyclic_graphs():
    key = jax.random.key(7)
    gaps = hl.Digraph(7, [0, 0, 2, 3, 1, 4, 0], [2, 3, 3, 5, 4, 6, 6])
    return [
        hl.Digraph.layered([3, 4, 2]),
        hl.Digraph.random(9, in_degree=3, acyclic=True, key=key),
        gaps,
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_sweep_is_neuron_by_neuron(which, getkey):
    network = make(acyclic_graphs()[which], getkey())
    u = jax.random.normal(getkey(), network.bias.shape)
    x = jax.random.normal(getkey(), (2,))
    v, r = twin(network, np.asarray(u), np.asarray(x))
    np.testing.assert_allclose(network(u, x), v, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(network.readout(u, x), r[-2:], rtol=1e-13)


def test_cyclic_loop_is_solved(getkey):
    graph = hl.Digraph.complete(6, self_loops=True)
    network = make(graph, getkey(), prospective_time_constant=0.3, gain=0.7)
    network = eqx.tree_at(lambda n: n.input_weight, network, jnp.zeros((6, 2)))
    u = jax.random.normal(getkey(), (6,))
    v = network(u, jnp.zeros(2))
    W, tau = np.asarray(network.weight), np.asarray(network.tau_m)
    current = W @ np.tanh(u + 0.3 * v)
    np.testing.assert_allclose(tau * v, -u + current, rtol=1e-13, atol=1e-13)


def test_loop_that_does_not_converge_is_nan(getkey):
    graph = hl.Digraph.complete(4, self_loops=True)
    network = make(graph, getkey(), prospective_time_constant=3.0, gain=30.0)
    assert jnp.isnan(network(jnp.full(4, 0.01), jnp.ones(2))).any()


def test_derivatives_of_the_loop(getkey):
    """Implicit derivatives, both modes, against an unrolled fixed point."""
    graph = hl.Digraph.complete(5, self_loops=False)
    network = make(graph, getkey(), prospective_time_constant=0.2, gain=0.6)
    u, x = jax.random.normal(getkey(), (5,)), jax.random.normal(getkey(), (2,))
    w, frozen = split(network)

    def implicit(w):
        return join(w, frozen)(u, x)

    def unrolled(w):
        network = join(w, frozen)
        v = jnp.zeros(5)
        for _ in range(80):
            ur = u + 0.2 * v
            v = (network.current(ur, x) - u) / network.tau_m
        return v

    direction = jax.tree.map(lambda a: jax.random.normal(getkey(), a.shape), w)
    wanted = jax.jvp(unrolled, (w,), (direction,))[1]
    got = jax.jvp(implicit, (w,), (direction,))[1]
    np.testing.assert_allclose(got, wanted, rtol=1e-10)
    one = jax.grad(lambda w: jnp.sum(implicit(w) ** 2))(w)
    two = jax.grad(lambda w: jnp.sum(unrolled(w) ** 2))(w)
    for name in w:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-9, atol=1e-12)


def test_prospective_rate_leads_by_its_time_constant():
    """One neuron, sine input: phase and gain of (1 + i w tau_r)/(1 + i w tau_m)."""
    network = hl.VoltageNetwork(
        hl.Digraph.layered([1, 1]),
        inputs=1,
        linear=[0, 1],
        outputs=[0],
        membrane_time_constant=1.0,
        prospective_time_constant=0.4,
        key=jax.random.key(0),
    )
    network = eqx.tree_at(lambda n: n.input_weight, network, jnp.ones((1, 1)))
    w, dt = 2.0, 1e-3
    t = dt * jnp.arange(40_000.0)

    def step(u, x):
        return u + dt * network(u, x), network.readout(u, x)[0]

    _, y = jax.lax.scan(step, network.initial_state(), jnp.sin(w * t)[:, None])
    last = t > 40 - 2 * np.pi / w * 5
    basis = np.exp(-1j * w * np.asarray(t[last]))
    measured = 2j * np.mean(np.asarray(y[last]) * basis)
    assert abs(measured - (1 + 0.4j * w) / (1 + 1j * w)) < 3e-3


def test_clamp_of_time_constants():
    network = hl.VoltageNetwork(
        hl.Digraph.layered([1, 1]),
        inputs=1,
        membrane_time_constant=[0.01, 2.0],
        prospective_time_constant=[0.0, 0.5],
        floor=0.1,
        learn=("membrane_time_constant", "prospective_time_constant"),
        key=jax.random.key(0),
    )
    np.testing.assert_allclose(network.tau_m, [0.1, 2.0])
    moved = eqx.tree_at(lambda n: n.prospective_time_constant, network, -jnp.ones(2))
    np.testing.assert_allclose(moved.tau_r, 0.0)
    # The derivative passes as if 0.1 were the parameter: -(I - u)/tau_m^2 = -I/0.01.
    w, frozen = split(network)
    rate = jax.grad(lambda w: join(w, frozen)(jnp.zeros(2), jnp.ones(1))[0])(w)
    current = float(network.input_weight[0, 0])
    got = rate["membrane_time_constant"][0]
    np.testing.assert_allclose(got, -current / 0.01, rtol=1e-12)


def test_errors_solve_their_equation(getkey):
    """lam = k (phi' W^T lam + f) + c, by a dense solve."""
    for graph in (*acyclic_graphs(), hl.Digraph.random(8, in_degree=2, key=getkey())):
        network = make(graph, getkey(), gain=0.3)
        n = graph.num_nodes
        ur, f, c, k = jax.random.normal(getkey(), (4, n))
        k = 0.5 * jnp.tanh(k)
        s, lam = network.errors(ur, f, lambda s, k=k, c=c: k * s + c)
        W = np.zeros((n, n))
        edges = np.asarray(graph.receivers), np.asarray(graph.senders)
        W[edges] = np.asarray(network.weight).reshape(-1)
        A = np.asarray(1 - jnp.tanh(ur) ** 2)[:, None] * W.T
        wanted = np.linalg.solve(np.eye(n) - np.asarray(k)[:, None] * A, k * f + c)
        np.testing.assert_allclose(lam, wanted, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(s, A @ wanted + f, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"membrane_time_constant": 0.0}, "`membrane_time_constant` must be positive"),
        ({"prospective_time_constant": -1.0}, "must be non-negative, but is -1.0"),
        ({"membrane_time_constant": [1.0]}, r"must be an array of shape \(5\)"),
        ({"linear": [9]}, "`linear` must be distinct nodes between 0 and 4"),
        ({"floor": 0.0}, "`floor` must be positive"),
        ({"learn": ("wieght",)}, "`learn` must be names of fields"),
    ],
)
def test_bad_arguments(options, words):
    with pytest.raises(ValueError, match=words):
        hl.VoltageNetwork(
            hl.Digraph.layered([2, 3]), inputs=1, key=jax.random.key(0), **options
        )


@pytest.mark.parametrize("acyclic", [True, False], ids=["segments", "rows"])
def test_rates_are_computed_once_a_node_and_not_for_every_edge(acyclic, getkey):
    graph = hl.Digraph.random(50, in_degree=5, acyclic=acyclic, key=getkey())
    assert graph.aggregation.gathers
    net = hl.VoltageNetwork(graph, inputs=2, key=getkey())
    ur, x = jax.random.normal(getkey(), (50,)), jnp.ones(2)

    def at_every_edge(ur, x):
        return net.graph.aggregate(net.weight, net.rate(ur)) + net.drive(x)

    def both_in_one_loop(current):
        compiled = jax.jit(lambda *given: current(*given)).lower(ur, x).compile()
        text = compiled.as_text()
        return any("gather(" in f and "tanh(" in f for f in text.split("\n\n"))

    assert both_in_one_loop(at_every_edge)
    assert not both_in_one_loop(net.current)
    for change in (lambda f: f(ur, x), lambda f: jax.jacrev(f)(ur, x)):
        np.testing.assert_allclose(change(net.current), change(at_every_edge), 1e-14)
    many = jax.vmap(net.current, (0, None))(jnp.stack([ur, -ur]), x)
    np.testing.assert_allclose(many[1], at_every_edge(-ur, x), 1e-12)


def random_dag(n, edges, seed, *, named=True):
    """Edges from lower to higher numbers, under names that say nothing of it."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, n, (2, edges))
    ends = np.stack([np.minimum(a, b), np.maximum(a, b)])[:, a != b]
    names = rng.permutation(n) if named else np.arange(n)
    return hl.Digraph(n, *names[np.unique(ends, axis=1)])


def renamed(graph, seed):
    names = np.random.default_rng(seed).permutation(graph.num_nodes)
    return hl.Digraph(graph.num_nodes, names[graph.senders], names[graph.receivers])


def hub():
    """Many nodes into one, a chain with some of them, and from its end into many."""
    fan, chain = np.arange(40), np.arange(40, 60)
    senders = np.concatenate([fan, chain, chain % 7, np.full(30, 60)])
    receivers = np.concatenate([fan * 0 + 40, chain + 1, chain + 1, np.arange(61, 91)])
    return hl.Digraph(91, senders, receivers)


def skips():
    return hl.Digraph(7, [0, 0, 2, 3, 1, 4, 0], [2, 3, 3, 5, 4, 6, 6])


ACYCLIC = {
    "layers": (lambda: hl.Digraph.layered([3, 4, 2]), Unrolled),
    "even layers": (lambda: hl.Digraph.layered([3] * 12), Unrolled),
    "a run between": (lambda: hl.Digraph.layered([5, *[3] * 10, 2, 4]), Unrolled),
    "renamed layers": (lambda: renamed(hl.Digraph.layered([3] * 12), 1), Unrolled),
    "chain": (lambda: renamed(hl.Digraph.layered([1] * 30), 2), Unrolled),
    "many uneven layers": (lambda: hl.Digraph.layered([2, 3] * 20), Scanned),
    "skips": (skips, Unrolled),
    "shallow": (lambda: random_dag(60, 80, 0), Unrolled),
    "shallow, in order": (lambda: random_dag(60, 80, 0, named=False), Unrolled),
    "deep": (lambda: random_dag(60, 700, 1), Scanned),
    "deep, in order": (lambda: random_dag(60, 700, 1, named=False), Scanned),
    "wide": (lambda: random_dag(300, 900, 2), Scanned),
    "hub": (hub, Scanned),
}
acyclic = pytest.mark.parametrize("name", ACYCLIC)
of_every_kind = pytest.mark.parametrize(
    "name", ["layers", "a run between", "shallow", "deep", "hub"]
)
LEARN = ("weight", "input_weight", "bias", *TIMES)


def case(name, getkey, **options):
    """A network with one linear neuron that may learn all, a state and an input."""
    options = {"linear": [1], "learn": LEARN} | options
    net = make(ACYCLIC[name][0](), getkey(), **options)
    return net, jax.random.normal(getkey(), net.bias.shape), jnp.array([0.3, -1.2])


def matrix(net):
    n, graph = net.graph.num_nodes, net.graph
    empty = jnp.zeros((n, n), net.weight.dtype)
    return empty.at[graph.receivers, graph.senders].set(net.weight.reshape(-1))


def slow_velocity(net, u, x):
    """All neurons at once, again and again until nothing can change."""

    def again(v, _):
        rate = net.rate(u + net.tau_r * v)
        return (matrix(net) @ rate + net.drive(x) - u) / net.tau_m, None

    times = net.graph.depth() + 1
    return jax.lax.scan(again, jnp.zeros_like(u), length=times)[0]


def slow_errors(net, ur, force, k, c):
    """(s, lam) by a dense solve."""
    linear = jnp.zeros(ur.size, bool) if net.is_linear is None else net.is_linear
    slope = jnp.where(linear, jnp.ones_like(ur), 1 - jnp.tanh(ur) ** 2)
    passed = slope[:, None] * matrix(net).T
    lam = jnp.linalg.solve(jnp.eye(ur.size) - k[:, None] * passed, k * force + c)
    return passed @ lam + force, lam


def both_velocities(net, u, x):
    w, frozen = split(net)
    fast = lambda w, u, x: join(w, frozen)(u, x)
    return fast, lambda w, u, x: slow_velocity(join(w, frozen), u, x), (w, u, x)


def both_errors(net, u, x):
    w, frozen = split(net)
    k, c = 0.5 * jnp.tanh(u[::-1]), jnp.cos(u)

    def fast(w, ur, force, k, c):
        return jnp.stack(join(w, frozen).errors(ur, force, lambda s: k * s + c))

    def slow(w, ur, force, k, c):
        return jnp.stack(slow_errors(join(w, frozen), ur, force, k, c))

    return fast, slow, (w, u, jnp.sin(3 * u), k, c)


both = pytest.mark.parametrize("make_both", [both_velocities, both_errors])


@acyclic
@both
def test_sweeps_are_the_slow_ones(name, make_both, getkey):
    net, u, x = case(name, getkey)
    assert type(net.levels.sweep) is ACYCLIC[name][1]
    assert len(jax.tree.leaves(net.levels)) <= 24
    fast, slow, at = make_both(net, u, x)
    wanted = slow(*at)
    np.testing.assert_allclose(fast(*at), wanted, rtol=1e-10, atol=1e-11)


@of_every_kind
@both
def test_sweeps_in_single_precision(name, make_both, getkey):
    single = lambda a: a.astype(jnp.float32) if eqx.is_inexact_array(a) else a
    net, u, x = case(name, getkey)
    _, slow, at = make_both(net, u, x)
    fast, *_ = make_both(*jax.tree.map(single, (net, u, x)))
    got, wanted = fast(*jax.tree.map(single, at)), slow(*at)
    assert got.dtype == jnp.float32
    scale = float(jnp.max(jnp.abs(wanted)))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5 * scale)


@acyclic
@both
def test_derivatives_of_sweeps(name, make_both, getkey):
    """Both modes with respect to all, against those of the slow sweeps."""
    fast, slow, at = make_both(*case(name, getkey))
    change = jax.tree.map(lambda a: jax.random.normal(getkey(), a.shape), at)
    forward = lambda f: jax.jit(lambda at, change: jax.jvp(f, at, change))
    got, wanted = forward(fast)(at, change), forward(slow)(at, change)
    np.testing.assert_allclose(got[1], wanted[1], rtol=1e-8, atol=1e-9)
    weigh = jnp.cos(jnp.arange(got[0].size)).reshape(got[0].shape)
    total = lambda f: lambda at: jnp.sum(weigh * f(*at) ** 2)
    one, two = (jax.jit(jax.grad(total(f)))(at) for f in (fast, slow))
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["a run between", "skips", "deep"])
@both
def test_second_derivatives_of_sweeps(name, make_both, getkey):
    """Forward over reverse, against finite differences of the gradient."""
    # Away from zero, where the derivative of tau_r passes the clamp.
    fast, _, at = make_both(*case(name, getkey, prospective_time_constant=0.4))
    grad = jax.jit(jax.grad(lambda at: jnp.sum(jnp.sin(fast(*at)))))
    check_grads(grad, (at,), order=1, modes=["fwd"], rtol=1e-5, atol=1e-5)


@of_every_kind
@both
def test_sweeps_over_many_networks(name, make_both, getkey):
    """vmap over all, and over all but the weights."""
    fast, _, at = make_both(*case(name, getkey))
    other = jax.tree.map(lambda a: 0.7 * a, at)
    many = jax.tree.map(lambda *a: jnp.stack(a), at, other)
    np.testing.assert_allclose(jax.vmap(fast)(*many)[1], fast(*other), 1e-10, 1e-12)
    shared = lambda *rest: fast(at[0], *rest)
    got, wanted = jax.vmap(shared)(*many[1:])[1], fast(at[0], *other[1:])
    np.testing.assert_allclose(got, wanted, 1e-10, 1e-12)


@acyclic
def test_nan_spreads_along_edges_alone(name, getkey):
    """From one weight to the receiver and what hears of it; back to what it hears."""
    net, u, x = case(name, getkey)
    edge = net.graph.num_edges // 2
    flat = net.weight.reshape(-1).at[edge].set(jnp.nan)
    lost = eqx.tree_at(lambda n: n.weight, net, flat.reshape(net.weight.shape))
    sender, receiver = int(net.graph.senders[edge]), int(net.graph.receivers[edge])
    theirs = net.graph.to_networkx()
    after = {receiver} | nx.descendants(theirs, receiver)
    assert set(np.flatnonzero(jnp.isnan(lost(u, x))).tolist()) == after
    s, _ = lost.errors(u, jnp.ones_like(u), lambda s: s + 1)
    before = {sender} | nx.ancestors(theirs, sender)
    assert set(np.flatnonzero(jnp.isnan(s)).tolist()) == before


def test_a_chain_of_600_layers(getkey):
    """Neuron by neuron, as one program of few arrays however deep it is."""
    net = make(hl.Digraph.layered([10] * 600), getkey())
    shallow = make(hl.Digraph.layered([10] * 12), getkey())
    assert len(jax.tree.leaves(net)) == len(jax.tree.leaves(shallow))
    u, x = jax.random.normal(getkey(), net.bias.shape), jnp.ones(2)
    operations = lambda net, u: str(jax.make_jaxpr(net)(u, x)).count(" = ")
    assert operations(net, u) == operations(shallow, u[:120])
    blocks, drive = np.asarray(net.weight).reshape(-1, 10, 10), np.asarray(net.drive(x))
    rate = np.zeros(10)
    for k, v in enumerate(np.asarray(net(u, x)).reshape(600, 10)):
        here = slice(10 * k, 10 * k + 10)
        total = drive[here] + (blocks[k - 1] @ rate if k else 0)
        np.testing.assert_allclose(v, (total - u[here]) / net.tau_m[here], 1e-12, 1e-12)
        rate = np.tanh(np.asarray(u[here] + net.tau_r[here] * v))


def test_sweeps_of_a_phi_with_its_own_reverse_mode(getkey):
    """A surrogate gradient: the steps of a spike, the slopes of tanh."""

    @jax.custom_vjp
    def spike(x):
        return (x > 0).astype(x.dtype)

    slope = lambda x, ct: ((1 - jnp.tanh(x) ** 2) * ct,)
    spike.defvjp(lambda x: (spike(x), x), slope)
    net = make(hl.Digraph.layered([3, 4, 2]), getkey(), activation=spike)
    u, x = jax.random.normal(getkey(), (9,)), jnp.ones(2)
    w, frozen = split(net)
    fast = jax.grad(lambda w: jnp.sum(join(w, frozen)(u, x) ** 2))(w)
    slow = lambda w: slow_velocity(join(w, frozen), u, x)
    by_hand = jax.grad(lambda w: jnp.sum(slow(w) ** 2))(w)
    for name in w:
        np.testing.assert_allclose(fast[name], by_hand[name], rtol=1e-11, atol=1e-13)
