"""Real trace units against their published equations, and against complex modes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.networks import TraceUnits

KEY = jax.random.key(8)
US, YS = jax.random.normal(KEY, (40, 3)), jax.random.normal(KEY, (40, 1))


@pytest.mark.parametrize("f", [None, jnp.tanh, jax.nn.relu])
def test_a_step_is_as_published(f):
    net = TraceUnits(4, inputs=3, nonlinearity=f, key=KEY)
    c1, c2 = np.array([0.3, -0.2, 0.5, 1.0]), np.array([-0.4, 0.1, 0.0, -1.0])
    r = np.exp(-np.exp(np.asarray(net.log_decay)))
    angle = np.exp(np.asarray(net.log_frequency))
    first, second = net.first_weight @ US[0], net.second_weight @ US[0]
    g, h = r * np.cos(angle), r * np.sin(angle)
    want = [
        g * c1 - h * c2 + np.sqrt(1 - r**2) * first,
        g * c2 + h * c1 + np.sqrt(1 - r**2) * second,
    ]
    want = want if f is None else f(jnp.asarray(want))
    got = net.transition(jnp.stack([c1, c2]), US[0], 1.0)
    np.testing.assert_allclose(got, want, atol=1e-14)
    drift = net(jnp.stack([c1, c2]), US[0])
    np.testing.assert_allclose(drift, got - np.stack([c1, c2]), atol=1e-15)


def test_linear_ones_are_complex_modes_with_another_gain():
    """The same states; and derivatives in real numbers are those of complex ones.

    M = (a - 1)/lam g B of the complex layer stands for s (W1 + i W2) of the real one,
    so that a derivative by W is that by B times a constant: (s/c) q dh/dB.
    """
    real = TraceUnits(5, inputs=3, key=KEY)
    modes = hl.DiagonalNetwork(5, inputs=3, key=KEY)
    s = jnp.sqrt(-jnp.expm1(-2 * jnp.exp(real.log_decay)))
    with jax.numpy_dtype_promotion("standard"):
        lam = -jnp.exp(real.log_decay) + 1j * jnp.exp(real.log_frequency)
        c = (jnp.exp(lam) - 1) / lam * jnp.exp(modes.log_gain)
        ratio = s / c
        B = ratio[:, None] * (real.first_weight + 1j * real.second_weight)
    same = lambda m: (m.log_decay, m.log_frequency, m.input_weight, m.head)
    pair = jnp.stack([B.real, B.imag])
    values = (real.log_decay, real.log_frequency, pair, real.head)
    modes = eqx.tree_at(same, modes, values)
    law = hl.laws.DiagonalRTRL()

    def run(net):
        def step(state, sample):
            g, state, info = law.estimate(state, sample, jnp.ones(()))
            return state, (state.x, info.output, g)

        return jax.jit(lambda s: jax.lax.scan(step, s, hl.Sample(US, YS)))(
            law.init(net)
        )[1]

    (x, y, g), (h, z, q) = run(real), run(modes)
    np.testing.assert_allclose(x, h, atol=1e-13)
    np.testing.assert_allclose(y, z, atol=1e-13)
    pair = np.asarray(q["input_weight"])
    by_W = np.asarray(ratio)[:, None] * (pair[:, 0] - 1j * pair[:, 1])  # q dh/dB
    np.testing.assert_allclose(g["first_weight"], by_W.real, atol=1e-13)
    np.testing.assert_allclose(g["second_weight"], -by_W.imag, atol=1e-13)


def test_units_stay_bounded_whatever_is_learned():
    net = TraceUnits(6, inputs=2, time_constant=(2.0, 30.0), phase=0.5, key=KEY)
    tau = np.exp(-np.asarray(net.log_decay))
    assert 2 <= tau.min() < tau.max() <= 30
    assert np.exp(np.asarray(net.log_frequency) + np.log(tau)).max() <= np.pi / 2
    wild = eqx.tree_at(lambda n: n.log_decay, net, net.log_decay - 20)
    x = wild.transition(jnp.ones((2, 6)), jnp.zeros(2), 1.0)
    assert float(jnp.abs(x).max()) <= 2**0.5


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"modes": 0}, "modes"),
        ({"inputs": 0}, "inputs"),
        ({"time_constant": (1.0, 0.0)}, "time_constant"),
        ({"learn": ("weight",)}, "learn"),
    ],
)
def test_what_does_not_fit_is_named(options, name):
    given = {"modes": 3, "inputs": 2, "key": KEY} | options
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        TraceUnits(given.pop("modes"), **given)
