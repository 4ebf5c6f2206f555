"""The plain-JAX floors of the benchmarks compute what the laws compute."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from benchmarks import _floors as floors
from hamlearn.action import Dynamical, Instant
from hamlearn.sensitivities import RankOneTrace
from hamlearn.sensitivities.stochastic import RankOne, rank_one_after

ALPHA, RATE, STEPS = 0.3, 0.05, 25


def problem(getkey, batch=()):
    w = floors.weights(6, 2, 3, key=getkey())
    us = jax.random.normal(getkey(), (STEPS, *batch, 2))
    ys = jax.random.normal(getkey(), (STEPS, *batch, 3))
    return w, jnp.zeros((*batch, 6)), us, ys


def named(w):
    names = "weight", "input_weight", "bias", "readout_map.weight", "readout_map.bias"
    return dict(zip(names, w, strict=True))


@pytest.mark.parametrize("batch", [(), (4,)])
def test_bptt(getkey, batch):
    w, x, us, ys = problem(getkey, batch)
    network = floors.network(w)
    network = hl.Batch(network, *batch) if batch else network
    found = hl.exact_gradient(hl.Cost(), network, hl.Sample(us, ys), dt=ALPHA)
    for plain in (floors.bptt, floors.bptt_checkpointed):
        value, expected = plain(w, x, us, ys, ALPHA)
        np.testing.assert_allclose(value, found.value, rtol=1e-12)
        for name, leaf in named(expected).items():
            np.testing.assert_allclose(found.w[name], leaf, rtol=1e-10, atol=1e-13)


LAWS = {
    "RTRL": (floors.RTRL, hl.RTRL),
    "SnAp-1": (floors.SNAP_1, hl.SnAp1),
    "own leak": (floors.OWN_LEAK, hl.EProp),
}


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("batch", [(), (4,)])
def test_online_laws(getkey, name, batch):
    w, x, us, ys = problem(getkey, batch)
    floor, make = LAWS[name]
    expected, losses = floors.learn(floor, w, x, us, ys, ALPHA, RATE)
    network = floors.network(w)
    network = hl.Batch(network, *batch) if batch else network
    law = make(hl.Cost(), optax.sgd(RATE))
    result = hl.stream(law, network, (us, ys), dt=ALPHA, progress=False)
    np.testing.assert_allclose(result.loss, losses, rtol=1e-10)
    for leaf, found in zip(expected, leaves(result.network), strict=True):
        np.testing.assert_allclose(found, leaf, rtol=1e-10, atol=1e-13)


def leaves(network):
    single = network.network if isinstance(network, hl.Batch) else network
    read = single.readout_map
    return single.weight, single.input_weight, single.bias, read.weight, read.bias


def test_one_outer_product_is_bptt_truncated_to_one_step(getkey):
    w, x, us, ys = problem(getkey)
    changed, _ = floors.learn(floors.ONLINE_OUTER, w, x, us[:2], ys[:2], ALPHA, RATE)
    value = lambda w: floors.total_loss(w, x, us[:1], ys[:1], ALPHA)
    w1 = jax.tree.map(lambda w, g: w - RATE * g, w, jax.grad(value)(w))

    def second(w):
        at = floors.advance(w, x, us[0], ALPHA)
        return jnp.sum((w.C @ at + w.c - ys[1]) ** 2) / 2

    # The slopes are those of the weights before the first update, which does not
    # change them: at rest only the readout's bias has a gradient.
    for a, b, g in zip(changed, w1, jax.grad(second)(w1), strict=True):
        np.testing.assert_allclose(a, b - RATE * g, rtol=1e-12, atol=1e-15)


def test_uoro_is_its_law_for_the_same_signs(getkey):
    w, _, us, ys = problem(getkey)
    x, s = jax.random.normal(getkey(), (2, 6))
    theta = tuple(jax.random.normal(getkey(), leaf.shape) for leaf in w[:3])
    key, names = getkey(), ("weight", "input_weight", "bias")
    g, (s1, theta1), *_ = floors.UORO.credit(w, x, us[0], ys[0], ALPHA, (s, theta), key)
    held, frozen = hl.split(floors.network(w))
    output = w.C @ x + w.c
    instant = Instant(
        hl.Cost(), Dynamical(), held, frozen, x, None, None, hl.Sample(us[0], ys[0]),
        jnp.asarray(ALPHA), output, jnp.zeros(()), key,
    )  # fmt: skip
    trace = RankOne(s, dict(zip(names, theta, strict=True)))
    ours, _ = RankOneTrace().step(instant, None, trace)
    after = rank_one_after(instant, trace, jax.random.rademacher(key, (6,), x.dtype))
    np.testing.assert_allclose(after.s, s1, rtol=1e-11)
    for name, a, b in zip(names, g[:3], theta1, strict=True):
        np.testing.assert_allclose(ours[name], a, rtol=1e-11)
        np.testing.assert_allclose(after.theta[name], b, rtol=1e-11)


def test_gle(getkey):
    w = floors.weights(6, 2, 3, key=getkey())
    w = w._replace(W=0.1 * w.W)
    us = jax.random.normal(getkey(), (STEPS, 2))
    ys = jax.random.normal(getkey(), (STEPS, 3))
    network = hl.VoltageNetwork(
        hl.Digraph.complete(6, self_loops=True), inputs=2, outputs=3,
        prospective_time_constant=0.4, key=getkey(),
    )  # fmt: skip
    network = eqx.tree_at(
        lambda n: (n.weight, n.input_weight, n.bias), network, (w.W, w.B, w.b)
    )
    law = hl.GLE(update=optax.sgd(RATE))
    result = hl.stream(law, network, (us, ys), dt=0.05, progress=False)
    expected, losses = floors.gle(w, us, ys, 0.05, 1.0, 0.4, RATE)
    np.testing.assert_allclose(result.loss, losses, rtol=1e-10)
    ours = result.network
    for a, b in zip((ours.weight, ours.input_weight, ours.bias), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_sign_flip(getkey):
    network = hl.RateNetwork(
        hl.Digraph.complete(5, self_loops=True), outputs=[0], time_constant=0.1,
        key=getkey(),
    )  # fmt: skip
    x = 0.3 * jax.random.normal(getkey(), (5,))
    y = 0.5 * jnp.sin(0.1 * jnp.arange(1.0 * STEPS))[:, None]
    law = hl.HamiltonianLearning(
        hl.Cost(loss_weight=50.0, weight_decay=1.0), inertia=0.1, dissipation=20.0,
        solver=hl.mechanics.Euler(),
    )  # fmt: skip
    result = hl.stream(law, network, (jnp.zeros((STEPS, 0)), y), dt=0.01, x0=x,
                       progress=False)  # fmt: skip
    given = (network.weight, network.bias, x, y, 0.01, 0.1, 50.0, 1.0, 0.1, 20.0)
    (_, W, *_), (output, _, L, H) = floors.sign_flip(*given)
    np.testing.assert_allclose(result.network.weight, W, rtol=1e-11)
    np.testing.assert_allclose(result.output, output, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(result.info["lagrangian"], L, rtol=1e-11)
    np.testing.assert_allclose(result.info["hamiltonian"], H, rtol=1e-11)
