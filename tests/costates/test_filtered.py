"""One family of filters of the costate, between nothing and the exact one."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from online_twin import relative, summed

import hamlearn as hl
from hamlearn.costates import (
    AbstractClosure,
    FilteredErrors,
    Learned,
    ModeTimes,
    NeuronTimes,
    Prospective,
    SignFlipped,
    Sweeps,
    Unfiltered,
)
from hamlearn.laws import Law
from hamlearn.networks import OwnHead
from hamlearn.sensitivities import (
    AtOnce,
    FilteredTraces,
    OwnLeak,
    PassedTraces,
    SpatialFeedback,
    SplitTraces,
)

DT, STEPS = 0.2, 60


class Told(AbstractClosure):
    """Is told the exact errors, sample by sample, and does not listen to s."""

    errors: jax.Array

    def init(self, u):
        return jnp.zeros((), jnp.int32)

    def error(self, s, memory, times):
        return self.errors[memory] + 0 * s

    def advance(self, s, memory, times, leak):
        return memory + 1


def recurrent(key, tau=0.7):
    graph = hl.Digraph.complete(6, self_loops=True)
    return hl.RateNetwork(
        graph, inputs=2, outputs=2, gain=0.9, time_constant=tau, key=key
    )


def chain(key):
    graph = hl.Digraph.layered([3, 3, 2])
    return hl.RateNetwork(graph, inputs=2, outputs=2, time_constant=0.7, key=key)


def stack(key):
    a, b, c = jax.random.split(key, 3)
    head = OwnHead(4, inputs=2, key=a)
    below = hl.DiagonalNetwork(4, inputs=2, head=head, time_constant=(1, 9), key=b)
    above = hl.DiagonalNetwork(
        5, inputs=4, outputs=2, hidden=3, time_constant=(1, 9), key=c
    )
    return hl.Stack([below, above])


def stream(key, steps=STEPS):
    a, b = jax.random.split(key)
    u = jax.random.normal(a, (steps, 2))
    return hl.Sample(u, jax.random.normal(b, (steps, 2)))


def states(network, samples):
    step = lambda x, u: (network.transition(x, u, DT), x)
    return jax.lax.scan(step, network.initial_state(), samples.input)[1]


def costates(network, samples):
    """(dJ/dx_k, dJ/dx_{k+1}) along the run, by moving every state."""
    cost = hl.Cost(loss_weight=1.5)

    def J(kicks):
        def step(x, now):
            sample, kick = now
            x = jax.tree.map(jnp.add, x, kick)
            ell = cost.loss(network.readout(x, sample.input), sample.target)
            return network.transition(x, sample.input, DT), 1.5 * ell

        return jnp.sum(jax.lax.scan(step, network.initial_state(), (samples, kicks))[1])

    p = jax.jit(jax.grad(J))(jax.tree.map(jnp.zeros_like, states(network, samples)))
    later = jax.tree.map(lambda a: jnp.concatenate([a[1:], 0 * a[:1]]), p)
    return p, later


def law(credit):
    return Law(hl.Cost(loss_weight=1.5), credit)


def exact(network, samples):
    return hl.exact_gradient(hl.Cost(loss_weight=1.5), network, samples, dt=DT).w


def test_trace_and_errors_share_the_future_between_them(getkey):
    """kappa e is the gradient; the whole costate times the trace counts paths twice."""
    network, samples = recurrent(getkey()), stream(getkey())
    p, later = costates(network, samples)
    wanted = exact(network, samples)
    keep = 1 - DT / network.time_constant
    told = Told((1 - keep) * later)
    found = summed(law(SplitTraces(told, sweeps=2)), network, samples)
    assert relative(found, wanted) < 1e-12
    found = summed(law(FilteredErrors(told, sweeps=2)), network, samples)
    assert relative(found, wanted) < 1e-12
    # By hand: kappa, and p in its place.
    x, W = states(network, samples), network.weight.reshape(6, 6)
    drive = x @ W.T + samples.input @ network.input_weight.T
    rise = (1 - keep) * (1 - jnp.tanh(drive) ** 2)
    step = lambda e, now: (keep[:, None] * e + jnp.outer(*now), e)
    _, e = jax.lax.scan(step, jnp.zeros((6, 6)), (rise, x))
    kappa = p - keep * later
    total = lambda at: {"weight": jnp.einsum("ti,tij->ij", at, e).reshape(-1)}
    wanted = {"weight": wanted["weight"].reshape(-1)}
    assert relative(total(kappa), wanted) < 1e-12
    assert relative(total(p), wanted) > 0.5


def test_exact_errors_between_layers_are_exact(getkey):
    network, samples = stack(getkey()), stream(getkey())
    p = costates(network, samples)[0][1]
    told = Told(jnp.stack([p[:, 0], -p[:, 1]], axis=1))
    found = summed(law(FilteredTraces(told)), network, samples)
    assert relative(found, exact(network, samples)) < 1e-12


def test_unfiltered_is_the_instantaneous_law(getkey):
    samples = stream(getkey())
    pairs = [
        (FilteredErrors(), hl.costates.AtRest(), chain),
        (SplitTraces(), OwnLeak(SpatialFeedback()), chain),
        (FilteredTraces(), PassedTraces(AtOnce()), stack),
    ]
    for ours, theirs, make in pairs:
        network = make(getkey())
        found, wanted = (summed(law(c), network, samples) for c in (ours, theirs))
        assert relative(found, wanted) < 1e-13


@pytest.mark.parametrize("credit", [FilteredErrors, SplitTraces, FilteredTraces])
def test_untrained_is_bit_for_bit_instantaneous(getkey, credit):
    """As it is before it has learned, and at the first samples of one that learns."""
    network = (stack if credit is FilteredTraces else chain)(getkey())
    samples = stream(getkey())
    run = lambda closure, part: summed(law(credit(closure)), network, part)
    base = run(Unfiltered(), samples)
    still = run(Learned(shrinkage=None), samples)
    moved = run(Learned(), samples)
    for name, leaf in base.items():
        np.testing.assert_array_equal(still[name], leaf)
    assert relative(moved, base) > 1e-6
    first = jax.tree.map(lambda leaf: leaf[:1], samples)
    base, moved = (run(closure, first) for closure in (Unfiltered(), Learned()))
    for name, leaf in base.items():
        np.testing.assert_array_equal(moved[name], leaf)


def test_voltage_neurons_take_the_learned_filter_too(getkey):
    network = hl.VoltageNetwork(
        hl.Digraph.layered([3, 2]), inputs=2, outputs=2, key=getkey(),
        prospective_time_constant=0.3,
    )  # fmt: skip
    samples, schedule = stream(getkey()), Sweeps()
    run = lambda closure: summed(
        hl.GLE(closure=closure, schedule=schedule), network, samples
    )
    base, still = run(Unfiltered()), run(Learned(shrinkage=None))
    for name, leaf in base.items():
        np.testing.assert_array_equal(still[name], leaf)
    assert relative(run(Learned()), base) > 1e-6


@pytest.mark.parametrize(
    "closure", [Prospective(), SignFlipped()], ids=lambda c: type(c).__name__
)
def test_fixed_filters_have_the_phase_they_promise(closure):
    """Of a mode, at a tone: exact, inverse (its phase), own (the opposite one)."""
    a, omega, steps = 0.9 * np.exp(0.3j), 0.2, 3000
    tone = np.exp(1j * omega * np.arange(steps))
    pole = jnp.asarray([[a.real], [a.imag]])
    times = ModeTimes(pole, jnp.asarray(1.0), jnp.zeros((2, 1)))
    leak = hl.costates.EulerLeak()

    def step(memory, s):
        error = closure.error(s, memory, times)
        return closure.advance(s, memory, times, leak), error

    s = jnp.stack([jnp.asarray(tone.real), jnp.asarray(tone.imag)], 1)[:, :, None]
    _, lam = jax.lax.scan(step, closure.init(jnp.zeros((2, 1))), s)
    gain = complex(*map(float, lam[-1, :, 0])) / tone[-1]
    wanted = 1 / (1 - a * np.exp(1j * omega))
    turn = np.angle(gain / {SignFlipped: np.conj(wanted)}.get(type(closure), wanted))
    assert abs(turn) < 1e-6


def noisy(key, rho, steps=20_000):
    """s' = rho s + noise."""
    step = lambda s, noise: (rho * s + noise, s)
    return jax.lax.scan(step, jnp.zeros(1), jax.random.normal(key, (steps, 1)))[1]


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_learns_what_can_be_predicted(getkey, rho):
    """Of an error that forgets as rho, lam is (1 - a) rho/(1 - a rho) s at best."""
    times = NeuronTimes(jnp.ones(1), jnp.zeros(1), jnp.asarray(0.2), jnp.zeros(1))
    closure, a = Learned(()), 0.8

    def step(memory, s):
        error = closure.error(s, memory, times)
        return closure.advance(s, memory, times, hl.costates.EulerLeak()), error

    s = noisy(getkey(), rho)
    _, lam = jax.lax.scan(step, closure.init(jnp.zeros(1)), s)
    found = float(jnp.sum(lam[10_000:] * s[10_000:]) / jnp.sum(s[10_000:] ** 2))
    assert abs(found - (1 - a) * rho / (1 - a * rho)) < 0.05


def test_refusals(getkey):
    with pytest.raises(ValueError, match="`shrinkage` must be positive"):
        Learned(shrinkage=0.0)
    with pytest.raises(ValueError, match="`weight` must"):
        Learned(weight=jnp.zeros((1, 2, 2))).init(jnp.zeros(3))
    with pytest.raises(ValueError, match="`sweeps` must be given"):
        law(FilteredErrors()).init(recurrent(getkey()))
    with pytest.raises(ValueError, match="`network` must be one through which"):
        law(FilteredTraces()).init(recurrent(getkey()))
    assert eqx.tree_equal(hl.laws.Filtered().credit, SplitTraces(Learned()))
