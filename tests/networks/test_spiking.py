"""Spiking neurons against their equations, and e-prop against its factorisation."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from online_twin import relative, summed

import hamlearn as hl
from hamlearn.laws import SpikingEProp
from hamlearn.networks import SpikingNetwork, spike

DT = 1.0


def make_network(key, neurons=6, adaptive=3, **options):
    return SpikingNetwork(
        neurons, inputs=2, outputs=2, adaptive=adaptive, adaptation=0.4,
        time_constant=5.0, adaptation_time_constant=30.0, readout_time_constant=4.0,
        key=key, **options,
    )  # fmt: skip


def make_samples(key, steps=60):
    a, b = jax.random.split(key)
    u = 1.5 * jax.random.normal(a, (steps, 2))
    return hl.Sample(u, jax.random.normal(b, (steps, 2)))


def own(w, network, samples, heard):
    """(the summed loss, spikes), with what neurons hear of spikes given by `heard`."""
    keep = np.exp(-DT / np.array([5.0, 30.0, 4.0]))
    off, beta = 1 - jnp.eye(6), jnp.array([0.0] * 3 + [0.4] * 3)

    def move(state, now):
        (v, a, r), (u, y) = state, now
        out = w["readout_map.weight"] @ r + w["readout_map.bias"]
        z = spike(v - 1 - beta * a)
        arrives = (w["weight"] * off) @ heard(z) + w["input_weight"] @ u
        v = keep[0] * v + arrives - jax.lax.stop_gradient(z)
        after = v, keep[1] * a + z, keep[2] * r + z
        return after, (jnp.sum((out - y) ** 2) / 2, z)

    rest = (jnp.zeros(6),) * 3
    losses, spikes = jax.lax.scan(move, rest, (samples.input, samples.target))[1]
    return jnp.sum(losses), spikes


def gradient(network, samples, heard):
    w, _ = hl.split(network)
    function = lambda w: own(w, network, samples, heard)
    return jax.jit(jax.grad(function, has_aux=True))(w)


def test_neurons_spike_as_their_equations_say(getkey):
    network, samples = make_network(getkey()), make_samples(getkey())
    _, spikes = gradient(network, samples, lambda z: z)
    move = lambda x, u: (network.transition(x, u, DT), spike(network.above(x)))
    every = jax.lax.scan(move, network.initial_state(), samples.input)[1]
    np.testing.assert_array_equal(every, spikes)
    assert 0.03 < spikes.mean() < 0.6
    assert spikes[:, 3:].mean() < spikes[:, :3].mean()


def test_eprop_is_the_gradient_with_the_spikes_of_others_held(getkey):
    network, samples = make_network(getkey()), make_samples(getkey())
    held, _ = gradient(network, samples, jax.lax.stop_gradient)
    found = summed(SpikingEProp(), network, samples, dt=DT)
    assert relative(found, held) < 1e-12
    for name in held:
        assert np.abs(held[name]).max() > 1e-3
    whole, _ = gradient(network, samples, lambda z: z)
    assert relative(found, whole) > 1e-2


@pytest.mark.parametrize("law", [hl.RTRL(), hl.RTRL(block=7), hl.BPTT(window=60)])
def test_exact_laws_are_exact_for_the_surrogate(getkey, law):
    network, samples = make_network(getkey()), make_samples(getkey())
    if law.title == "RTRL" and type(law.credit).__name__ == "ExactBlocks":
        samples = jax.tree.map(lambda leaf: leaf[:56], samples)
    whole, _ = gradient(network, samples, lambda z: z)
    assert relative(summed(law, network, samples, dt=DT), whole) < 1e-12


def test_the_surrogate_is_a_triangle():
    slope = jax.vmap(jax.grad(lambda a: spike(a[None])[0]))
    a = jnp.array([-1.5, -0.5, 0.0, 0.25, 1.5])
    np.testing.assert_allclose(slope(a), [0.0, 0.15, 0.3, 0.225, 0.0], atol=1e-15)
    np.testing.assert_array_equal(spike(a), [0, 0, 0, 1, 1])


def test_eprop_learns_a_pattern(getkey):
    network = make_network(jax.random.key(4))
    u = jnp.tile(1.5 * jax.random.normal(jax.random.key(5), (40, 2)), (150, 1))
    t = jnp.arange(6000.0)
    y = jnp.stack([jnp.sin(t / 40 * 6.2832), jnp.cos(t / 40 * 6.2832)], axis=1)
    adam = hl.updates.Optax(optax.adam, learning_rate=3e-3)

    def last(law):
        return hl.scan(law, law.init(network), (u, y), DT)[1].loss[-1000:].mean()

    frozen = hl.Law(None, hl.sensitivities.Immediate(), adam)
    learned, still = last(SpikingEProp(None, adam)), last(frozen)
    assert learned < 0.8 * still


def test_bad_numbers_and_networks_are_named(getkey):
    with pytest.raises(ValueError, match="`adaptive` must be at most 6"):
        make_network(getkey(), adaptive=7)
    with pytest.raises(ValueError, match="`threshold` must be positive"):
        make_network(getkey(), threshold=0.0)
    rates = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=getkey())
    with pytest.raises(ValueError, match="`network` must be a SpikingNetwork"):
        SpikingEProp().init(rates)
    with pytest.raises(ValueError, match="`learn` must be among"):
        SpikingEProp().init(make_network(getkey(), learn=("weight", "beta")))
