"""One scalar M: what a law does to its weights is dM/dw at its own lam, to rounding.

lam is taken from the law itself, M = ell + <lam, G> is formed beside it, and its
gradient at fixed x, v and lam is held against the weights before and after a step.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stlp_twin import dag, first, moving_signal

import hamlearn as hl
from hamlearn.action import Dynamical, Holonomic, Instant, Slack, augmented_cost
from hamlearn.costates import Sweeps, prospective_costate
from hamlearn.laws import (
    FeedbackAlignment,
    HamiltonianFlow,
    Instantaneous,
    RecurrentBackprop,
    phase,
)
from hamlearn.laws.hamiltonian_flow import LearningHamiltonian
from hamlearn.mechanics import Baumgarte, Euler
from hamlearn.updates import Optax

DT, THETA, INERTIA = 0.05, 1.3, 0.7
COST = hl.Cost(loss_weight=2.0, weight_decay=0.3)
SGD = Optax(optax.sgd, learning_rate=1.0)
SLOW = Optax(optax.sgd, learning_rate=1e-2)


def rate_network(key, *, acyclic=False):
    graph = hl.Digraph.random(7, in_degree=3, acyclic=acyclic, key=key)
    tau = np.linspace(0.3, 1.5, 7)
    return hl.RateNetwork(
        graph, inputs=2, outputs=2, time_constant=tau, gain=0.7, key=key,
        readout=eqx.nn.Linear(2, 2, key=key),
    )  # fmt: skip


def voltage_network(key, *, lag=0.4):
    graph = hl.Digraph.layered([3, 3, 2])
    tau = np.linspace(0.5, 1.5, 8)
    learn = ("weight", "input_weight", "bias")
    if lag != 1:
        learn = (*learn, "membrane_time_constant", "prospective_time_constant")
    return hl.VoltageNetwork(
        graph, inputs=2, outputs=2, membrane_time_constant=tau,
        prospective_time_constant=lag * tau, learn=learn, key=key,
    )  # fmt: skip


def samples_for(key, steps, *streams):
    """Slow tones of random phase and pitch."""
    phase, pitch = jax.random.uniform(key, (2, 2, *streams, 2), minval=0.5, maxval=3)
    t = DT * jnp.arange(float(steps)).reshape(-1, *[1] * (len(streams) + 1))
    u, y = jnp.sin(2 * phase[:, None] + pitch[:, None] * t)
    return hl.Sample(u, 0.5 * y, jnp.linspace(0.5, 1.5, steps))


def reached(law, network, samples, **options):
    """The state after all of some samples."""
    state = law.init(network, **options)
    return eqx.filter_jit(hl.scan)(law, state, samples, DT)[0]


def stepped(law, state, sample):
    return eqx.filter_jit(law.step)(state, sample, jnp.asarray(DT))[0]


def credit(law, residual, state, lam, v, sample, heard=None, counted=None):
    """dM/dw at fixed x, v and lam."""
    network_of = lambda w: hl.join(w, state.rest.frozen)
    return jax.grad(
        lambda w: augmented_cost(
            law.cost, residual, network_of(w), state.x, v, lam, sample, heard, counted
        )
    )(state.w)


def assert_same(got, wanted):
    assert set(got) == set(wanted)
    for name, leaf in wanted.items():
        size = np.abs(leaf).max()
        assert size > 1e-6, name
        np.testing.assert_allclose(got[name], leaf, rtol=0, atol=1e-12 * size)


def less(a, b):
    return jax.tree.map(jnp.subtract, a, b)


def plus(a, factor, b):
    return jax.tree.map(lambda a, b: a + factor * b, a, b)


GRADIENT_LAWS = {
    "instantaneous": lambda update: Instantaneous(COST, update),
    "feedback alignment": lambda update: FeedbackAlignment(COST, update),
    "recurrent backprop": lambda update: RecurrentBackprop(COST, update),
    "GLE": lambda update: hl.GLE(COST, update, nudging=0.2),
    "GLE, swept": lambda update: hl.GLE(COST, update, schedule=Sweeps(), nudging=0.2),
    "LE": lambda update: hl.LE(COST, update, nudging=0.2),
}


@pytest.mark.parametrize("name", GRADIENT_LAWS)
def test_laws_that_descend(name, getkey):
    """Their own costate, run at a state reached on the way; SGD of rate 1."""
    make, key = GRADIENT_LAWS[name], getkey()
    if "LE" in name:
        network = voltage_network(key, lag=1 if name == "LE" else 0.4)
    else:
        network = rate_network(key, acyclic=name != "recurrent backprop")
    samples = samples_for(getkey(), 31)
    before = jax.tree.map(lambda leaf: leaf[:30], samples)
    sample = jax.tree.map(lambda leaf: leaf[30], samples)
    state = reached(make(SLOW), network, before, key=getkey())
    law, network, memory = make(SGD), state.network, state.credit
    dt = jnp.asarray(DT)
    residual = law.residual.over(dt)
    v, heard = law.motion.rate(network, state.x, sample, memory.motion)
    output = residual.output(network, state.x, v, sample.input)
    instant = Instant(
        COST, residual, state.w, state.rest.frozen, state.x, v, heard, sample, dt,
        output, jnp.zeros(()),
    )  # fmt: skip
    lam, _ = law.credit.step(instant, state.rest.fixed, memory.memory)
    g = credit(law, residual, state, lam, v, sample, heard)
    after = stepped(law, state, sample)
    assert_same(less(state.w, after.w), g)
    assert_same(eqx.filter_jit(law.estimate)(state, sample, dt)[0], g)
    if name in ("instantaneous", "recurrent backprop"):  # lam by a dense solve
        f_x = jax.jacobian(lambda x: network(x, sample.input))(state.x)
        wanted = jnp.linalg.solve(f_x.T, instant.ell_x)
        np.testing.assert_allclose(lam, wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("solver", [None, Euler()], ids=["in turn", "at once"])
def test_hamiltonian_learning(solver, getkey):
    """g = (dp_w + theta p_w dt)/dt at lam = -p_x: the new p_x in turn, else the old."""
    law = hl.HamiltonianLearning(
        COST, inertia=INERTIA, dissipation=THETA, solver=solver
    )
    state = reached(law, rate_network(getkey()), samples_for(getkey(), 30))
    sample = first(samples_for(getkey(), 1))
    after = stepped(law, state, sample)
    p_x = (after if solver is None else state).credit.memory
    rest = jnp.zeros_like(p_x)
    g = credit(law, Dynamical(), state, -p_x, rest, sample)
    change = jax.tree.map(lambda d: d / DT, less(after.update, state.update))
    assert_same(plus(change, THETA, state.update), g)
    estimated = eqx.filter_jit(law.estimate)(state, sample, jnp.asarray(DT))[0]
    assert_same(estimated, g)
    # v does not enter the credit of G = v - f: any will do.
    assert_same(credit(law, Dynamical(), state, -p_x, rest + 3.0, sample), g)


@pytest.mark.parametrize("solver", [None, Euler()], ids=["in turn", "at once"])
def test_hamiltonian_flow_of_the_default_hamiltonian(solver, getkey):
    H = LearningHamiltonian(COST, INERTIA)
    law = HamiltonianFlow(COST, H, hl.costates.SignFlip(), THETA, solver)
    state = reached(law, rate_network(getkey()), samples_for(getkey(), 30))
    sample = first(samples_for(getkey(), 1))
    after = stepped(law, state, sample)
    p_x, _ = state.credit.memory
    g = credit(law, Dynamical(), state, -p_x, jnp.zeros_like(p_x), sample)
    change = jax.tree.map(lambda d: d / DT, less(after.update, state.update))
    assert_same(plus(change, THETA, state.update), g)
    estimated = eqx.filter_jit(law.estimate)(state, sample, jnp.asarray(DT))[0]
    assert_same(estimated, g)


@pytest.mark.parametrize("slack", [None, Slack(mass=2.0, stiffness=7.0)])
def test_stlp(slack, getkey):
    """m_w (w'' + theta w') = -dM/dw at lam = -delta, with G = x - sigma(a)."""
    network, signal = dag(getkey()), moving_signal()
    heavy = np.linspace(0.5, 2.0, network.weight.size).reshape(network.weight.shape)
    law = hl.STLP(
        COST, inertia=INERTIA, dissipation=THETA, neuron_mass=0.1, slack=slack,
        weight_mass={"weight": heavy}, stabilisation=Baumgarte(1.0, 1.0),
    )  # fmt: skip
    samples = signal.jets(jnp.asarray(np.arange(31) * DT))
    state = reached(law, network, jax.tree.map(lambda leaf: leaf[:30], samples))
    sample = jax.tree.map(lambda leaf: leaf[30], samples)
    motion = law.motion(state.rest.fixed.gram)
    t, args = jnp.zeros(()), (state.rest, sample)
    react = eqx.filter_jit(lambda y: motion.react(t, y, args))
    reaction = react(phase(state))
    g = credit(law, Holonomic(), state, -reaction.multipliers, None, sample)
    masses = {"weight": heavy, "input_weight": INERTIA}
    pushed = jax.tree.map(
        lambda m, a, v: -m * (a + THETA * v),
        masses, reaction.acceleration.w, state.update,
    )  # fmt: skip
    assert_same(pushed, g)
    estimated = eqx.filter_jit(law.estimate)(state, sample, jnp.asarray(DT))[0]
    assert_same(estimated, g)
    # And that is what a step does: w' to e^{-theta h} w' + (1 - e^{-theta h})/theta w''.
    after, keep = stepped(law, state, sample), np.exp(-THETA * DT)
    kick = less(after.update, jax.tree.map(lambda v: keep * v, state.update))
    pushed = jax.tree.map(lambda m, k: -m * k * THETA / (1 - keep), masses, kick)
    assert_same(pushed, g)


def test_bptt(getkey):
    """lam_k = -dt p_{k+1}, by autodiff of the rest of the window."""
    window, overlap, total = 8, 5, 24
    law = hl.BPTT(COST, SLOW, window=window, overlap=overlap)
    samples = samples_for(getkey(), total)
    part = lambda lo, hi: jax.tree.map(lambda leaf: leaf[lo:hi], samples)
    state = reached(law, rate_network(getkey()), part(0, total - window))
    law = hl.BPTT(COST, SGD, window=window, overlap=overlap)
    network, x = state.network, state.credit.memory.x
    older = x[(int(state.credit.memory.place) - overlap + np.arange(overlap)) % 13]
    after, met = eqx.filter_jit(hl.scan)(
        law, state, part(total - window, total - 1), DT,
        lambda state, sample, info: state.x,
    )  # fmt: skip
    states = jnp.concatenate([older, state.x[None], met])
    counted = (jnp.arange(13) >= overlap).astype(float)
    last = part(total - 13, total)

    def rest_of_window(x, k, end=13):
        """The cost from sample k on, as a function of the state there."""
        cost = 0.0
        for j in range(k, end):
            sample = jax.tree.map(lambda leaf, j=j: leaf[j], last)
            y = network.readout(x, sample.input)
            loss = sample.weight * jnp.sum((y - sample.target) ** 2) / 2
            cost = cost + counted[j] * COST.loss_weight * loss
            x = network.transition(x, sample.input, DT)
        return cost

    # Before the window other weights were at work: there, along the states as met.
    g, p = jax.tree.map(jnp.zeros_like, state.w), jnp.zeros_like(state.x)
    residual = Dynamical().over(jnp.asarray(DT))
    for k in reversed(range(13)):
        sample = jax.tree.map(lambda leaf, k=k: leaf[k], last)
        here = eqx.tree_at(lambda s: s.x, state, states[k])
        v = jnp.zeros_like(p)
        one = credit(law, residual, here, -DT * p, v, sample, None, counted[k])
        g = plus(g, 1.0, one)
        step = lambda x, u=sample.input: network.transition(x, u, DT)
        ell = lambda x, k=k: rest_of_window(x, k, k + 1)
        p = jax.grad(ell)(states[k]) + jax.vjp(step, states[k])[1](p)[0]
        if k >= overlap:
            wanted = jax.grad(rest_of_window)(states[k], k)
            np.testing.assert_allclose(p, wanted, rtol=1e-11, atol=1e-13)
    sample = jax.tree.map(lambda leaf: leaf[-1], last)
    assert_same(less(after.w, stepped(law, after, sample).w), g)


def test_vle(getkey):
    """lam of the adjoint equation, integrated backward by hand."""
    window, discount = 12, 0.4
    make = lambda update: hl.VLE(COST, update, window=window, discount=discount)
    samples = samples_for(getkey(), 2 * window)
    part = lambda lo, hi: jax.tree.map(lambda leaf: leaf[lo:hi], samples)
    state = reached(make(SLOW), voltage_network(getkey()), part(0, window))
    law, network, last = make(SGD), state.network, part(window, 2 * window)
    voltages = [state.x]
    for k in range(window - 1):
        u = voltages[-1]
        voltages.append(u + DT * network(u, last.input[k]))
    p, keep = jnp.zeros_like(state.x), np.exp(-discount * DT)
    g = jax.tree.map(jnp.zeros_like, state.w)
    for k in reversed(range(window)):
        u, sample = voltages[k], jax.tree.map(lambda leaf, k=k: leaf[k], last)
        v = network(u, sample.input)
        lam, rate = prospective_costate(COST, network, u, v, p, sample)
        p = keep * (p - DT * rate)
        here, much = eqx.tree_at(lambda s: s.x, state, u), keep**k / window
        counted = jnp.asarray(much)
        one = credit(law, law.residual, here, much * lam, v, sample, None, counted)
        g = plus(g, 1.0, one)
    after, _ = eqx.filter_jit(hl.scan)(law, state, last, DT)
    assert_same(less(state.w, after.w), g)


def test_streams_of_a_batch_share_the_mean_of_their_scalars(getkey):
    """GLE and Hamiltonian learning: M is the mean over the streams."""
    size = 3
    one = lambda tree, k: jax.tree.map(lambda leaf: leaf[k], tree)
    mean = lambda parts: jax.tree.map(lambda *g: sum(g) / size, *parts)
    sample = samples_for(getkey(), 1, size)
    now = hl.Sample(sample.input[0], sample.target[0])
    streams = [hl.Sample(now.input[k], now.target[k]) for k in range(size)]

    law = hl.HamiltonianLearning(COST, inertia=INERTIA, dissipation=THETA)
    batch = hl.Batch(rate_network(getkey()), size)
    before = samples_for(getkey(), 30, size)
    state = reached(law, batch, before)
    after = stepped(law, state, now)
    parts = []
    for k in range(size):
        own = hl.laws.State(
            state.x[k], state.w, None, None, law.init(batch.network).rest
        )
        lam = -after.credit.memory[k]
        parts.append(credit(law, Dynamical(), own, lam, 0 * lam, streams[k]))
    change = jax.tree.map(lambda d: d / DT, less(after.update, state.update))
    assert_same(plus(change, THETA, state.update), mean(parts))

    law = hl.GLE(COST, SGD)
    batch = hl.Batch(voltage_network(getkey()), size)
    state = reached(hl.GLE(COST, SLOW), batch, before)
    after, parts = stepped(law, state, now), []
    for k in range(size):
        rest = law.init(batch.network).rest
        own = hl.laws.State(state.x[k], state.w, None, None, rest)
        network = hl.join(state.w, rest.frozen)
        memory = one(state.credit.motion, k)
        v, heard = law.motion.rate(network, state.x[k], streams[k], memory)
        lam = after.credit.memory[0][k]
        parts.append(credit(law, law.residual, own, lam, v, streams[k], heard))
    assert_same(less(state.w, after.w), mean(parts))
