"""Networks against NumPy twins."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn import (
    Batch,
    Cost,
    Digraph,
    Dynamics,
    HamiltonianLearning,
    RateNetwork,
    Sample,
    join,
    split,
    stream,
)
from hamlearn.action import hamiltonian, lagrangian
from hamlearn.graph.levels import levels_of
from hamlearn.networks.rest import Settling
from hamlearn.updates import Inertia

KEY = jax.random.key(0)


def graph_of(kind, seed=0):
    if kind == "rows":
        return Digraph.random(9, in_degree=3, key=jax.random.key(seed))
    if kind == "acyclic":
        return Digraph.random(9, in_degree=3, acyclic=True, key=jax.random.key(seed))
    chosen = np.random.default_rng(seed).permutation(81)[:26]
    return Digraph(9, chosen % 9, chosen // 9)


def twin(network, x, u, input_nodes, activation=np.tanh):
    """dx/dt neuron by neuron in NumPy, from the parameters of `network`."""
    rate = np.zeros(9)
    for i in range(9):
        a = network.bias[i]
        for e in np.flatnonzero(np.asarray(network.graph.receivers) == i):
            a = a + np.ravel(network.weight)[e] * x[int(network.graph.senders[e])]
        if i in input_nodes:
            a = a + np.asarray(network.input_weight)[input_nodes.index(i)] @ u
        rate[i] = (activation(a) - x[i]) / network.time_constant[i]
    return rate


@pytest.mark.parametrize("kind", ["rows", "segments", "acyclic"])
@pytest.mark.parametrize("input_nodes", [[3, 4, 5], [7, 0, 2], None])
def test_drift_is_the_twins(kind, input_nodes):
    rng = np.random.default_rng(1)
    graph = graph_of(kind)
    network = RateNetwork(
        graph,
        inputs=2,
        input_nodes=input_nodes,
        time_constant=rng.uniform(0.1, 3, 9),
        key=KEY,
    )
    network = eqx.tree_at(lambda n: n.bias, network, jnp.asarray(rng.normal(size=9)))
    x, u = rng.normal(size=9), rng.normal(size=2)
    if input_nodes is None:
        deaf = [i for i in range(9) if i not in np.asarray(graph.receivers)]
        input_nodes = deaf or list(range(9))
    np.testing.assert_allclose(
        network(jnp.asarray(x), jnp.asarray(u)),
        twin(network, x, u, input_nodes),
        rtol=1e-13,
        atol=1e-14,
    )


def test_activation_and_network_without_input():
    network = RateNetwork(graph_of("rows"), activation=jnp.sin, key=KEY)
    x = np.random.default_rng(1).normal(size=9)
    got = network(jnp.asarray(x), jnp.zeros(0))
    np.testing.assert_allclose(got, twin(network, x, None, [], np.sin), rtol=1e-13)
    assert network.input_weight is None


def test_default_input_nodes_hear():
    network = RateNetwork(Digraph.layered([2, 3, 1]), inputs=4, key=KEY)
    assert network.input_weight.shape == (2, 4)
    heard = network(jnp.zeros(6), jnp.ones(4))
    np.testing.assert_array_equal(np.asarray(heard) != 0, [True] * 2 + [False] * 4)
    network = RateNetwork(graph_of("rows"), inputs=4, key=KEY)
    assert network.input_weight.shape == (9, 4)


@pytest.mark.parametrize(
    ("outputs", "nodes"), [(2, [7, 8]), ([0], [0]), ([6, 1, 3], [6, 1, 3])]
)
def test_readout_takes_the_output_nodes(outputs, nodes):
    network = RateNetwork(graph_of("rows"), outputs=outputs, key=KEY)
    x = jnp.arange(9.0)
    np.testing.assert_array_equal(network.readout(x, jnp.zeros(0)), nodes)


def test_readout_module_maps_the_output_nodes():
    linear = eqx.nn.Linear(2, 3, key=KEY)
    network = RateNetwork(graph_of("rows"), outputs=[4, 0], readout=linear, key=KEY)
    x = jnp.arange(9.0)
    wanted = linear.weight @ jnp.array([4.0, 0.0]) + linear.bias
    np.testing.assert_allclose(network.readout(x, jnp.zeros(0)), wanted, rtol=1e-14)


def test_initial_weights_have_the_stated_spread():
    graph = Digraph.random(400, in_degree=25, key=KEY)
    network = RateNetwork(graph, inputs=16, gain=1.5, key=KEY)
    # 10 000 and 6 400 normal draws: the standard error of a spread is s/sqrt(2 n).
    assert abs(np.std(network.weight) / 0.3 - 1) < 4 / np.sqrt(2 * 10_000)
    assert abs(np.std(network.input_weight) / 0.25 - 1) < 4 / np.sqrt(2 * 6_400)
    np.testing.assert_array_equal(network.bias, 0)
    np.testing.assert_array_equal(network.initial_state(), np.zeros(400))


def test_split_and_join_are_inverse():
    linear = eqx.nn.Linear(2, 3, key=KEY)
    network = RateNetwork(
        graph_of("segments"), inputs=2, outputs=2, readout=linear, key=KEY
    )
    w, frozen = split(network)
    names = {"weight", "input_weight", "bias"}
    assert set(w) == names | {"readout_map.weight", "readout_map.bias"}
    np.testing.assert_array_equal(w["readout_map.weight"], linear.weight)
    assert eqx.tree_equal(join(w, frozen), network)
    moved = join(w | {"bias": jnp.ones(9)}, frozen)
    np.testing.assert_array_equal(moved.bias, 1)
    assert eqx.tree_equal(eqx.tree_at(lambda n: n.bias, moved, network.bias), network)


@pytest.mark.parametrize(
    ("learn", "names"),
    [
        (("weight",), {"weight"}),
        (("bias", "time_constant"), {"bias", "time_constant"}),
        (("weight", "input_weight", "readout_map"), {"weight"}),
        ((), set()),
    ],
)
def test_learn_chooses_what_learns(learn, names):
    network = RateNetwork(graph_of("rows"), learn=learn, key=KEY)
    assert set(split(network)[0]) == names


def test_what_does_not_learn_stays():
    network = RateNetwork(graph_of("rows"), inputs=1, learn=("bias",), key=KEY)
    law = HamiltonianLearning(Cost(loss_weight=10.0), dissipation=3.0)
    samples = np.ones((50, 1)), np.full((50, 1), 0.3)
    result = stream(law, network, samples, dt=0.05, progress=False)
    np.testing.assert_array_equal(result.network.weight, network.weight)
    np.testing.assert_array_equal(result.network.input_weight, network.input_weight)
    assert np.max(np.abs(result.network.bias)) > 1e-3


class Gated(eqx.Module):
    """dx/dt = GRU(u, x) - x."""

    cell: eqx.nn.GRUCell

    def __call__(self, x, u):
        return self.cell(u, x) - x


def gated_network():
    k1, k2 = jax.random.split(KEY)
    linear = eqx.nn.Linear(4, 1, key=k2)
    return Dynamics(
        Gated(eqx.nn.GRUCell(2, 4, key=k1)),
        initial_state=jnp.full(4, 0.1),
        readout=Readout(linear),
    )


class Readout(eqx.Module):
    linear: eqx.nn.Linear

    def __call__(self, x, u):
        return self.linear(x)


def test_any_module_is_a_network():
    network = gated_network()
    x, u = jnp.linspace(-1, 1, 4), jnp.array([0.5, -1.0])
    cell = jax.tree.map(np.asarray, network.drift.cell)
    gates_u, gates_x = cell.weight_ih @ u + cell.bias, cell.weight_hh @ x
    sigmoid = lambda a: 1 / (1 + np.exp(-a))
    r, z = (sigmoid(gates_u[k : k + 4] + gates_x[k : k + 4]) for k in (0, 4))
    n = np.tanh(gates_u[8:] + r * (gates_x[8:] + cell.bias_n))
    np.testing.assert_allclose(network(x, u), n + z * (x - n) - x, rtol=1e-13)
    linear = network.readout_map.linear
    np.testing.assert_allclose(
        network.readout(x, u), linear.weight @ x + linear.bias, rtol=1e-14
    )
    np.testing.assert_array_equal(network.initial_state(), np.full(4, 0.1))
    w, frozen = split(network)
    assert "drift.cell.weight_ih" in w
    assert "readout_map.linear.bias" in w
    assert not any("start" in name for name in w)
    assert eqx.tree_equal(join(w, frozen), network)


def test_any_module_learns():
    cost = Cost(loss_weight=50.0)
    law = HamiltonianLearning(cost, inertia=0.1, dissipation=20.0)
    samples = np.ones((3000, 2)), np.full((3000, 1), 0.6)
    result = stream(law, gated_network(), samples, dt=0.01, progress=False)
    assert abs(result.output[-1, 0] - 0.6) < 0.02
    assert abs(result.output[0, 0] - 0.6) > 0.2


def test_bare_modules_need_a_start():
    law = HamiltonianLearning()
    state = law.init(lambda x, u: -x, x0=jnp.ones(3))
    np.testing.assert_array_equal(state.x, 1)
    with pytest.raises(ValueError, match="`x0` must be given for a module"):
        law.init(lambda x, u: -x)
    with pytest.raises(ValueError, match="`network` must be a network or a module"):
        law.init(3.0)


def test_state_may_be_a_tree():
    def drift(x, u):
        return {"position": x["speed"], "speed": u - x["position"]}

    network = Dynamics(
        drift,
        initial_state={"position": jnp.zeros(1), "speed": jnp.ones(1)},
        readout=lambda x, u: x["position"],
    )
    samples = np.zeros((100, 1)), np.zeros((100, 1))
    result = stream(HamiltonianLearning(), network, samples, dt=0.01, progress=False)
    x, v, wanted = 0.0, 1.0, []
    for _ in range(100):  # explicit Euler by hand
        wanted.append(x)
        x, v = x + 0.01 * v, v - 0.01 * x
    np.testing.assert_allclose(result.output[:, 0], wanted, rtol=1e-12, atol=1e-15)


def test_batch_runs_the_same_network_side_by_side():
    one = RateNetwork(graph_of("rows"), inputs=2, outputs=3, key=KEY)
    many = Batch(one, 4)
    rng = np.random.default_rng(0)
    x, u = jnp.asarray(rng.normal(size=(4, 9))), jnp.asarray(rng.normal(size=(4, 2)))
    for k in range(4):
        np.testing.assert_allclose(many(x, u)[k], one(x[k], u[k]), rtol=1e-13)
        np.testing.assert_array_equal(many.readout(x, u)[k], one.readout(x[k], u[k]))
    assert many.initial_state().shape == (4, 9)
    w, frozen = split(many)
    assert set(w) == set(split(one)[0])
    assert eqx.tree_equal(join(w, frozen), many)


def test_batch_averages_the_gradient():
    one = RateNetwork(graph_of("rows"), inputs=2, key=KEY)
    rng = np.random.default_rng(0)
    x, p = (jnp.asarray(rng.normal(size=(4, 9))) for _ in range(2))
    u, y = jnp.asarray(rng.normal(size=(4, 2))), jnp.asarray(rng.normal(size=(4, 1)))
    cost = Cost(loss_weight=3.0, weight_decay=0.5)
    zeros = lambda n: jax.tree.map(jnp.zeros_like, split(n)[0])
    got = hamiltonian(cost, Batch(one, 4), x, p, zeros(Batch(one, 4)), Sample(u, y))
    losses, powers = [], 0.0
    for k in range(4):
        losses.append(0.5 * np.sum((one.readout(x[k], u[k]) - y[k]) ** 2))
        powers += float(jnp.vdot(p[k], one(x[k], u[k])))
    decay = 0.25 * sum(np.sum(np.asarray(leaf) ** 2) for leaf in split(one)[0].values())
    np.testing.assert_allclose(got, 3 * np.mean(losses) + decay + powers, rtol=1e-13)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_all_parameters_have_the_dtype_asked_for(dtype):
    network = RateNetwork(
        graph_of("rows"), inputs=2, time_constant=0.5, dtype=dtype, key=KEY
    )
    floats = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
    assert {leaf.dtype for leaf in floats} == {jnp.dtype(dtype)}
    law = HamiltonianLearning(Cost(loss_weight=10.0), dissipation=3.0)
    samples = np.ones((20, 2)), np.ones((20, 1))
    result = stream(law, network, samples, dt=0.1, progress=False)
    floats = jax.tree.leaves(eqx.filter(result.state, eqx.is_inexact_array))
    assert {leaf.dtype for leaf in floats} == {jnp.dtype(dtype)}
    assert result.output.dtype == result.loss.dtype == jnp.dtype(dtype)


def test_single_precision_agrees_with_double():
    runs = []
    for dtype in (jnp.float32, jnp.float64):
        network = RateNetwork(graph_of("rows"), inputs=2, key=KEY)
        cast = lambda leaf, dtype=dtype: (
            leaf.astype(dtype) if eqx.is_inexact_array(leaf) else leaf
        )
        law = HamiltonianLearning(Cost(loss_weight=10.0), dissipation=3.0)
        samples = np.ones((300, 2)), np.full((300, 1), 0.4)
        runs.append(
            stream(law, jax.tree.map(cast, network), samples, dt=0.02, progress=False)
        )
    np.testing.assert_allclose(runs[0].output, runs[1].output, rtol=0, atol=2e-5)


def test_learning_costs_by_hand():
    """L and H against sums written out in NumPy."""
    network = RateNetwork(graph_of("rows"), inputs=1, outputs=2, key=KEY)
    rng = np.random.default_rng(4)
    x, p_x = rng.normal(size=9), rng.normal(size=9)
    w, _ = split(network)
    p_w = {name: jnp.asarray(rng.normal(size=leaf.shape)) for name, leaf in w.items()}
    v = {name: jnp.asarray(rng.normal(size=leaf.shape)) for name, leaf in w.items()}
    u, y = np.array([0.3]), np.array([1.0, -1.0])
    cost = Cost(loss_weight=7.0, weight_decay=0.4)
    square = lambda tree: sum(np.sum(np.asarray(leaf) ** 2) for leaf in tree.values())
    ell = 7 / 2 * np.sum((x[7:] - y) ** 2) + 0.2 * square(w)
    sample = Sample(jnp.asarray(u), jnp.asarray(y))
    got = lagrangian(cost, network, jnp.asarray(x), v, sample, inertia=0.2)
    np.testing.assert_allclose(got, 0.1 * square(v) + ell, rtol=1e-13)
    f = twin(network, x, u, list(range(9)))
    p = jnp.asarray(p_x), p_w
    got = hamiltonian(cost, network, jnp.asarray(x), *p, sample, inertia=0.2)
    np.testing.assert_allclose(got, ell + p_x @ f - square(p_w) / 0.4, rtol=1e-13)
    half = Sample(sample.input, sample.target, jnp.asarray(0.5))
    got = lagrangian(cost, network, jnp.asarray(x), v, half, inertia=0.2)
    wanted = 0.1 * square(v) + 0.2 * square(w) + 7 / 4 * np.sum((x[7:] - y) ** 2)
    np.testing.assert_allclose(got, wanted, rtol=1e-13)


def make(**changes):
    options = {"inputs": 1, "key": KEY} | changes
    return RateNetwork(graph_of("rows"), **options)


ERRORS = {
    "`time_constant` must be positive, but is -1.0.": lambda: make(time_constant=-1.0),
    "`time_constant` must be positive, but is 0.0.": lambda: make(time_constant=0),
    "`time_constant` must be positive, but is nan.": lambda: make(
        time_constant=float("nan")
    ),
    "`time_constant` must be positive, but is -2.0 at index 3.": lambda: make(
        time_constant=np.array([1, 1, 1, -2.0, 1, 1, -3, 1, 1])
    ),
    "`time_constant` must be an array of shape (9), but is of shape (4,).": (
        lambda: make(time_constant=np.ones(4))
    ),
    "`time_constant` must be numeric, a positive number, but is 'fast' (str).": lambda: (
        make(time_constant="fast")
    ),
    "`inputs` must be an integer of at least 0, but is -1.": lambda: make(inputs=-1),
    "`gain` must be non-negative, but is -0.5.": lambda: make(gain=-0.5),
    "`outputs` must be between 1 and the number of nodes 9, but is 10.": (
        lambda: make(outputs=10)
    ),
    "`outputs` must be distinct nodes between 0 and 8, but is [3, 9].": (
        lambda: make(outputs=[3, 9])
    ),
    "`outputs` must be distinct nodes between 0 and 8, but is [3, 3].": (
        lambda: make(outputs=[3, 3])
    ),
    "`input_nodes` must be distinct nodes between 0 and 8, but is [].": (
        lambda: make(input_nodes=[])
    ),
    "`learn` must be names of fields of RateNetwork, but is wieght.": (
        lambda: make(learn=("wieght",))
    ),
    "`readout` must be of 1 inputs, the output nodes, but is of 3.": lambda: make(
        readout=eqx.nn.Linear(3, 2, key=KEY)
    ),
    "`readout` must be of 2 inputs, the output nodes, but is of 80.": lambda: make(
        outputs=2, readout=eqx.nn.MLP(80, 1, 4, 1, key=KEY)
    ),
    "`readout` must be returning one vector, but is returning ().": lambda: make(
        readout=lambda y: y[0]
    ),
    "`readout` must be of 2 inputs, the state, but is of 3.": lambda: Dynamics(
        lambda x, u: -x,
        initial_state=jnp.zeros(2),
        readout=eqx.nn.Linear(3, 1, key=KEY),
    ),
    "`size` must be an integer of at least 1, but is 0.": lambda: Batch(make(), 0),
    "`inertia` must be positive, but is 0.0.": lambda: Inertia(inertia=0.0),
    "`loss_weight` must be non-negative, but is -1.0.": lambda: Cost(loss_weight=-1.0),
    "`weight_decay` must be non-negative, but is inf.": lambda: Cost(
        weight_decay=float("inf")
    ),
    "`dissipation` must be non-negative, but is -3.0.": lambda: Inertia(1.0, -3),
}


def broken(y):
    raise ValueError("mine")


def test_an_error_of_a_readout_is_its_own():
    with pytest.raises(ValueError) as caught:
        make(readout=broken)
    assert str(caught.value) == "mine"
    assert caught.traceback[-1].name == "broken"


@pytest.mark.parametrize("message", ERRORS)
def test_errors(message):
    with pytest.raises(ValueError) as caught:
        ERRORS[message]()
    assert str(caught.value) == message


@pytest.mark.parametrize("kind", ["acyclic", "layers", "shuffled"])
def test_rest_is_reached_level_by_level(kind, getkey):
    """As by sweeps of all neurons, with its derivatives by weights and input."""
    graph = {
        "acyclic": lambda: graph_of("acyclic"),
        "layers": lambda: Digraph.layered([2, 3, 3, 1]),
        "shuffled": lambda: Digraph(9, [8, 3, 0, 3, 7, 5], [3, 0, 7, 5, 1, 2]),
    }[kind]()
    network = RateNetwork(graph, inputs=2, gain=2.0, key=getkey())
    w, frozen = split(network)
    settle = Settling(levels_of(graph), 0)
    assert settle.levels is not None
    x, u = jax.random.normal(getkey(), (9,)), jnp.array([0.3, -0.7])
    at_rest = lambda settle: lambda w, u: settle(join(w, frozen), x, u)
    moved = jax.tree.map(lambda leaf: jax.random.normal(getkey(), leaf.shape), (w, u))
    given = ((w, u), moved)
    quick, slow = (
        jax.jvp(at_rest(one), *given) for one in (settle, Settling(None, 10))
    )
    np.testing.assert_allclose(quick[0], slow[0], rtol=1e-13)
    np.testing.assert_allclose(quick[1], slow[1], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(network.settled(quick[0], u), quick[0], rtol=1e-13)


def test_deep_networks_alone_are_worth_a_pass_by_levels():
    for depth in (3, 40):
        network = RateNetwork(Digraph.layered([1] * (depth + 1)), key=KEY)
        assert (Settling.of(network, depth + 1).levels is not None) == (depth > 16)


def test_cycles_come_to_rest_by_sweeps():
    network = RateNetwork(graph_of("rows"), inputs=1, gain=0.5, key=KEY)
    settle = Settling.of(network, 200)
    assert settle.levels is None
    x = settle(network, network.initial_state(), jnp.array([0.5]))
    np.testing.assert_allclose(network.settled(x, jnp.array([0.5])), x, atol=1e-13)
