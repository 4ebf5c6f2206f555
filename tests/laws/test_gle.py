"""GLE and LE against NumPy twins, exact identities of their filters, and the chain."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.costates import (
    EulerLeak,
    ExponentialLeak,
    LayerParallel,
    NeuronTimes,
    Prospective,
    ProspectiveGain,
    SignFlipped,
    StabilityWarning,
    Sweeps,
    Unfiltered,
    prospective_costate,
)
from hamlearn.costates.guards import amplification, error_loop
from hamlearn.graph.digraph import Digraph
from hamlearn.laws.base import with_rest, without_rest
from hamlearn.networks.voltage import VoltageNetwork

FLOAT = lambda value: jnp.asarray(value, float)


def summed():
    """An optimizer that changes nothing and adds up the gradients it is given."""
    keep = lambda g, total, _: (
        jax.tree.map(jnp.zeros_like, g),
        jax.tree.map(jnp.add, total, g),
    )
    return optax.GradientTransformation(lambda w: jax.tree.map(jnp.zeros_like, w), keep)


def mean_gradient(network, samples, dt, *, skip=0, **options):
    """The mean gradient that a law sees from sample `skip` on, weights at rest."""
    law = hl.GLE(update=summed(), **options)

    @eqx.filter_jit
    def run(network, samples):
        cut = lambda part: jax.tree.map(lambda leaf: leaf[part], samples)
        before, _ = hl.scan(law, law.init(network), cut(slice(skip)), dt)
        after, _ = hl.scan(law, before, cut(slice(skip, None)), dt)
        return jax.tree.map(jnp.subtract, after.update, before.update)

    total, count = run(network, samples), samples.target.shape[0] - skip
    return {name: np.asarray(leaf) / count for name, leaf in total.items()}


def exact_mean(network, samples, dt):
    """The gradient of the mean loss, by the adjoint method."""
    g = hl.exact_gradient(hl.Cost(), network, samples, dt=dt).w
    return {name: np.asarray(leaf) / len(samples.target) for name, leaf in g.items()}


def tones(w, dt, steps, outputs=1):
    t = dt * jnp.arange(steps, dtype=float)
    x = jnp.sin(w * t)[:, None]
    return hl.Sample(
        x, jnp.broadcast_to(jnp.cos(w * t + 0.4)[:, None], (steps, outputs))
    )


def cosine(a, b):
    return float(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))


def gle_twin(network, samples, dt, rate, sweep):
    """GLE in plain NumPy, layer by layer, by the equations of the paper."""
    graph = network.graph
    n, (n_in, n_mid, n_out) = graph.num_nodes, (3, 3, 2)
    layer = [
        slice(0, n_in), slice(n_in, n_in + n_mid), slice(n - n_out, n)
    ]  # fmt: skip
    W = [np.zeros((0, 0))]
    flat = np.array(network.weight).reshape(-1)
    W.append(flat[: n_in * n_mid].reshape(n_mid, n_in))
    W.append(flat[n_in * n_mid :].reshape(n_out, n_mid))
    B, b = np.array(network.input_weight), np.array(network.bias)
    raw = np.array(network.membrane_time_constant)
    tr = np.array(network.tau_r)
    u, z, e = np.zeros(n), np.zeros(n), np.zeros(n)
    r = np.tanh(np.zeros(n))
    outputs = []
    for x, y in zip(np.asarray(samples.input), np.asarray(samples.target), strict=True):
        tm = np.maximum(raw, 0.2)
        r_new, v, current = r.copy(), np.zeros(n), np.zeros(n)
        for k, at in enumerate(layer):
            source = r_new if sweep else r
            below = B @ x if k == 0 else W[k] @ source[layer[k - 1]]
            current[at] = below + b[at]
            v[at] = (current[at] - u[at]) / tm[at]
            r_new[at] = np.tanh(u[at] + tr[at] * v[at])
        heard = r_new if sweep else r
        e_new = e.copy()
        s = np.zeros(n)
        for k in (2, 1, 0):
            at, slope = layer[k], 1 - r_new[layer[k]] ** 2
            source = e_new if sweep else e
            down = y - r_new[at] if k == 2 else W[k + 1].T @ source[layer[k + 1]]
            s[at] = slope * down
            lag = np.maximum(tr[at], dt)
            e_new[at] = z[at] + tm[at] / lag * (s[at] - z[at])
        outputs.append(r_new[layer[2]])
        z += dt / np.maximum(tr, dt) * (s - z)
        u += dt * v
        for k in (1, 2):
            W[k] += rate * np.outer(e_new[layer[k]], heard[layer[k - 1]])
        B += rate * np.outer(e_new[layer[0]], x)
        b += rate * e_new
        raw -= rate * e_new * v
        r, e = r_new, e_new
    return np.concatenate([W[1].ravel(), W[2].ravel()]), B, b, raw, np.array(outputs)


def small(key, **options):
    k1, k2 = jax.random.split(key)
    tau_m = np.array(jax.random.uniform(k1, (8,), minval=0.5, maxval=1.5))
    tau_m[1] = 0.15
    options = {
        "membrane_time_constant": tau_m,
        "prospective_time_constant": np.array([0, 0.02, 0.3, 0.3, 2.0, 0.3, 0.3, 0.5]),
        **options,
    }
    graph = hl.Digraph.layered([3, 3, 2])
    return hl.VoltageNetwork(graph, inputs=2, outputs=2, key=k2, **options)


@pytest.mark.parametrize("sweep", [False, True])
def test_gle_is_its_numpy_twin(sweep, getkey):
    learn = ("weight", "input_weight", "bias", "membrane_time_constant")
    network = small(getkey(), learn=learn, floor=0.2)
    x = jax.random.normal(getkey(), (150, 2))
    y = 0.5 * jax.random.normal(getkey(), (150, 2))
    samples = hl.Sample(x, y)
    schedule = Sweeps() if sweep else LayerParallel()
    law = hl.GLE(update=optax.sgd(0.002), schedule=schedule)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StabilityWarning)
        result = hl.stream(law, network, samples, dt=0.05, progress=False)
    weight, B, b, tau_m, outputs = gle_twin(network, samples, 0.05, 0.002, sweep)
    learned = result.network
    np.testing.assert_allclose(result.output, outputs, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(learned.weight.reshape(-1), weight, rtol=1e-11)
    np.testing.assert_allclose(learned.input_weight, B, rtol=1e-11)
    np.testing.assert_allclose(learned.bias, b, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(learned.membrane_time_constant, tau_m, rtol=1e-11)
    assert tau_m.min() < 0.2  # so that the clamp has been at work


def test_gradient_of_the_prospective_time_constant(getkey):
    """-s du/dt, without delays; here against s and du/dt of the exact law at tau = 0.

    With one neuron s does not depend on the filter: s = -phi' dC/dr.
    """
    network = hl.VoltageNetwork(
        hl.Digraph(2, [0], [1]),
        inputs=1,
        outputs=[0],
        membrane_time_constant=0.8,
        prospective_time_constant=0.3,
        learn=("prospective_time_constant",),
        key=getkey(),
    )
    samples = tones(1.5, 0.02, 400)
    got = mean_gradient(network, samples, 0.02, schedule=Sweeps())
    u, total = np.zeros(2), 0.0
    rate = eqx.filter_jit(network)
    for x, y in zip(*map(np.asarray, (samples.input, samples.target)), strict=True):
        v = np.asarray(rate(u, x))
        r = np.tanh(u[0] + 0.3 * v[0])
        total += (1 - r**2) * (r - y[0]) * v[0]
        u = u + 0.02 * v
    name = "prospective_time_constant"
    np.testing.assert_allclose(got[name][0], total / 400, rtol=1e-11)


def test_batch_averages_its_streams(getkey):
    network = small(getkey(), prospective_time_constant=0.3)
    x, y = jax.random.normal(getkey(), (2, 80, 3, 2))
    weight = jax.random.uniform(getkey(), (80, 3))
    batch = hl.Batch(network, 3)
    got = mean_gradient(batch, hl.Sample(x, y, weight), 0.05, nudging=0.2)
    each = [
        mean_gradient(
            network, hl.Sample(x[:, k], y[:, k], weight[:, k]), 0.05, nudging=0.2
        )
        for k in range(3)
    ]
    for name in each[0]:
        mean = np.mean([g[name] for g in each], axis=0)
        np.testing.assert_allclose(got[name], mean, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("lag", [0.05, 0.3, 1.0, 2.5])
def test_error_filter_inverts_neuron_filter(lag, getkey):
    """Euler in both: what the neuron does to a current its error neuron undoes."""
    times = NeuronTimes(FLOAT([1.0]), FLOAT([lag]), FLOAT(0.05))
    closure, leak = Prospective(), EulerLeak()

    def step(carry, current):
        u, z = carry
        ur = u + times.tau_r * (current - u) / times.tau_m
        back = closure.error(ur, z, times)
        z = closure.advance(ur, z, times, leak)
        return (leak(u, current, times.tau_m, times.dt), z), back

    current = jax.random.normal(getkey(), (400, 1))
    _, back = jax.lax.scan(step, (jnp.zeros(1), jnp.zeros(1)), current)
    assert jnp.abs(back - current).max() < 1e-12


def test_sign_flipped_is_the_flipped_costate(getkey):
    """dp/dt = -dL/du, integrated forward, gives the errors of `SignFlipped`."""
    network = small(getkey(), prospective_time_constant=[0, 0.1, 1, 0.2, 2, 0.4, 0, 1])
    x, y = jax.random.normal(getkey(), (2, 200, 2))
    samples, dt, cost = hl.Sample(x, y), 0.04, hl.Cost()
    got = mean_gradient(
        network,
        samples,
        dt,
        closure=SignFlipped(),
        schedule=Sweeps(),
    )

    def step(carry, sample):
        u, p = carry
        v = network(u, sample.input)
        error, rate = prospective_costate(cost, network, u, v, p, sample)
        return (u + dt * v, p - dt * rate), error

    start = jnp.zeros(8), jnp.zeros(8)
    _, errors = jax.lax.scan(step, start, samples)
    np.testing.assert_allclose(got["bias"], -errors.mean(0), rtol=1e-11, atol=1e-14)


def linear_net(key, sizes, tau_r, **options):
    graph = hl.Digraph.layered(sizes)
    n = graph.num_nodes
    lag = np.full(n, tau_r)
    lag[-1] = 1.0
    return hl.VoltageNetwork(
        graph, inputs=1, prospective_time_constant=lag, key=key,
        linear=range(n), learn=("weight", "input_weight"), **options,
    )  # fmt: skip


@pytest.mark.parametrize("w", [0.5, 2.0])
def test_phase_of_gle_is_exact(w, getkey):
    """Linear net, one tone: the gradient of every layer has the exact direction."""
    network = linear_net(getkey(), [6, 6, 1], 0.1)
    period = 200
    dt = 2 * np.pi / w / period
    periods = int(np.ceil(15 * w / (2 * np.pi)))
    samples = tones(w, dt, period * (periods + 60))
    skip = period * periods
    weight = jnp.where(jnp.arange(period * (periods + 60)) >= skip, 1.0, 0.0)
    weighted = hl.Sample(samples.input, samples.target, weight)
    exact = exact_mean(network, weighted, dt)
    local = mean_gradient(network, samples, dt, skip=skip, schedule=Sweeps())
    layers = {"first": slice(0, 6), "second": slice(6, None)}
    for part in layers.values():
        assert cosine(local["weight"][part], np.asarray(exact["weight"])[part]) > 0.9999
    assert cosine(local["input_weight"], np.asarray(exact["input_weight"])) > 0.999


def test_instantaneous_credit_changes_sign_at_a_right_angle(getkey):
    """Two slow linear neurons: at 2 (atan w tau_m - atan w tau_r) = 90 degrees."""
    network = linear_net(getkey(), [1, 1, 1], 0.1)
    network = eqx.tree_at(lambda n: n.weight, network, jnp.ones((2, 1)))
    network = eqx.tree_at(lambda n: n.input_weight, network, jnp.ones((1, 1)))
    # With target y = 0 the exact gradient is positive: it lowers the amplitude.
    signs = []
    lags = lambda w: 2 * (np.arctan(w) - np.arctan(0.1 * w))
    for w in (1.15, 1.3):
        dt = 2 * np.pi / w / 400
        samples = tones(w, dt, 400 * 8)
        samples = hl.Sample(samples.input, samples.target * 0)
        options = {"skip": 400 * 5, "schedule": Sweeps()}
        inst = mean_gradient(network, samples, dt, closure=Unfiltered(), **options)
        local = mean_gradient(network, samples, dt, **options)
        assert local["input_weight"][0, 0] > 0
        signs.append(np.sign(inst["input_weight"][0, 0]))
    assert lags(1.15) < np.pi / 2 < lags(1.3)
    assert signs == [1, -1]


def test_gain_correction_is_exact_for_a_tone():
    """|lam|/|s| becomes |H|, where the inverse filter alone gives 1/|H|."""
    w, dt = 2.0, 0.005
    times = NeuronTimes(FLOAT([1.0]), FLOAT([0.1]), FLOAT(dt))
    closure = ProspectiveGain(20.0)

    def step(memory, s):
        error = closure.error(s, memory, times)
        return closure.advance(s, memory, times, EulerLeak()), error

    s = jnp.sin(w * dt * jnp.arange(40_000.0))[:, None]
    _, error = jax.lax.scan(step, closure.init(jnp.zeros(1)), s)
    ratio = np.sqrt(np.mean(error[-6283:] ** 2) / np.mean(s[-6283:] ** 2))
    H = abs((1 + 0.1j * w) / (1 + 1j * w))
    np.testing.assert_allclose(ratio, H, rtol=0.01)


def test_without_lag_all_laws_are_one(getkey):
    """tau_r = tau_m: exact, instantaneous, flipped, GLE and LE."""
    tau = np.linspace(0.5, 1.5, 8)
    times = {"membrane_time_constant": tau, "prospective_time_constant": tau}
    network = small(getkey(), **times)
    x, y = jax.random.normal(getkey(), (2, 120, 2))
    samples = hl.Sample(x, y)
    exact = exact_mean(network, samples, 0.05)
    for closure in (
        Prospective(),
        Unfiltered(),
        SignFlipped(),
    ):
        got = mean_gradient(network, samples, 0.05, closure=closure, schedule=Sweeps())
        for name, leaf in exact.items():
            np.testing.assert_allclose(got[name], leaf, rtol=1e-10, atol=1e-14)
    law = hl.LE(update=summed(), schedule=Sweeps())
    result = hl.stream(law, network, samples, dt=0.05, progress=False)
    got = result.state.update["weight"] / 120
    np.testing.assert_allclose(got, exact["weight"], rtol=1e-10, atol=1e-14)


def test_step_of_the_error_is_amplified_by_the_depth():
    """The peak in layer 1 is (tau_m/tau_r)^depth, and `amplification` says so."""
    network = linear_net(jax.random.key(0), [1, 1, 1, 1], 0.1)
    network = eqx.tree_at(lambda n: n.weight, network, jnp.ones((3, 1)))
    target = jnp.where(jnp.arange(400) < 100, 0.0, 1.0)[:, None]
    law = hl.GLE(update=optax.set_to_zero(), schedule=Sweeps())
    error = lambda state, sample, info: state.credit.memory[0]
    samples = hl.Sample(jnp.zeros((400, 1)), target)
    _, errors = hl.scan(law, law.init(network), samples, 0.01, error)
    peaks = np.abs(errors).max(axis=0)
    np.testing.assert_allclose(peaks, [1e3, 1e2, 10, 1], rtol=1e-12)
    np.testing.assert_allclose(amplification(network), 1e3, rtol=1e-12)


def test_amplification_is_the_largest_product_on_a_path(getkey):
    """Against all paths, by a loop over the nodes in order."""
    n = 40
    graph = Digraph.random(n, in_degree=3, acyclic=True, key=getkey())
    tau_m = 1 + jax.random.uniform(getkey(), (n,))
    tau_r = jnp.where(
        jnp.arange(n) % 5 == 0, 0.0, 0.5 + jax.random.uniform(getkey(), (n,))
    )
    network = VoltageNetwork(
        graph,
        membrane_time_constant=tau_m,
        prospective_time_constant=tau_r,
        key=getkey(),
    )
    own = np.where(tau_r > 0, np.maximum(tau_m / np.where(tau_r > 0, tau_r, 1), 1), 1)
    best = []
    for i in range(n):  # nodes hear lower numbers only
        heard = [best[j] for j in graph.senders[graph.receivers == i]]
        best.append(own[i] * max(heard, default=1.0))
    np.testing.assert_allclose(amplification(network), max(best), rtol=1e-12)


def test_exponential_leak_is_exact():
    tau, dt = FLOAT([0.3]), FLOAT(1.1)
    state = ExponentialLeak()(FLOAT([2.0]), FLOAT([-1.0]), tau, dt)
    np.testing.assert_allclose(state, -1 + 3 * np.exp(-1.1 / 0.3), rtol=1e-14)


def recurrent(scale, tau_r=0.5):
    """Two neurons that excite each other: mu = +-scale at rest."""
    network = hl.VoltageNetwork(
        hl.Digraph(2, [0, 1], [1, 0]),
        inputs=1,
        prospective_time_constant=tau_r,
        key=jax.random.key(0),
    )
    weight = jnp.full(network.weight.shape, scale)
    return eqx.tree_at(lambda n: n.weight, network, weight)


def test_guard_of_recurrence():
    """Weak recurrence passes; a pole in the right half plane warns, and blows up."""
    growth, radius = error_loop(recurrent(0.3))
    np.testing.assert_allclose(growth, (-0.3 - 1) / (0.5 + 0.3), rtol=1e-10)
    np.testing.assert_allclose(radius, 0.6, rtol=1e-10)
    hl.GLE().init(recurrent(0.3))
    growth, _ = error_loop(recurrent(0.8))
    np.testing.assert_allclose(growth, (0.8 - 1) / (0.5 - 0.8), rtol=1e-10)
    with pytest.warns(StabilityWarning, match="between tau_r/tau_m and 1"):
        hl.GLE().init(recurrent(0.8))
    with pytest.warns(StabilityWarning, match="must be below 1"):
        hl.GLE().init(recurrent(1.6, tau_r=1.1))
    with pytest.warns(StabilityWarning, match="tau_r = 0"):
        hl.GLE().init(recurrent(0.1, tau_r=0.0))
    powers = []
    for scale in (0.3, 0.8):
        law = hl.GLE(update=optax.set_to_zero())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = law.init(recurrent(scale))
        for _ in range(200):
            sample = hl.Sample(jnp.zeros(1), jnp.ones(1) * 0.1)
            state, _ = eqx.filter_jit(law.step)(state, sample, FLOAT(0.05))
        powers.append(float(jnp.abs(state.credit.memory[0]).max()))
    assert powers[0] < 1
    assert powers[1] > 1e6


def test_guards_of_steps_and_depth():
    deep = linear_net(jax.random.key(0), [1] * 7, 0.1)
    with pytest.warns(StabilityWarning, match=r"1e\+06 times"):
        hl.GLE().init(deep)
    network = linear_net(jax.random.key(0), [1, 1], 0.1)
    samples = tones(1.0, 0.01, 3)
    with pytest.raises(ValueError, match="`dt` must be less than 2 min"):
        hl.stream(hl.GLE(), network, samples, dt=2.5, progress=False)
    with pytest.warns(StabilityWarning, match="below dt = 0.5"):
        hl.stream(hl.GLE(), network, samples, dt=0.5, progress=False)


def test_le_wants_neurons_without_lag():
    lagging = linear_net(jax.random.key(0), [1, 1], 0.1)
    with pytest.raises(ValueError, match="`prospective_time_constant` must be equal"):
        hl.LE().init(lagging)
    learn = ("membrane_time_constant",)
    network = small(jax.random.key(0), prospective_time_constant=1.0, learn=learn)
    network = eqx.tree_at(lambda n: n.membrane_time_constant, network, jnp.ones(8))
    with pytest.raises(ValueError, match="`learn` must be without time constants"):
        hl.LE().init(network)


def chain_teacher(steps=400):
    """One period of a square wave and of the answer of the teacher, in NumPy.

    Two softplus neurons, w = (1, 2), tau_m = (1, 2), tau_r = .1; a layer hears the
    one before it a step later.
    """
    kernel = np.exp(-0.5 * (np.arange(-25, 26) / 5) ** 2)
    wave = np.where(np.arange(steps) < steps // 2, 1.0, -1.0)
    wave = np.convolve(np.tile(wave, 3), kernel / kernel.sum(), mode="same")
    wave = wave[steps : 2 * steps]
    u, r, answers = np.zeros(2), np.log(2) * np.ones(2), np.zeros(steps)
    for k in range(20 * steps):
        current = np.array([wave[k % steps], 2 * r[0]])
        v = (current - u) / np.array([1.0, 2.0])
        r = np.log1p(np.exp(u + 0.1 * v))
        u = u + 0.01 * v
        answers[k % steps] = r[1]
    return jnp.asarray(wave), jnp.asarray(answers)


def chain(closure, time, *, late=0, streams=100):
    """Loss and student after learning the chain online, 2 weights and 2 tau_m."""
    wave, answers = chain_teacher()
    network = hl.VoltageNetwork(
        hl.Digraph.layered([1, 1]),
        inputs=1,
        activation=jax.nn.softplus,
        membrane_time_constant=[0.27, 0.64],
        prospective_time_constant=0.1,
        floor=0.1,
        learn=("weight", "input_weight", "membrane_time_constant"),
        key=jax.random.key(0),
    )
    network = eqx.tree_at(
        lambda n: (n.input_weight, n.weight),
        network,
        (jnp.full((1, 1), 0.4), jnp.full((1, 1), 0.8)),
    )
    law = hl.GLE(update=optax.adam(1e-4), closure=closure, nudging=0.01)
    shift = jnp.asarray(np.random.default_rng(1).integers(0, 400, streams))

    @jax.jit
    def run(shift):
        state = law.init(hl.Batch(network, streams))
        moving, rest = without_rest(state), state.rest

        def step(carry, k):
            moving, total = carry
            sample = hl.Sample(
                wave[(k + shift) % 400, None], answers[(k - late + shift) % 400, None]
            )
            state, info = law.step(with_rest(moving, rest), sample, FLOAT(0.01))
            return (without_rest(state), 0.999 * total + info.loss), None

        count = int(time / 0.01)
        start = (moving, jnp.zeros(()))
        (moving, total), _ = jax.lax.scan(step, start, jnp.arange(count))
        return with_rest(moving, rest).network.network, total / 1000

    return run(shift)


@pytest.mark.slow
def test_chain_is_learned_with_its_time_constants():
    student, loss = chain(Prospective(), 2000.0)
    assert loss < 1e-9
    np.testing.assert_allclose(student.input_weight[0, 0], 1.0, atol=2e-3)
    np.testing.assert_allclose(student.weight[0, 0], 2.0, atol=2e-3)
    np.testing.assert_allclose(student.tau_m, [1.0, 2.0], atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("closure", [Unfiltered(), SignFlipped()])
def test_chain_needs_the_right_phase(closure):
    student, loss = chain(closure, 1000.0, streams=20)
    assert loss > 5e-3
    np.testing.assert_allclose(student.tau_m, 0.1)


@pytest.mark.slow
def test_target_and_output_belong_to_the_same_step():
    """A target late by one step leaves a plateau; without it there is none."""
    late = chain(Prospective(), 1000.0, late=1, streams=20)
    right = chain(Prospective(), 1000.0, streams=20)
    assert 1e-7 < late[1] < 1e-4
    assert right[1] < 1e-9
    assert abs(late[0].tau_m[0] - 1) > 0.03
