"""`Sample.start`: an episode within a stream is a run of its own, weights held."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stlp_twin import dag, moving_signal

import hamlearn as hl
from hamlearn.action import Slack
from hamlearn.costates import SmoothSign
from hamlearn.laws import NLA
from hamlearn.laws.hamiltonian_flow import LearningHamiltonian
from hamlearn.mechanics import Heun

LENGTH, DT = 12, 0.1


def rate(key):
    return hl.RateNetwork(
        hl.Digraph.complete(5, self_loops=True), inputs=2, outputs=2, key=key
    )


def voltage(key, lag=0.4):
    return hl.VoltageNetwork(
        hl.Digraph.layered([3, 2]), inputs=2, outputs=2,
        prospective_time_constant=lag, key=key,
    )  # fmt: skip


LAWS = {
    "RTRL": (lambda: hl.RTRL(), rate),
    "SnAp-1": (lambda: hl.SnAp1(), rate),
    "RTRL flow": (
        lambda: hl.RTRL(update=hl.updates.GradientFlow(0.1), solver=Heun()), rate
    ),
    "flip": (lambda: hl.HamiltonianLearning(dissipation=1.0), rate),
    "flip flow": (
        lambda: hl.HamiltonianLearning(dissipation=1.0, solver=Heun()), rate
    ),
    "smooth sign": (
        lambda: hl.HamiltonianLearning(policy=SmoothSign(), dissipation=1.0), rate
    ),
    "own H": (
        lambda: hl.HamiltonianLearning(
            hamiltonian=LearningHamiltonian(hl.Cost(), 1.0), dissipation=1.0
        ),
        rate,
    ),
    "GLE": (lambda: hl.GLE(nudging=0.1), voltage),
    "LE": (lambda: hl.LE(), lambda key: voltage(key, 1.0)),
    "BPTT": (lambda: hl.BPTT(window=4, overlap=7), rate),
    "VLE": (lambda: hl.VLE(window=4), voltage),
    "NLA": (lambda: NLA(), voltage),
}  # fmt: skip


@eqx.filter_jit
def credits(law, state, samples):
    """g and output at every sample, with the weights held."""

    def step(state, sample):
        g, state, info = law.estimate(state, sample, jnp.asarray(DT))
        return state, (g, info.output)

    return jax.lax.scan(step, state, samples)[1]


def episodes(key, *streams):
    u, y = jax.random.normal(key, (2, 2 * LENGTH, *streams, 2))
    return hl.Sample(u, y)


def starting(samples, at):
    """The samples, with episodes that begin where `at` says."""
    return dataclasses.replace(samples, start=jnp.asarray(at, float))


def part(samples, lo, hi):
    return jax.tree.map(lambda leaf: leaf[lo:hi], samples)


def assert_same(got, wanted):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def joined(*parts):
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


@pytest.mark.parametrize("name", LAWS)
def test_two_episodes_are_two_runs(name, getkey):
    make, kind = LAWS[name]
    law, network, samples = make(), kind(getkey()), episodes(getkey())
    fresh = law.init(network)
    runs = [
        credits(law, fresh, part(samples, *cut))
        for cut in ((0, LENGTH), (LENGTH, 2 * LENGTH))
    ]
    flags = np.zeros(2 * LENGTH)
    flags[LENGTH] = 1
    got = credits(law, fresh, starting(samples, flags))
    assert_same(got, joined(*runs))
    g, _ = got
    assert max(np.abs(leaf[LENGTH + 3 :]).max() for leaf in g.values()) > 1e-3
    # Without the flag the second run would remember the first.
    other, _ = credits(law, fresh, samples)
    late = lambda tree: [leaf[LENGTH:] for leaf in jax.tree.leaves(tree)]
    gap = [np.abs(a - b).max() for a, b in zip(late(g), late(other), strict=True)]
    assert max(gap) > 1e-6


@pytest.mark.parametrize("name", [name for name in LAWS if name != "smooth sign"])
def test_streams_of_a_batch_begin_each_in_its_own_time(name, getkey):
    """The mean of what each stream has by itself; `SmoothSign` looks at H of all."""
    make, kind = LAWS[name]
    law, network, samples = make(), kind(getkey()), episodes(getkey(), 2)
    flags = np.zeros((2 * LENGTH, 2))
    flags[LENGTH, 0], flags[5, 1], flags[LENGTH + 3, 1] = 1, 1, 1
    batch = hl.Batch(network, 2)
    g, output = credits(law, law.init(batch), starting(samples, flags))
    each = [
        credits(
            law, law.init(network),
            starting(hl.Sample(samples.input[:, k], samples.target[:, k]), flags[:, k]),
        )
        for k in range(2)
    ]  # fmt: skip
    mean = jax.tree.map(lambda a, b: (a + b) / 2, each[0][0], each[1][0])
    assert_same(g, mean)
    assert_same(output, jnp.stack([one[1] for one in each], 1))
    # One flag for all streams alike.
    alike = np.zeros(2 * LENGTH)
    alike[LENGTH] = 1
    both = np.stack([alike, alike], 1)
    run = lambda flags: credits(law, law.init(batch), starting(samples, flags))
    assert_same(run(alike), run(both))


@pytest.mark.parametrize("window", [4, 5, 9])
def test_a_window_is_cut_where_an_episode_begins(window, getkey):
    """Also where it holds parts of both: the exact gradient of what it counts."""
    law = hl.BPTT(window=window, overlap=2 * LENGTH)
    network, samples = rate(getkey()), episodes(getkey())
    flags = np.zeros(2 * LENGTH)
    flags[LENGTH - 1] = 1
    samples = starting(samples, flags)
    g, _ = credits(law, law.init(network), samples)
    for end in range(window, 2 * LENGTH, window):
        counted = jnp.zeros(end).at[end - window :].set(1.0)
        exact = hl.exact_gradient(
            hl.Cost(), network, part(samples, 0, end), dt=DT, counted=counted
        )
        assert_same({name: leaf[end - 1] for name, leaf in g.items()}, exact.w)


def test_weights_and_optimizer_go_on(getkey):
    """What an episode does not reset."""
    law = hl.HamiltonianLearning(inertia=0.1, dissipation=1.0)
    samples = episodes(getkey())
    flags = np.zeros(2 * LENGTH)
    flags[-1] = 1
    run = eqx.filter_jit(hl.scan)
    before, _ = run(law, law.init(rate(getkey())), part(samples, 0, -1), DT)
    last = jax.tree.map(lambda leaf: leaf[-1], starting(samples, flags))
    after, _ = eqx.filter_jit(law.step)(before, last, jnp.asarray(DT))
    kept = {k: (1 - DT) * leaf for k, leaf in before.update.items()}
    zero = jnp.zeros(5)
    fresh = eqx.tree_at(lambda s: (s.x, s.credit.memory), before, (zero, zero))
    first, _ = eqx.filter_jit(law.step)(fresh, last, jnp.asarray(DT))
    assert_same(after.x, first.x)
    assert_same(after.update, first.update)
    for k, leaf in kept.items():
        assert np.abs(leaf).max() > 1e-3
        g = np.abs(after.update[k] - leaf).max() / DT
        assert g < 1  # p_w' is what is left of p_w, and one sample of credit


@pytest.mark.parametrize("slack", [None, Slack(mass=0.5, stiffness=10.0)])
def test_stlp_begins_anew_on_its_constraints(slack, getkey):
    """A jump of the input, which the motion could not follow."""
    network, signal = dag(getkey()), moving_signal()
    law = hl.STLP(inertia=0.1, dissipation=10.0, slack=slack)
    samples = signal.jets(DT * jnp.arange(float(LENGTH)))
    twice = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), samples)
    flags = np.zeros(2 * LENGTH)
    flags[LENGTH] = 1
    fresh = law.init(network)
    wanted = credits(law, fresh, samples)
    assert_same(credits(law, fresh, starting(twice, flags)), joined(wanted, wanted))
    _, infos = eqx.filter_jit(hl.scan)(law, fresh, starting(twice, flags), DT)
    assert infos.more["residual"].max() < 1e-3
    assert infos.more["residual"][LENGTH] < 1e-12
    assert infos.loss[LENGTH:].mean() < 0.9 * infos.loss[:LENGTH].mean()


def test_streams_of_stlp_begin_each_in_its_own_time(getkey):
    network, signal = dag(getkey()), moving_signal()
    law = hl.STLP(inertia=1.0, dissipation=1.0, neuron_mass=1e-8)
    times = DT * jnp.arange(float(LENGTH))
    one, other = signal.jets(times), signal.jets(times + 2.0)
    both = jax.tree.map(lambda a, b: jnp.stack([a, b], 1), one, other)
    flags = np.zeros((LENGTH, 2))
    flags[6, 1] = 1
    jump = lambda leaf: leaf.at[6:, 1].set(leaf[:6, 0])
    both = starting(jax.tree.map(jump, both), flags)
    _, output = credits(law, law.init(hl.Batch(network, 2)), both)
    own = credits(law, law.init(network), one)
    np.testing.assert_allclose(output[:, 0], own[1], rtol=1e-6)
    np.testing.assert_allclose(output[6:, 1], own[1][:6], rtol=1e-6)
