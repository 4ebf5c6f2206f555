"""Graphs against NumPy loops and networkx."""

import jax
import jax.numpy as jnp
import networkx as nx
import numpy as np
import pytest
import scipy.sparse
from optimised import as_users_have_it

from hamlearn import Digraph
from hamlearn.graph.aggregation import (
    Dense,
    DenseWithoutLoops,
    EvenLayers,
    Layered,
    Rows,
    Segments,
    once,
)
from hamlearn.graph.order import unfoldable_true


def sparse(num_nodes, num_edges, seed=0):
    """A graph with distinct random edges, in shuffled order."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(num_nodes**2)[:num_edges]
    return Digraph(num_nodes, chosen % num_nodes, chosen // num_nodes)


def uniform():
    return Digraph.random(12, in_degree=4, key=jax.random.key(1))


FORMS = {
    "dense": (lambda: Digraph.complete(5, self_loops=True), Dense),
    "one": (lambda: Digraph.complete(1, self_loops=True), Dense),
    "no loops": (lambda: Digraph.complete(6, self_loops=False), DenseWithoutLoops),
    "pair": (lambda: Digraph.complete(2, self_loops=False), DenseWithoutLoops),
    "layered": (lambda: Digraph.layered([3, 1, 4, 2]), Layered),
    "even layers": (lambda: Digraph.layered([3, 3, 3]), EvenLayers),
    "even but the last": (lambda: Digraph.layered([3, 3, 3, 2]), EvenLayers),
    "large layers": (lambda: Digraph.layered([70, 60, 9]), Layered),
    "large layers, even but the last": (
        lambda: Digraph.layered([60, 60, 60, 9]),
        EvenLayers,
    ),
    "two large layers": (lambda: Digraph.layered([70, 60]), EvenLayers),
    "two layers": (lambda: Digraph.layered([3, 5]), EvenLayers),
    "many uneven layers": (lambda: Digraph.layered([1, 2] * 40), Segments),
    "two equal layers": (lambda: Digraph.layered([4, 4]), EvenLayers),
    "rows": (uniform, Rows),
    "ring": (lambda: Digraph(7, np.arange(7), (np.arange(7) + 1) % 7), Rows),
    "segments": (lambda: sparse(11, 30), Segments),
    "one edge": (lambda: Digraph(3, [2], [0]), Segments),
}
forms = pytest.mark.parametrize("name", FORMS)


def by_loop(graph, weight, value):
    """s_i = sum_j w_ij v_j, one edge after the other."""
    total = np.zeros(graph.num_nodes)
    edges = zip(graph.senders, graph.receivers, np.ravel(weight), strict=True)
    for j, i, w in edges:
        total[int(i)] += w * value[int(j)]
    return total


def numbers(graph, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=graph.edge_shape), rng.normal(size=graph.num_nodes)


@forms
def test_form_is_the_expected_one(name):
    make, kind = FORMS[name]
    graph = make()
    assert type(graph.aggregation) is kind
    assert np.prod(graph.edge_shape) == graph.num_edges
    assert graph.aggregation.describe() in repr(graph)
    assert repr(graph).startswith(
        f"Digraph({graph.num_nodes} nodes, {graph.num_edges} edges, "
    )


@forms
def test_aggregate_is_the_loop(name):
    graph = FORMS[name][0]()
    weight, value = numbers(graph)
    got = graph.aggregate(jnp.asarray(weight), jnp.asarray(value))
    np.testing.assert_allclose(got, by_loop(graph, weight, value), rtol=0, atol=1e-13)


@forms
def test_aggregate_in_single_precision(name):
    graph = FORMS[name][0]()
    weight, value = numbers(graph)
    got = graph.aggregate(
        jnp.asarray(weight, jnp.float32), jnp.asarray(value, jnp.float32)
    )
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, by_loop(graph, weight, value), rtol=0, atol=5e-6)


@forms
def test_aggregate_pushes_tangents_forward(name):
    graph = FORMS[name][0]()
    (weight, value), (d_weight, d_value) = numbers(graph), numbers(graph, 1)
    primals = jnp.asarray(weight), jnp.asarray(value)
    tangents = jnp.asarray(d_weight), jnp.asarray(d_value)
    _, got = jax.jvp(graph.aggregate, primals, tangents)
    wanted = by_loop(graph, d_weight, value) + by_loop(graph, weight, d_value)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)


@forms
def test_aggregate_pulls_cotangents_back(name):
    graph = FORMS[name][0]()
    weight, value = numbers(graph)
    cotangent = np.random.default_rng(2).normal(size=graph.num_nodes)
    _, pull = jax.vjp(graph.aggregate, jnp.asarray(weight), jnp.asarray(value))
    got_weight, got_value = pull(jnp.asarray(cotangent))
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    back = np.zeros(graph.num_nodes)
    for j, i, w in zip(senders, receivers, np.ravel(weight), strict=True):
        back[j] += w * cotangent[i]
    outer = cotangent[receivers] * value[senders]
    np.testing.assert_allclose(np.ravel(got_weight), outer, rtol=0, atol=1e-13)
    np.testing.assert_allclose(got_value, back, rtol=0, atol=1e-13)
    got = graph.back(jnp.asarray(weight))(jnp.asarray(cotangent))
    np.testing.assert_allclose(got, back, rtol=0, atol=1e-13)


@forms
def test_aggregate_is_batched_by_vmap(name):
    graph = FORMS[name][0]()
    weight, _ = numbers(graph)
    values = np.random.default_rng(3).normal(size=(4, graph.num_nodes))
    got = jax.vmap(graph.aggregate, (None, 0))(jnp.asarray(weight), jnp.asarray(values))
    wanted = np.stack([by_loop(graph, weight, value) for value in values])
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)


@forms
def test_derivatives_are_batched_over_weights(name):
    """Of networks side by side, each has the derivatives that it has alone."""
    graph = FORMS[name][0]()
    (weight, value), (other, _) = numbers(graph), numbers(graph, 1)

    def pulled(weight, value):
        there, pull = jax.vjp(graph.aggregate, weight, value)
        return there, pull(value)

    weights, value = jnp.stack([weight, other]), jnp.asarray(value)
    got = jax.jit(jax.vmap(pulled, (0, None)))(weights, value)
    for k in range(2):
        alone = pulled(weights[k], value)
        close = lambda a, b, k=k: np.testing.assert_allclose(a[k], b, atol=1e-13)
        jax.tree.map(close, got, alone)


@forms
def test_second_derivatives(name):
    """d^2/dw dv of p.s is p_i at every edge (j -> i), along any direction."""
    graph = FORMS[name][0]()
    (weight, value), (_, d_value) = numbers(graph), numbers(graph, 1)
    p = np.random.default_rng(2).normal(size=graph.num_nodes)
    by_weight = jax.grad(lambda w, v: jnp.dot(p, graph.aggregate(w, v)))
    along = (jnp.asarray(value),), (jnp.asarray(d_value),)
    _, got = jax.jvp(lambda v: by_weight(jnp.asarray(weight), v), *along)
    wanted = p[np.asarray(graph.receivers)] * d_value[np.asarray(graph.senders)]
    np.testing.assert_allclose(np.ravel(got), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", [1, 3, 50, 1000, 20_000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("lost", [np.nan, np.inf, None])
def test_once_changes_no_number(n, dtype, lost):
    """What is not a number stays where it is, at every size, and alone."""
    value = jax.random.normal(jax.random.key(n), (n,), dtype)
    for place in {0, n // 2, n - 1}:
        given = value if lost is None else value.at[place].set(lost)
        np.testing.assert_array_equal(once(given), given)
        np.testing.assert_array_equal(jax.jit(once)(given), given)
        many = jnp.stack([given, value])
        np.testing.assert_array_equal(jax.jit(jax.vmap(once))(many), many)


@pytest.mark.parametrize("n", [5, 300])
def test_nan_spreads_the_same_with_and_without_once(n):
    """A NaN at one node reaches those that hear it and nobody else."""
    graph = Digraph.random(n, in_degree=3, key=jax.random.key(2))
    weight, value = map(jnp.asarray, numbers(graph))
    send = lambda pick: as_users_have_it(
        lambda v: graph.aggregate(weight, pick(jnp.tanh(v)))
    )
    for place in (0, n - 1):
        lost = value.at[place].set(jnp.nan)
        got, plain = send(once)(lost), send(jnp.array)(lost)
        np.testing.assert_array_equal(got, plain)
        hear = np.asarray(graph.receivers)[np.asarray(graph.senders) == place]
        assert set(np.flatnonzero(jnp.isnan(got))) == set(hear)


def test_once_has_the_derivative_of_what_it_passes():
    value = jnp.array([0.3, jnp.nan, -2.0])
    _, got = jax.jvp(once, (value,), (jnp.ones(3),))
    np.testing.assert_array_equal(got, jnp.ones(3))
    np.testing.assert_array_equal(jax.grad(lambda v: once(v)[0])(value), [1, 0, 0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -2.5, np.inf, -np.inf, np.nan])
def test_unfoldable_true_is_true(dtype, value):
    for shape in ((), (1,), (2, 3)):
        leaf = jnp.full(shape, value, dtype)
        assert unfoldable_true(leaf).dtype == bool
        assert jax.jit(unfoldable_true)(leaf)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "int32", "uint8", "bool"])
def test_unfoldable_true_of_other_kinds(dtype):
    for value in (0, 1):
        assert jax.jit(unfoldable_true)(jnp.full((2,), value, dtype))


@forms
def test_edges_are_sorted_int32(name):
    graph = FORMS[name][0]()
    assert graph.senders.dtype == graph.receivers.dtype == jnp.int32
    order = np.lexsort((graph.senders, graph.receivers))
    np.testing.assert_array_equal(order, np.arange(graph.num_edges))


def test_edge_order_does_not_depend_on_the_order_given():
    graph = sparse(9, 25)
    shuffle = np.random.default_rng(5).permutation(25)
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    again = Digraph(9, senders[shuffle], receivers[shuffle])
    np.testing.assert_array_equal(again.senders, senders)
    np.testing.assert_array_equal(again.receivers, receivers)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8, np.uint64])
def test_edges_of_any_integers(dtype):
    graph = Digraph(9, np.array([8, 0, 3], dtype), np.array([1, 8, 1], dtype))
    np.testing.assert_array_equal(graph.senders, [3, 8, 0])
    np.testing.assert_array_equal(graph.receivers, [1, 1, 8])


def test_keys_of_edges_do_not_overflow():
    """n^2 is beyond 32 bits."""
    n = 100_000
    graph = Digraph(n, [n - 1, 5, 0], [n - 1, n - 2, 3])
    np.testing.assert_array_equal(graph.senders, [0, 5, n - 1])
    np.testing.assert_array_equal(graph.receivers, [3, n - 2, n - 1])


def test_rows_of_dense_weights_receive():
    graph = Digraph.complete(3, self_loops=True)
    matrix = jnp.arange(9.0).reshape(3, 3)
    unit = jnp.array([0.0, 1.0, 0.0])
    np.testing.assert_array_equal(graph.aggregate(matrix, unit), matrix[:, 1])


def test_layered_edges():
    graph = Digraph.layered([2, 1, 2])
    np.testing.assert_array_equal(graph.senders, [0, 1, 2, 2])
    np.testing.assert_array_equal(graph.receivers, [2, 2, 3, 4])


def test_complete_has_all_edges():
    for loops in (True, False):
        graph = Digraph.complete(4, self_loops=loops)
        edges = set(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
        wanted = {(j, i) for i in range(4) for j in range(4) if loops or i != j}
        assert edges == wanted


@forms
def test_levels_against_networkx(name):
    graph = FORMS[name][0]()
    theirs = graph.to_networkx()
    if not nx.is_directed_acyclic_graph(theirs):
        assert graph.levels() is None
        return
    for level, nodes in enumerate(nx.topological_generations(theirs)):
        np.testing.assert_array_equal(graph.levels()[sorted(nodes)], level)


@forms
def test_depth_is_the_longest_path(name):
    graph = FORMS[name][0]()
    theirs = graph.to_networkx()
    acyclic = nx.is_directed_acyclic_graph(theirs)
    assert graph.depth() == (nx.dag_longest_path_length(theirs) if acyclic else None)


def test_depth_is_known_while_tracing():
    graph = Digraph.layered([2, 3, 2])
    depth = jax.jit(lambda graph: graph.depth() * jnp.ones(()))
    assert depth(graph) == 2


@pytest.mark.parametrize("seed", range(5))
def test_levels_of_random_acyclic_graphs(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 40, (2, 90))
    edges = np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)])[:, a != b], axis=1)
    names = rng.permutation(40)  # so that index order says nothing
    graph = Digraph(40, *names[edges])
    expected = np.zeros(40)
    for level, nodes in enumerate(nx.topological_generations(graph.to_networkx())):
        expected[sorted(nodes)] = level
    np.testing.assert_array_equal(graph.levels(), expected)


@pytest.mark.parametrize("fan", [3, 50])
def test_levels_of_a_chain_with_fans(fan):
    """One node at a time for long, and many at once in between."""
    names = np.random.default_rng(1).permutation(2000 + 3 * fan)
    chain, leaves = names[:2000], names[2000:].reshape(3, fan)
    senders = np.concatenate([chain[:-1], np.repeat(chain[[0, 7, 1999]], fan)])
    graph = Digraph(names.size, senders, np.concatenate([chain[1:], leaves.ravel()]))
    np.testing.assert_array_equal(graph.levels()[chain], np.arange(2000))
    wanted = np.broadcast_to([[1], [8], [2000]], leaves.shape)
    np.testing.assert_array_equal(graph.levels()[leaves], wanted)
    assert graph.depth() == 2000


def test_a_cycle_behind_sources_has_no_levels():
    graph = Digraph(6, [0, 1, 2, 3, 4, 3], [1, 2, 3, 4, 2, 5])
    assert graph.levels() is None
    assert graph.depth() is None


def test_in_degree_is_counted():
    graph = sparse(11, 30)
    theirs = dict(graph.to_networkx().in_degree())
    np.testing.assert_array_equal(graph.in_degree(), [theirs[k] for k in range(11)])


@pytest.mark.parametrize(("n", "degree"), [(2, 1), (30, 3), (30, 20), (9, 8)])
@pytest.mark.parametrize("acyclic", [False, True])
def test_random_graphs(n, degree, acyclic, getkey):
    graph = Digraph.random(n, in_degree=degree, acyclic=acyclic, key=getkey())
    senders, receivers = np.asarray(graph.senders), np.asarray(graph.receivers)
    wanted = np.minimum(np.arange(n), degree) if acyclic else np.full(n, degree)
    np.testing.assert_array_equal(graph.in_degree(), wanted)
    assert len(set(zip(senders, receivers, strict=True))) == graph.num_edges
    assert not np.any(senders == receivers)
    if acyclic:
        assert np.all(senders < receivers)
        assert nx.is_directed_acyclic_graph(graph.to_networkx())


def test_random_senders_are_uniform():
    graph = Digraph.random(20, in_degree=5, key=jax.random.key(0))
    counts = np.zeros(20)
    for seed in range(200):
        graph = Digraph.random(20, in_degree=5, key=jax.random.key(seed))
        counts += np.bincount(graph.senders, minlength=20)
    # 200 graphs, 19 possible receivers each with chance 5/19: 1000 +- 27.
    assert np.all(np.abs(counts - 1000) < 5 * np.sqrt(200 * 19 * 5 / 19 * 14 / 19))


def test_random_graphs_follow_the_key():
    make = lambda seed: Digraph.random(30, in_degree=4, key=jax.random.key(seed))
    np.testing.assert_array_equal(make(3).senders, make(3).senders)
    assert np.any(make(3).senders != make(4).senders)


@forms
def test_networkx_round_trip(name):
    graph = FORMS[name][0]()
    again = Digraph.from_networkx(graph.to_networkx())
    assert again.num_nodes == graph.num_nodes
    np.testing.assert_array_equal(again.senders, graph.senders)
    np.testing.assert_array_equal(again.receivers, graph.receivers)


def test_networkx_nodes_are_numbered_in_their_order():
    theirs = nx.DiGraph()
    theirs.add_nodes_from(["out", "in", "between"])
    theirs.add_edges_from([("in", "between"), ("between", "out")])
    graph = Digraph.from_networkx(theirs)
    np.testing.assert_array_equal(graph.senders, [2, 1])
    np.testing.assert_array_equal(graph.receivers, [0, 2])


ERRORS = {
    "`num_nodes` must be an integer of at least 1, but is 0.": lambda: Digraph(
        0, [0], [0]
    ),
    "`num_nodes` must be an integer of at least 1, but is -3.": lambda: Digraph(
        -3, [0], [0]
    ),
    "`senders` must be non-empty: a network needs an edge, but is empty.": (
        lambda: Digraph(3, [], [])
    ),
    "`senders` must be nodes between 0 and 2, but is 3 at index 1.": lambda: Digraph(
        3, [0, 3], [1, 2]
    ),
    "`receivers` must be nodes between 0 and 2, but is -1 at index 0.": (
        lambda: Digraph(3, [0, 1], [-1, 2])
    ),
    "`senders` must be integers, but is of type float64.": lambda: Digraph(
        3, [0.0, 1.0], [1, 2]
    ),
    "`senders` must be an array of shape (edges), but is of shape (1, 2).": (
        lambda: Digraph(3, [[0, 1]], [1, 2])
    ),
    "`receivers` must be an array of shape (2), but is of shape (1,).": (
        lambda: Digraph(3, [0, 1], [2])
    ),
    "`senders` must be without repeated edges, but is holding 0 -> 1 twice.": (
        lambda: Digraph(3, [0, 1, 0], [1, 2, 1])
    ),
    "`num_nodes` must be an integer of at least 2, but is 1.": (
        lambda: Digraph.complete(1, self_loops=False)
    ),
    "`sizes` must be at least two layer sizes, but is [3].": (
        lambda: Digraph.layered([3])
    ),
    "`sizes` must be an integer of at least 1, but is 0.": (
        lambda: Digraph.layered([3, 0, 2])
    ),
    "`in_degree` must be less than `num_nodes` = 4, but is 4.": (
        lambda: Digraph.random(4, in_degree=4, key=jax.random.key(0))
    ),
    "`in_degree` must be an integer of at least 1, but is 0.": (
        lambda: Digraph.random(4, in_degree=0, key=jax.random.key(0))
    ),
    "`graph` must be directed, but is Graph with 2 nodes and 1 edges.": (
        lambda: Digraph.from_networkx(nx.path_graph(2))
    ),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors(message):
    with pytest.raises(ValueError) as caught:
        ERRORS[message]()
    assert str(caught.value) == message


def test_sparse_layers_hear_the_layer_before_them():
    sizes = [5, 40, 3, 20]
    graph = Digraph.layered(sizes, in_degree=4, key=jax.random.key(0))
    layer = np.repeat(np.arange(4), sizes)
    assert np.all(layer[graph.receivers] - layer[graph.senders] == 1)
    heard = np.bincount(graph.receivers, minlength=sum(sizes))
    np.testing.assert_array_equal(heard, np.repeat([0, 4, 4, 3], sizes))
    assert graph.depth() == 3
    other = Digraph.layered(sizes, in_degree=4, key=jax.random.key(1))
    assert not np.array_equal(graph.senders, other.senders)
    whole = Digraph.layered(sizes, in_degree=40, key=jax.random.key(0))
    np.testing.assert_array_equal(whole.senders, Digraph.layered(sizes).senders)


@pytest.mark.parametrize("in_degree", [1, 4, 5])
def test_small_worlds_keep_their_degree_and_rewire_as_often_as_asked(in_degree):
    n, world = 3000, Digraph.small_world
    near = lambda graph: (
        np.abs(
            (np.asarray(graph.senders) - np.asarray(graph.receivers) + n // 2) % n
            - n // 2
        )
        <= (in_degree + 1) // 2
    )
    ring = world(n, in_degree=in_degree, rewired=0.0, key=jax.random.key(0))
    assert near(ring).all()
    for share in (0.1, 1.0):
        graph = world(n, in_degree=in_degree, rewired=share, key=jax.random.key(0))
        assert np.all(np.bincount(graph.receivers) == in_degree)
        assert not np.any(graph.senders == graph.receivers)
        spread = 4 * (share * (1 - share) / graph.num_edges) ** 0.5
        # Of an odd degree one side has a neighbour more; the other's is a stranger.
        assert abs(1 - near(graph).mean() - share) <= spread + in_degree % 2 * 2 / n
    with pytest.raises(ValueError, match="`rewired` must be"):
        world(8, in_degree=4, rewired=0.1, key=jax.random.key(0))


def test_graphs_out_of_files(tmp_path):
    edges = np.array([(3, 1), (0, 2), (2, 0), (1, 2)])
    expected = Digraph(5, edges[:, 0], edges[:, 1])
    texts = {
        "blanks.txt": "# from to\n3 1\n0 2\n2 0\n1 2\n",
        "tabs.tsv": "% a comment\n3\t1\t0.5\n0\t2\t1\n2\t0\t1\n1\t2\t7\n",
        "commas.csv": "3,1\n0,2\n2, 0\n1,2\n",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    np.save(tmp_path / "edges.npy", edges)
    for name in (*texts, "edges.npy"):
        graph = Digraph.from_file(tmp_path / name, num_nodes=5)
        assert graph.num_nodes == 5
        np.testing.assert_array_equal(graph.senders, expected.senders)
        np.testing.assert_array_equal(graph.receivers, expected.receivers)
    assert Digraph.from_file(tmp_path / "blanks.txt").num_nodes == 4
    (tmp_path / "words.txt").write_text("from to\n0 1\n")
    with pytest.raises(ValueError, match="`path` must be a list of edges"):
        Digraph.from_file(tmp_path / "words.txt")


def test_graphs_out_of_sparse_matrices(getkey):
    """W[i, j] is an edge j -> i; its entries are the weights in the graph's order."""
    matrix = scipy.sparse.random_array(
        (12, 12), density=0.3, rng=np.random.default_rng(0)
    )
    for form in (matrix.tocsc(), matrix.tocoo(), matrix.tocsr()):
        graph = Digraph.from_scipy(form)
        weight = jnp.asarray(graph.entries(form))
        value = jax.random.normal(getkey(), (12,))
        np.testing.assert_allclose(graph.aggregate(weight, value), matrix @ value)
    for bad in (matrix[:5], matrix.toarray(), "edges"):
        with pytest.raises(ValueError, match="`matrix` must be a square sparse"):
            Digraph.from_scipy(bad)
