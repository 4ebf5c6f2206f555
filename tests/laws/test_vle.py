"""The exact law against autodiff through the same steps, and against diffrax."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn import join, split
from hamlearn.action import Mismatch, augmented_cost, prospective_energy, squared_error
from hamlearn.action.residual import mismatch
from hamlearn.costates import prospective_costate

LEARN = (
    "weight",
    "input_weight",
    "bias",
    "membrane_time_constant",
    "prospective_time_constant",
)


def make(graph, key, **options):
    """Heterogeneous neurons: tau_r zero, small, equal to and above tau_m."""
    n = graph.num_nodes
    k1, k2, k3 = jax.random.split(key, 3)
    tau_m = np.array(jax.random.uniform(k1, (n,), minval=0.4, maxval=2.0))
    tau_r = np.array(jax.random.uniform(k2, (n,), minval=0.05, maxval=1.0))
    tau_r[0], tau_r[1], tau_r[2], tau_r[-1] = 0.0, tau_m[1], 2.0, 0.0
    times = {"membrane_time_constant": tau_m, "prospective_time_constant": tau_r}
    options = {**times, "learn": LEARN, **options}
    return hl.VoltageNetwork(graph, inputs=2, outputs=2, key=k3, **options)


def unrolled(cost, network, samples, dt, discount=0.0):
    """Mean cost over Euler steps as plain JAX, to be differentiated."""
    w, frozen = split(network)

    def total(w):
        network = join(w, frozen)

        def step(carry, sample):
            u, factor = carry
            output = network.readout(u, sample.input)
            errors = jnp.sum((output - sample.target) ** 2, axis=-1) / 2
            if sample.weight is not None:
                errors = sample.weight * errors
            carry = u + dt * network(u, sample.input), factor * jnp.exp(-discount * dt)
            return carry, factor * jnp.mean(errors)

        start = network.initial_state(), jnp.ones(())
        _, costs = jax.lax.scan(step, start, samples)
        decay = sum(jnp.sum(leaf**2) for leaf in w.values()) / 2
        return jnp.mean(costs) + cost.weight_decay * decay

    return jax.value_and_grad(total)(w)


def law_gradient(cost, network, samples, dt, *, x0=None, **options):
    """The update's gradient at the end of a window as long as the samples."""
    law = hl.VLE(cost, window=len(samples.target), **options)

    def step(state, sample):
        g, state, _ = law.estimate(state, sample, jnp.asarray(dt))
        return state, g

    @eqx.filter_jit
    def run(state, samples):
        return jax.lax.scan(step, state, samples)[1]

    found = run(law.init(network, x0=x0), samples)
    for leaf in found.values():
        assert jnp.all(leaf[:-1] == 0)  # waits for the end of the window
    return {name: leaf[-1] for name, leaf in found.items()}


def exact_gradient(cost, network, samples, dt, discount=0.0):
    """The same mean, discounted, as the weights of an exact gradient."""
    number = len(samples.target)
    counted = jnp.exp(-discount * dt * jnp.arange(float(number))) / number
    return hl.exact_gradient(cost, network, samples, dt=dt, counted=counted)


def random_samples(key, *shape, weighted=False):
    k1, k2, k3 = jax.random.split(key, 3)
    weight = jax.random.uniform(k3, shape) if weighted else None
    return hl.Sample(
        jax.random.normal(k1, (*shape, 2)), jax.random.normal(k2, (*shape, 2)), weight
    )


def assert_same(got, wanted, bound):
    for name, leaf in wanted.items():
        assert jnp.linalg.norm(leaf) > 0
        assert jnp.linalg.norm(got[name] - leaf) < bound * jnp.linalg.norm(leaf), name


def graphs():
    key = jax.random.key(3)
    return {
        "layered": (hl.Digraph.layered([4, 4, 2]), {}),
        "acyclic": (hl.Digraph.random(9, in_degree=3, acyclic=True, key=key), {}),
        "complete": (
            hl.Digraph.complete(8, self_loops=True),
            {"prospective_time_constant": 0.2, "gain": 0.8},
        ),
        "sparse": (
            hl.Digraph.random(8, in_degree=3, key=key),
            {"prospective_time_constant": 0.2, "gain": 0.8},
        ),
    }


@pytest.mark.parametrize("name", list(graphs()))
def test_gradient_is_that_of_the_euler_steps(name, getkey):
    graph, options = graphs()[name]
    network, cost = make(graph, getkey(), **options), hl.Cost(weight_decay=0.03)
    samples = random_samples(getkey(), 240)
    value, wanted = jax.jit(lambda n: unrolled(cost, n, samples, 0.05))(network)
    assert_same(law_gradient(cost, network, samples, 0.05), wanted, 1e-12)
    exact = exact_gradient(cost, network, samples, 0.05)
    assert abs(exact.value - value) < 1e-13
    assert_same(exact.w, wanted, 1e-12)


def test_batch_weights_and_discount(getkey):
    graph = hl.Digraph.layered([3, 2])
    network = hl.Batch(make(graph, getkey()), 3)
    samples = random_samples(getkey(), 100, 3, weighted=True)
    cost = hl.Cost()
    value, wanted = jax.jit(
        lambda n: unrolled(cost, n, samples, 0.05, discount=0.4)
    )(network)  # fmt: skip
    got = law_gradient(cost, network, samples, 0.05, discount=0.4)
    assert_same(got, wanted, 1e-12)
    # The dissipation of the action is a discount of the other sign.
    theta = {"dissipation": 0.3, "discount": 0.7}
    assert_same(law_gradient(cost, network, samples, 0.05, **theta), wanted, 1e-12)
    exact = exact_gradient(cost, network, samples, 0.05, discount=0.4)
    assert abs(exact.value - value) < 1e-14
    assert_same(exact.w, wanted, 1e-12)


def test_law_updates_once_a_window(getkey):
    """Two windows by hand, and voltages that run on through the update."""
    network = make(hl.Digraph.layered([3, 2]), getkey(), learn=("weight", "bias"))
    samples = random_samples(getkey(), 40)
    law = hl.VLE(update=optax.sgd(0.1), window=20)
    result = hl.stream(law, network, samples, dt=0.05, progress=False)
    half = lambda k: jax.tree.map(lambda leaf: leaf[20 * k : 20 * k + 20], samples)
    u, outputs = network.initial_state(), []
    for k in range(2):
        w, frozen = split(network)
        g = law_gradient(law.cost, network, half(k), 0.05, x0=u)
        step = jax.jit(lambda u, x, n=network: (n.readout(u, x), u + 0.05 * n(u, x)))
        for x in half(k).input:
            y, u = step(u, x)
            outputs.append(y)
        network = join({name: w[name] - 0.1 * g[name] for name in w}, frozen)
    np.testing.assert_allclose(result.network.weight, network.weight, rtol=1e-12)
    np.testing.assert_allclose(result.output, outputs, rtol=1e-11, atol=1e-13)


def wave(t):
    return jnp.stack([jnp.sin(1.3 * t), jnp.cos(0.7 * t + 1)])


def solve(field, y, t0, t1, saveat, tolerance=1e-11):
    return dfx.diffeqsolve(
        dfx.ODETerm(field), dfx.Dopri8(), t0, t1, None, y, saveat=saveat,
        stepsize_controller=dfx.PIDController(rtol=tolerance, atol=tolerance),
        max_steps=4096,
    )  # fmt: skip


def extremal(network, signal, T):
    """(lam, p)-equations of the exact law run back from p(T) = 0, with diffrax."""
    cost = hl.Cost()
    forward = solve(
        lambda t, u, _: network(u, signal(t).input), network.initial_state(), 0.0, T,
        dfx.SaveAt(dense=True), 1e-13,
    )  # fmt: skip
    w, frozen = split(network)

    def back(t, y, _):
        p, _ = y
        sample, u = signal(t), forward.evaluate(t)
        v = network(u, sample.input)
        error, rate = prospective_costate(cost, network, u, v, p, sample)
        L = lambda w: augmented_cost(
            cost, Mismatch(), join(w, frozen), u, v, error, sample
        )
        return rate, jax.tree.map(jnp.negative, jax.grad(L)(w))

    start = jnp.zeros_like(network.bias), jax.tree.map(jnp.zeros_like, w)
    times = jnp.linspace(T, 0, 9)
    return forward, solve(back, start, T, 0.0, dfx.SaveAt(ts=times), 1e-11)


def test_continuous_law_is_the_adjoint_method(getkey):
    network, T = make(hl.Digraph.layered([2, 2]), getkey()), 8.0
    signal = hl.Signal(wave, lambda t: wave(2 * t))
    w, frozen = split(network)

    def total(w):
        network = join(w, frozen)

        def field(t, y, _):
            sample = signal(t)
            output = network.readout(y[0], sample.input)
            loss = squared_error(output, sample.target)
            return network(y[0], sample.input), loss

        start = network.initial_state(), jnp.zeros(())
        return solve(field, start, 0.0, T, dfx.SaveAt(t1=True)).ys[1][0]

    wanted = jax.jit(jax.grad(total))(w)
    _, found = jax.jit(lambda n: extremal(n, signal, T))(network)
    got = {name: leaf[-1] for name, leaf in found.ys[1].items()}
    assert_same(got, wanted, 1e-8)


def test_hamiltonian_of_the_extremal_is_conserved(getkey):
    """H = p.v - L is constant in time when input and target are."""
    network, T = make(hl.Digraph.layered([2, 2]), getkey()), 8.0
    x, y = jnp.array([0.8, -1.0]), jnp.array([0.5, -0.2])
    signal = hl.Signal(lambda t: x, lambda t: y)

    @jax.jit
    def run(network):
        forward, back = extremal(network, signal, T)

        def at(t, p):
            u = forward.evaluate(t)
            v = network(u, x)
            C = squared_error(network.readout(u, x), y)
            return p @ v - C, C  # L = C on the extremal, where the mismatch is zero

        return jax.vmap(at)(back.ts, back.ys[0])

    H, C = run(network)
    assert np.ptp(C) > 0.02
    assert np.ptp(H) < 1e-8


def test_soft_constraint_tends_to_the_hard_one(getkey):
    """Extremals of the energy with beta > 0: gradient error grows as beta."""
    network = make(hl.Digraph.layered([3, 2]), getkey(), learn=("weight", "bias"))
    samples, dt, N = random_samples(getkey(), 60), 0.05, 60
    samples = hl.Sample(wave(dt * jnp.arange(60.0)).T, samples.target * 0 + 0.5)
    cost = hl.Cost()
    w, frozen = split(network)

    def action(path, w, beta):
        network = join(w, frozen)
        u = jnp.concatenate([jnp.zeros((1, 5)), path.reshape(N, 5)])

        def one(u, v, sample):
            um, ur = u + network.tau_m * v, u + network.tau_r * v
            E = prospective_energy(cost, network, um, ur, sample, nudging=beta)
            return E / beta / N

        return jnp.sum(jax.vmap(one)(u[:-1], jnp.diff(u, axis=0) / dt, samples))

    def step(u, sample):
        u = u + dt * network(u, sample.input)
        return u, u

    free = jax.lax.scan(step, jnp.zeros(5), samples)[1].reshape(-1)

    @jax.jit
    def gradient(beta):
        newton = lambda path, _: (
            path
            - jnp.linalg.solve(
                jax.hessian(action)(path, w, beta), jax.grad(action)(path, w, beta)
            ),
            None,
        )
        path, _ = jax.lax.scan(newton, free, None, length=5)
        return jax.grad(action, 1)(path, w, beta), jax.grad(action)(path, w, beta)

    exact = law_gradient(cost, network, samples, dt)
    slopes = []
    for beta in (1e-3, 1e-2, 3e-2):
        g, residual = gradient(beta)
        assert jnp.abs(residual).max() < 1e-10
        error = jnp.linalg.norm(g["weight"] - exact["weight"])
        slopes.append(float(error / jnp.linalg.norm(exact["weight"])) / beta)
    np.testing.assert_allclose(slopes, slopes[0], rtol=0.1)
    assert slopes[0] > 0.1


def test_multiplier_form_is_the_energy(getkey):
    """max over lam of M - beta/2 |lam|^2 is E/beta, at lam = e/beta."""
    network = make(hl.Digraph.layered([3, 2]), getkey())
    u, v = jax.random.normal(getkey(), (2, 5))
    um, ur = u + network.tau_m * v, u + network.tau_r * v
    sample = jax.tree.map(lambda leaf: leaf[0], random_samples(getkey(), 1))
    cost, beta = hl.Cost(loss_weight=2.0), 0.3
    e = mismatch(network, um, ur, sample.input)
    M = lambda lam: (
        augmented_cost(cost, Mismatch(), network, u, v, lam, sample)
        - beta / 2 * jnp.sum(lam**2)
    )
    E = prospective_energy(cost, network, um, ur, sample, nudging=beta)
    np.testing.assert_allclose(M(e / beta), E / beta, rtol=1e-13)
    np.testing.assert_allclose(jax.grad(M)(e / beta), 0.0, atol=1e-13)
    r = np.tanh(ur)
    W = np.zeros((5, 5))
    W[3:, :3] = np.asarray(network.weight).reshape(2, 3)
    x = np.zeros(5)
    x[:3] = np.asarray(network.input_weight) @ np.asarray(sample.input)
    gap = np.asarray(um) - W @ r - x
    C = 2 * np.sum((r[3:] - np.asarray(sample.target)) ** 2) / 2
    np.testing.assert_allclose(E, gap @ gap / 2 + beta * C, rtol=1e-13)


def test_bad_arguments(getkey):
    rate = hl.RateNetwork(hl.Digraph.layered([1, 1]), inputs=1, key=getkey())
    with pytest.raises(ValueError, match="`network` must be a VoltageNetwork"):
        hl.VLE(window=5).init(rate)
    with pytest.raises(ValueError, match="`window` must be an integer of at least 1"):
        hl.VLE(window=0)
    voltage = make(hl.Digraph.layered([2, 2]), getkey())
    with pytest.raises(ValueError, match="`dt` must be positive"):
        hl.stream(hl.VLE(window=2), voltage, random_samples(getkey(), 3), dt=-0.1)
    with pytest.raises(ValueError, match="`discount` must be non-negative"):
        hl.VLE(window=5, discount=-1.0)
    assert eqx.is_array(hl.VLE(window=5).init(voltage).x)
