"""Answers that nobody has put together before, on one linear neuron.

Against recursions written out in NumPy, to rounding, and against closed forms, to the
order of the step.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from classical import damped
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import hamlearn as hl
from hamlearn.costates import (
    AtRest,
    CostateFlow,
    HysteresisSign,
    NoFlip,
    SignFlip,
    SmoothSign,
    Sweeps,
    TimeReversal,
)
from hamlearn.laws import HamiltonianFlow
from hamlearn.laws.hamiltonian_flow import LearningHamiltonian
from hamlearn.mechanics import Euler, Heun
from hamlearn.updates import GradientFlow, Inertia, Optax

TAU, Q, DECAY, U, Y, START = 0.4, 3.0, 0.2, 0.8, 0.6, -0.5
R, THETA = 0.5, 1.7
COST = hl.Cost(loss_weight=Q, weight_decay=DECAY)
BARE = hl.Cost(loss_weight=Q)


class Neuron(eqx.Module):
    """tau dx/dt = w u - x."""

    w: jax.Array

    def __call__(self, x, u):
        return (self.w * u - x) / TAU


class Answer(eqx.Module):
    """y = w u at once."""

    w: jax.Array

    def __call__(self, x, u):
        return self.w * u


def neuron():
    return hl.Dynamics(Neuron(jnp.array([START])), initial_state=jnp.zeros(1))


def instant():
    answer = Answer(jnp.array([START]))
    return hl.Dynamics(lambda x, u: -x, initial_state=jnp.zeros(1), readout=answer)


def voltage(tau_r):
    """One linear neuron that hears the input; the node before it does nothing."""
    network = hl.VoltageNetwork(
        hl.Digraph(2, [0], [1]), inputs=1, input_nodes=[1], linear=[0, 1],
        membrane_time_constant=TAU, prospective_time_constant=tau_r,
        learn=("input_weight",), key=jax.random.key(0),
    )  # fmt: skip
    put = lambda n: (n.weight, n.input_weight)
    weights = (jnp.zeros_like(network.weight), jnp.full((1, 1), START))
    return eqx.tree_at(put, network, weights)


def weights(law, network, steps, dt, *, target=Y, u=None):
    """w at every sample, before it taught anything."""
    u = np.full(steps, U) if u is None else u
    samples = jnp.asarray(u)[:, None], jnp.full((steps, 1), target)
    record = lambda state, sample, info: jnp.squeeze(*state.w.values())
    run = eqx.filter_jit(hl.scan)
    _, found = run(law, law.init(network), samples, dt, record)
    return np.concatenate([[START], found[:-1]])


def wave(steps, dt):
    return U + 0.3 * np.sin(2 * dt * np.arange(steps))


def test_hamiltonian_learning_with_adam():
    """p_x with the state it met, Adam on g = p_x u/tau + r_w w, x with the new w."""
    dt, lr, theta = 0.02, 0.01, 0.9
    adam = Optax(optax.adam, learning_rate=lr)
    law = hl.HamiltonianLearning(COST, dissipation=theta, update=adam)
    u = wave(200, dt)
    got = weights(law, neuron(), 200, dt, u=u)
    x, p, w, m, v, wanted = 0.0, 0.0, START, 0.0, 0.0, []
    for k in range(200):
        wanted.append(w)
        p = p + dt * (Q * (x - Y) - p / TAU - theta * p)
        g = p * u[k] / TAU + DECAY * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        size = np.sqrt(v / (1 - 0.999 ** (k + 1))) + 1e-8
        w = w - lr * m / (1 - 0.9 ** (k + 1)) / size
        x = x + dt * (w * u[k] - x) / TAU
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert wanted[-1] - START > 0.3


def test_rtrl_with_inertia():
    """The exact sensitivity, and weights with mass: x and s with the old weights."""
    dt = 0.02
    law = hl.RTRL(COST, Inertia(R, THETA))
    u = wave(300, dt)
    got = weights(law, neuron(), 300, dt, u=u)
    x, s, w, p, wanted = 0.0, 0.0, START, 0.0, []
    for k in range(300):
        wanted.append(w)
        g = Q * (x - Y) * s + DECAY * w
        x, s = x + dt * (w * u[k] - x) / TAU, s + dt * (u[k] - s) / TAU
        p = p + dt * (g - THETA * p)
        w = w - dt * p / R
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
    assert np.ptp(wanted) > 0.5


def test_gle_with_inertia():
    """Neuron and error filter as in the paper, weights with mass."""
    dt, tau_r = 0.02, 0.1
    law = hl.GLE(COST, Inertia(R, THETA), schedule=Sweeps())
    u = wave(300, dt)
    got = weights(law, voltage(tau_r), 300, dt, u=u)
    v, z, w, p, wanted = 0.0, 0.0, START, 0.0, []
    for k in range(300):
        wanted.append(w)
        rate = (w * u[k] - v) / TAU
        s = Q * (Y - (v + tau_r * rate))
        lam = z + TAU / tau_r * (s - z)
        z, v = z + dt / tau_r * (s - z), v + dt * rate
        p = p + dt * (DECAY * w - lam * u[k] - THETA * p)
        w = w - dt * p / R
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
    assert np.ptp(wanted) > 0.5


def closed_form(times, target):
    """r (w'' + theta w') = -q u (w u - y) from rest, a damped oscillator."""
    goal = target / U
    return goal + damped(U * np.sqrt(Q / R), THETA, START - goal, 0.0, times)


@pytest.mark.parametrize(
    ("law", "network", "target"),
    [
        # A readout of the weights: their gradient is d ell/dw itself.
        (hl.RTRL(BARE, Inertia(R, THETA)), instant, Y),
        (hl.BPTT(BARE, Inertia(R, THETA), window=1, inputs=1), instant, Y),
        # tau_r = tau_m: no lag, so that errors at each instant are exact.
        (hl.LE(BARE, Inertia(R, THETA)), lambda: voltage(TAU), Y),
        # The error filter undoes the lag of a slow neuron, whatever its weight does.
        (hl.GLE(BARE, Inertia(R, THETA), schedule=Sweeps()), lambda: voltage(0.1), 0.0),
    ],
    ids=["RTRL", "BPTT", "LE", "GLE"],
)
def test_inertia_is_a_damped_oscillator(law, network, target):
    """w'' + theta w' = -(1/r) d ell/dw in closed form, to the order of the step."""
    errors = []
    for dt in (0.02, 0.01):
        steps = round(6 / dt)
        got = weights(law, network(), steps, dt, target=target)
        errors.append(np.abs(got - closed_form(dt * np.arange(steps), target)).max())
    assert errors[0] < 0.05
    assert abs(np.log2(errors[0] / errors[1]) - 1) < 0.3


@pytest.mark.parametrize(
    ("solver", "order"), [(None, 1), (Euler(), 1), (Heun(), 2)], ids=str
)
def test_hamiltonian_learning_in_closed_form(solver, order):
    """x, w, p_x and p_w of the flipped flow obey a linear equation; its exponential."""
    law = hl.HamiltonianLearning(COST, inertia=R, dissipation=THETA, solver=solver)
    # (x, w, p_x, p_w, 1)
    A = np.array([
        [-1 / TAU, U / TAU, 0, 0, 0],
        [0, 0, 0, -1 / R, 0],
        [Q, 0, -1 / TAU - THETA, 0, -Q * Y],
        [0, DECAY, U / TAU, -THETA, 0],
        [0, 0, 0, 0, 0],
    ])  # fmt: skip
    errors = []
    for dt in (0.02, 0.01):
        got = weights(law, neuron(), round(4 / dt), dt)[-1]
        exact = expm(A * dt * (round(4 / dt) - 1)) @ [0, START, 0, 0, 1]
        errors.append(abs(got - exact[1]))
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.3


def test_rtrl_with_inertia_as_a_flow():
    """A solver of order 2 keeps it on sensitivity and weights alike."""
    law = lambda: hl.RTRL(COST, Inertia(R, THETA), solver=Heun())
    by_hand = lambda t, y: (
        (y[1] * U - y[0]) / TAU,
        -y[2] / R,
        Q * (y[0] - Y) * y[3] + DECAY * y[1] - THETA * y[2],
        (U - y[3]) / TAU,
    )
    errors = []
    for dt in (0.04, 0.02):
        steps = round(4 / dt)
        got = weights(law(), neuron(), steps + 1, dt)[-1]
        path = solve_ivp(by_hand, (0, 4), [0, START, 0, 0], rtol=1e-11, atol=1e-12)
        errors.append(abs(got - path.y[1, -1]))
    assert abs(np.log2(errors[0] / errors[1]) - 2) < 0.3


# What the theory joins is refused by name.


H = lambda network, x, p_x, p_w, sample: jnp.zeros(())
SGD = optax.sgd(0.1)
REFUSED = {
    "`update` must be None: `TimeReversal` moves": lambda: hl.HamiltonianLearning(
        policy=TimeReversal(), update=SGD
    ),
    "`update` must be None: `SmoothSign` moves": lambda: hl.HamiltonianLearning(
        policy=SmoothSign(), update=Inertia()
    ),
    "`update` must be None: a Hamiltonian of its own": lambda: hl.HamiltonianLearning(
        hamiltonian=H, update=SGD
    ),
    "`inertia` must be None beside another update": lambda: hl.HamiltonianLearning(
        inertia=2.0, update=SGD
    ),
    "`policy` must be one that acts on every costate by itself": lambda: CostateFlow(
        HysteresisSign()
    ),
    "`solver` must be None for a law with an optimizer": lambda: hl.RTRL(
        update=SGD, solver=Euler()
    ),
    "`solver` must be None for a law with an optimizer, which": lambda: (
        hl.HamiltonianLearning(update=SGD, solver=Euler())
    ),
    "`solver` must be None for a law with `AtRest`, which has no rates": lambda: hl.Law(
        COST, AtRest(1), Inertia(), solver=Euler()
    ),
    "`update` must be an update of `hl.updates` or an optimizer": lambda: hl.RTRL(
        update=0.1
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_the_theory_joins_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_solve_wants_rates():
    signal = hl.Signal(lambda t: U + 0 * t, lambda t: Y + 0 * t)
    for law, missing in (
        (hl.RTRL(update=SGD), "an optimizer, which has no rates"),
        (hl.Law(COST, AtRest(1), Inertia()), "`AtRest`, which has no rates"),
        (hl.HamiltonianLearning(policy=HysteresisSign()), "`HysteresisSign`, which"),
    ):
        with pytest.raises(ValueError, match=missing):
            hl.solve(law, neuron(), signal, t0=0.0, t1=1.0)
    flow = hl.RTRL(update=GradientFlow(1.0))
    result = hl.solve(flow, neuron(), signal, t0=0.0, t1=20.0)
    assert abs(result.output[-1, 0] - Y) < 1e-3


def test_the_true_sign_with_an_update_of_its_own():
    """p_x unflipped, forward, and weights that descend on it: allowed, and diverges."""
    dt = 0.02
    with pytest.warns(UserWarning, match="diverges"):
        policy = NoFlip()
    law = hl.HamiltonianLearning(BARE, policy, dissipation=0.0, update=optax.sgd(0.01))
    got = weights(law, neuron(), 100, dt)
    x, p, w, wanted = 0.0, 0.0, START, []
    for _ in range(100):
        wanted.append(w)
        p = p - dt * (Q * (x - Y) - p / TAU)
        w = w - 0.01 * p * U / TAU
        x = x + dt * (w * U - x) / TAU
    np.testing.assert_allclose(got, wanted, rtol=1e-11)


# The two ways to Hamiltonian learning are one.


def both(solver, network, samples, dt=0.05):
    H = LearningHamiltonian(COST, jnp.asarray(R))
    laws = (
        hl.HamiltonianLearning(COST, inertia=R, dissipation=THETA, solver=solver),
        HamiltonianFlow(COST, H, SignFlip(), THETA, solver),
    )
    run = eqx.filter_jit(hl.scan)
    return [run(law, law.init(network), samples, dt) for law in laws]


def recurrent(key):
    return hl.RateNetwork(
        hl.Digraph.complete(5, self_loops=True), inputs=2, outputs=2,
        time_constant=np.linspace(0.3, 1, 5), key=key,
    )  # fmt: skip


@pytest.mark.parametrize("solver", [Euler(), Heun()], ids=["euler", "heun"])
def test_composed_and_own_hamiltonian_are_one_flow(solver, getkey):
    network = recurrent(getkey())
    samples = hl.Sample(*jax.random.normal(getkey(), (2, 60, 2)))
    (one, info), (other, more) = both(solver, network, samples)
    assert one.w.keys() == other.w.keys()
    pairs = [(one.w[k], other.w[k]) for k in one.w]
    pairs += [(one.update[k], other.update[k]) for k in one.w]
    pairs += [(one.x, other.x), (one.credit.memory, other.credit.memory[0])]
    pairs += [(info.output, more.output), (info.loss, more.loss)]
    pairs += [(info.more[k], more.more[k]) for k in ("lagrangian", "hamiltonian")]
    for a, b in pairs:
        size = np.abs(b).max()
        assert size > 1e-3
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * size)


def test_streams_of_a_batch_are_one_flow_too(getkey):
    """p_x of a stream is its share of the mean in one, the whole in the other."""
    batch = hl.Batch(recurrent(getkey()), 3)
    samples = hl.Sample(*jax.random.normal(getkey(), (2, 40, 3, 2)))
    (one, info), (other, more) = both(Heun(), batch, samples)
    for k in one.w:
        np.testing.assert_allclose(one.w[k], other.w[k], rtol=1e-11, atol=1e-13)
    p_x, share = one.credit.memory, other.credit.memory[0]
    np.testing.assert_allclose(p_x / 3, share, rtol=1e-11, atol=1e-13)
    hamiltonians = info.more["hamiltonian"], more.more["hamiltonian"]
    np.testing.assert_allclose(*hamiltonians, rtol=1e-11)


# Laws made without a number learn.


RMS = 0.5 / np.sqrt(2)  # of 0.5 sin t


def root_mean_square(law, networks, samples, dt):
    run = eqx.filter_jit(lambda n: hl.scan(law, law.init(n), samples, dt)[1].loss)
    return [float(np.sqrt(2 * np.mean(run(network)))) for network in networks]


def test_hamiltonian_learning_made_without_a_number_learns():
    """The quick start's sine; with theta = 0 it does worse than predicting zero."""
    task, seeds = hl.tasks.sine(), range(4)
    networks = [
        hl.RateNetwork(
            hl.Digraph.complete(5, self_loops=True), outputs=[0], time_constant=0.1,
            key=jax.random.key(seed),
        )
        for seed in seeds
    ]  # fmt: skip
    samples = task.samples()
    default = root_mean_square(hl.HamiltonianLearning(), networks, samples, task.dt)
    assert max(default) < 0.5 * RMS, default
    # Only the ratio q/r counts: another weight of the loss changes nothing.
    heavy = hl.HamiltonianLearning(hl.Cost(loss_weight=100.0))
    again = root_mean_square(heavy, networks[:1], samples, task.dt)
    np.testing.assert_allclose(again, default[:1], rtol=1e-6)
    undamped = hl.HamiltonianLearning(dissipation=0.0)
    assert max(root_mean_square(undamped, networks, samples, task.dt)) > RMS


@pytest.mark.parametrize("kind", ["sine", "two tones"])
def test_stlp_made_without_a_number_learns(kind):
    inputs = {
        "sine": lambda t: jnp.stack([jnp.sin(t), jnp.ones_like(t)]),
        "two tones": lambda t: jnp.stack([jnp.cos(t), jnp.sin(2 * t)]),
    }
    signal = hl.Signal(inputs[kind], lambda t: 0.5 * jnp.sin(t))
    networks = [
        hl.RateNetwork(
            hl.Digraph.layered([4, 4, 1]), inputs=2, key=jax.random.key(seed)
        )
        for seed in range(4)
    ]  # fmt: skip
    samples = signal.jets(0.01 * jnp.arange(6000.0))
    found = root_mean_square(hl.STLP(), networks, samples, 0.01)
    assert max(found) < (0.05 if kind == "sine" else 0.5) * RMS, found
