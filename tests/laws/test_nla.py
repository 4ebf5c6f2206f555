"""Neuronal least action: its decay, its Newton flow, and latent equilibrium."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.costates import Sweeps
from hamlearn.laws import NLA
from hamlearn.laws.base import without_rest

TAU, BETA = 2.0, 0.2


def network(key, **options):
    graph = hl.Digraph.layered([4, 4, 2])
    return hl.VoltageNetwork(
        graph, inputs=2, outputs=2, membrane_time_constant=TAU,
        prospective_time_constant=TAU, key=key, **options,
    )  # fmt: skip


def signal():
    return hl.Signal(
        lambda t: jnp.stack([jnp.sin(0.5 * t), jnp.cos(0.3 * t)]),
        lambda t: jnp.stack([jnp.sin(0.4 * t), 0.5 * jnp.cos(0.2 * t)]),
    )


def slope(net, u, sample):
    """dE/du by hand, for tanh and the halved squared error."""
    W = np.zeros((10, 10))
    W[np.asarray(net.graph.receivers), np.asarray(net.graph.senders)] = np.asarray(
        net.weight
    ).reshape(-1)
    outer = np.asarray(net.bias).copy()
    outer[:4] += np.asarray(net.input_weight) @ np.asarray(sample.input)
    r, e = np.tanh(u), u - W @ np.tanh(u) - outer
    pull = np.zeros(10)
    pull[8:] = r[8:] - np.asarray(sample.target)
    return e + (1 - r**2) * (BETA * pull - W.T @ e)


def voltages(law, net, times, u0=None):
    state = law.init(net, x0=u0)
    solution = dfx.diffeqsolve(
        dfx.ODETerm(law.vector_field), dfx.Tsit5(), 0.0, times[-1], 0.01,
        without_rest(state), (state.rest, signal()),
        stepsize_controller=dfx.PIDController(rtol=1e-9, atol=1e-11),
        saveat=dfx.SaveAt(ts=jnp.asarray(times)),
    )  # fmt: skip
    return np.asarray(solution.ys.x)


def moved_by(w, rates, s):
    return {name: w[name] + s * rates[name] for name in w}


def samples_at(times):
    return [signal()(jnp.asarray(t)) for t in times]


def test_slope_of_the_energy_falls_by_e_in_every_time_constant(getkey):
    net, times = network(getkey()), np.arange(4) * TAU
    start = jax.random.normal(getkey(), (10,))
    u = voltages(NLA(rate=0.0, nudging=BETA), net, times, start)
    slopes = [slope(net, *pair) for pair in zip(u, samples_at(times), strict=True)]
    for k, now in enumerate(slopes):
        np.testing.assert_allclose(now, np.exp(-k) * slopes[0], rtol=1e-6, atol=1e-8)


def test_each_neuron_has_its_own_time_constant(getkey):
    net = network(getkey())
    tau = np.linspace(0.5, 3, 10)
    net = eqx.tree_at(lambda n: n.membrane_time_constant, net, jnp.asarray(tau))
    times = np.array([0.0, 1.5])
    start = jax.random.normal(getkey(), (10,))
    u = voltages(NLA(rate=0.0, nudging=BETA), net, times, start)
    before, after = (
        slope(net, *pair) for pair in zip(u, samples_at(times), strict=True)
    )
    np.testing.assert_allclose(after, before * np.exp(-1.5 / tau), rtol=1e-6, atol=1e-8)


def test_voltages_are_the_prospective_ones_of_latent_equilibrium(getkey):
    net, t1 = network(getkey()), 30.0
    expected = voltages(NLA(rate=0.0, nudging=BETA), net, np.array([0.0, t1]))[-1]
    found = []
    for dt in (0.04, 0.02):
        law = hl.LE(update=optax.set_to_zero(), nudging=BETA, schedule=Sweeps())
        samples = signal().sample(dt * jnp.arange(round(t1 / dt) + 1, dtype=float))
        state = hl.stream(law, net, samples, dt=dt, progress=False).state
        (u, v), _ = state.credit.motion
        found.append(np.asarray(u + TAU * v))
    # Errors push one step later, the one thing that is of first order in the step.
    assert np.abs(found[1] - expected).max() < 2e-3
    np.testing.assert_allclose(2 * found[1] - found[0], expected, atol=1e-5)


def test_weights_descend_the_energy_and_voltages_foresee_it(getkey):
    net, rate, t = network(getkey()), 0.3, jnp.asarray(1.7)
    law = NLA(rate=rate, nudging=BETA)
    state = law.init(net, x0=jax.random.normal(getkey(), (10,)))
    y, args = without_rest(state), (state.rest, signal())
    d = eqx.filter_jit(law.vector_field)(t, y, args)
    assert set(d.w) == {"weight", "input_weight", "bias"}
    step, moved = 1e-5, []
    for s in (-step, step):
        shifted = hl.join(moved_by(y.w, d.w, s), state.rest.frozen)
        moved.append(slope(shifted, np.asarray(y.x + s * d.x), signal()(t + s)))
    now = slope(net, np.asarray(y.x), signal()(t))
    rise = (moved[1] - moved[0]) / (2 * step)
    np.testing.assert_allclose(rise, -now / TAU, rtol=1e-6, atol=1e-7)
    e = np.asarray(y.x) - np.asarray(net.current(y.x, signal()(t).input))
    np.testing.assert_allclose(d.w["bias"], rate * e, rtol=1e-10, atol=1e-12)


def test_a_batch_moves_as_its_streams_do(getkey):
    net, u = network(getkey()), jax.random.normal(getkey(), (3, 10))
    law = NLA(rate=0.1, nudging=BETA)
    x, y = jax.random.normal(getkey(), (3, 2)), jax.random.normal(getkey(), (3, 2))
    step = eqx.filter_jit(law.step)
    batch, _ = step(law.init(hl.Batch(net, 3), x0=u), hl.Sample(x, y), jnp.asarray(0.1))
    each = [
        step(law.init(net, x0=u[k]), hl.Sample(x[k], y[k]), jnp.asarray(0.1))[0]
        for k in range(3)
    ]
    mean = np.mean([one.w["weight"] for one in each], axis=0)
    np.testing.assert_allclose(batch.network.network.weight, mean, rtol=1e-10)


def test_time_constants_that_learn_are_refused(getkey):
    net = network(getkey(), learn=("weight", "membrane_time_constant"))
    with pytest.raises(ValueError, match="learn"):
        NLA().init(net)
