"""Hop traces: what they contain, where they are exact, how well they point."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from online_twin import estimates, relative, summed

import hamlearn as hl
from hamlearn import Cost, Digraph, RateNetwork, Sample, VoltageNetwork
from hamlearn.laws import EProp, Hops, SlidingBPTT, SpatialTrace

COST, DT = Cost(loss_weight=1.5), 0.2
EVERYTHING = ("weight", "input_weight", "bias", "readout_map", "time_constant")


def identity(a):
    return a


def make_network(key, graph=None, tau=1.0, outputs=2, gain=1.0, activation=jnp.tanh):
    a, b = jax.random.split(key)
    graph = Digraph.complete(5, self_loops=True) if graph is None else graph
    read = eqx.nn.Linear(outputs, 2, key=b)
    return RateNetwork(
        graph, inputs=2, outputs=outputs, time_constant=tau, readout=read, gain=gain,
        activation=activation, learn=EVERYTHING, key=a,
    )  # fmt: skip


def make_samples(key, steps=40):
    a, b = jax.random.split(key)
    return Sample(jax.random.normal(a, (steps, 2)), jax.random.normal(b, (steps, 2)))


def each_alike(a, b, within=1e-12):
    for name, leaf in b.items():
        scale = np.abs(leaf).max()
        np.testing.assert_allclose(a[name], leaf, atol=within * scale, err_msg=name)


def test_one_hop_at_the_own_leak_is_the_trace_of_the_own_leak(getkey):
    network, samples = make_network(getkey()), make_samples(getkey())
    found = estimates(Hops(COST, order=1), network, samples)
    each_alike(found, estimates(EProp(COST), network, samples))


@pytest.mark.parametrize("kind", ["rate", "sparse", "voltage"])
@pytest.mark.parametrize("order", [1, 3, 6])
def test_at_a_pole_of_one_hops_are_steps(getkey, kind, order):
    samples, tau = make_samples(getkey()), jnp.linspace(0.3, 2.0, 5)
    if kind == "voltage":
        network = VoltageNetwork(
            Digraph.complete(5, self_loops=True), inputs=2, outputs=2, gain=1.5,
            membrane_time_constant=tau, key=getkey(),
        )  # fmt: skip
    else:
        sparse = Digraph.random(5, in_degree=2, key=getkey())
        network = make_network(getkey(), sparse if kind == "sparse" else None, tau)
    found = estimates(Hops(COST, order=order, pole=1.0, cap=None), network, samples)
    exact = estimates(SlidingBPTT(COST, window=order + 1), network, samples)
    each_alike(found, exact)


@pytest.mark.parametrize("tau", [1.0, "unequal"])
def test_layers_of_constant_slope_are_exact_at_their_number(getkey, tau):
    """Unequal leaks are moved too, by the powers of what they lack of the pole."""
    graph, samples = Digraph.layered([3, 2, 2]), make_samples(getkey())
    alike = tau == 1.0
    taus = 1.0 if alike else jnp.array([1.0, 0.8, 1.1, 1.0, 0.9, 1.2, 1.0])
    network = make_network(getkey(), graph, taus, activation=identity)
    exact = hl.exact_gradient(COST, network, samples, dt=DT).w
    error = lambda order: relative(
        summed(Hops(COST, order=order, cap=None), network, samples), exact
    )
    assert error(3 if alike else 60) < 1e-12
    assert error(2) > 1e-3


def test_a_recurrence_of_constant_slope_is_exact_as_hops_go_on(getkey):
    network = make_network(getkey(), gain=0.3, activation=identity)
    samples = make_samples(getkey())
    exact = hl.exact_gradient(COST, network, samples, dt=DT).w
    errors = [
        relative(summed(Hops(COST, order=h, cap=None), network, samples), exact)
        for h in (1, 4, 30)
    ]
    assert errors[2] < 1e-12 < 1e-3 * errors[1] < 1e-2 * errors[0]


def test_a_cap_bounds_what_a_hop_may_add(getkey):
    network, samples = make_network(getkey(), gain=3.0), make_samples(getkey())
    found = lambda cap: summed(Hops(COST, order=4, cap=cap), network, samples)
    each_alike(found(0.0), summed(EProp(COST), network, samples))
    each_alike(found(1e6), found(None))
    assert relative(found(1.0), found(None)) > 1e-2


def test_spatial_traces_are_exact_for_what_is_read_and_late_below(getkey):
    samples = make_samples(getkey())
    deep = make_network(getkey(), Digraph.layered([3, 2]))
    exact = hl.exact_gradient(COST, deep, samples, dt=DT).w
    found = summed(SpatialTrace(COST), deep, samples)
    assert np.allclose(found["weight"], exact["weight"], atol=1e-12)
    assert relative(found, exact) > 1e-2
    below = relative({"b": found["bias"][:3]}, {"b": exact["bias"][:3]})
    own = summed(EProp(COST), deep, samples)
    assert not np.any(own["bias"][:3])
    assert 1e-2 < below < 1
    each_alike(summed(SpatialTrace(COST, sweeps=0), deep, samples), own)


def test_credit_points_along_the_gradient_through_slow_recurrence():
    """Medians of five networks of 16 neurons with teachers, two tones, four hops.

    At gain 0.9; at 1.2 it is better than a trace of the own leak, and no more is
    claimed.
    """
    steps, graph = 1950, Digraph.complete(16, self_loops=True)
    seeds = [jax.random.split(jax.random.key(seed)) for seed in range(5)]
    pairs = [
        [RateNetwork(graph, inputs=2, outputs=4, key=key) for key in pair]
        for pair in seeds
    ]
    parts = lambda net: (net.weight, net.input_weight)
    stacked = jax.tree.map(
        lambda *leaves: jnp.stack(leaves), *[[*map(parts, pair)] for pair in pairs]
    )
    laws = Hops(order=4), EProp()

    @jax.jit
    def found(gain, omega, dt, weight):
        def drawn(pair):
            put = lambda w, b: eqx.tree_at(parts, pairs[0][0], (gain * w, b))
            student, teacher = (put(*part) for part in pair)
            t = dt * jnp.arange(float(steps))
            u = jnp.stack([jnp.sin(omega * t), jnp.cos(1.5 * omega * t)], axis=1)
            move = lambda x, u: (teacher.transition(x, u, dt), teacher.readout(x, u))
            y = jax.lax.scan(move, teacher.initial_state(), u)[1]
            samples = Sample(u, y, weight)
            exact = hl.exact_gradient(hl.Cost(), student, samples, dt=dt).w["weight"]
            size = jnp.linalg.norm(exact)

            def pointing(law):
                def add(carry, sample):
                    g, state, _ = law.estimate(carry[1], sample, jnp.asarray(dt))
                    return (carry[0] + g["weight"], state), None

                start = jnp.zeros_like(exact), law.init(student)
                g = jax.lax.scan(add, start, samples)[0][0]
                norm = jnp.linalg.norm(g)
                return jnp.sum(g * exact) / (norm * size), norm / size

            return *pointing(laws[0]), pointing(laws[1])[0]

        return jax.vmap(drawn)(stacked)

    for omega in (0.2, 4.0):
        period = 4 * np.pi / omega
        number = max(round(period / 0.04), 200)
        skip = int(np.ceil(15.0 * number / period))
        weight = jnp.zeros(steps).at[skip : skip + number].set(1.0)
        for gain in (0.9, 1.2):
            numbers = (jnp.array(a) for a in (gain, omega, period / number))
            cosine, ratio, single = (np.median(a) for a in found(*numbers, weight))
            assert single < cosine
            if gain < 1:
                assert cosine >= 0.99
                assert 0.97 <= ratio <= 1.03


def test_bad_numbers_are_named(getkey):
    with pytest.raises(ValueError, match="`order` must be an integer of at least 1"):
        Hops(order=0)
    with pytest.raises(ValueError, match="`pole` must be at most 1"):
        Hops(pole=1.5)
    with pytest.raises(ValueError, match="`pole` must be positive"):
        Hops(pole=0.0)
    with pytest.raises(ValueError, match="`cap` must be non-negative"):
        Hops(cap=-1.0)
    with pytest.raises(ValueError, match="`sweeps` must be given"):
        SpatialTrace().init(make_network(getkey()))
