"""Complex modes against NumPy's complex numbers, and stacks against hand-made ones."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.networks import (
    Memoryless,
    MixedHead,
    OwnHead,
    ProductHead,
)

KEY = jax.random.key(3)


def samples(length, inputs=2, outputs=1):
    a, b = jax.random.split(jax.random.key(1))
    u = jax.random.normal(a, (length, inputs))
    return u, jax.random.normal(b, (length, outputs))


def numpy_run(net, us, dt):
    """The states and outputs met, in complex numbers."""
    net = jax.tree.map(np.asarray, net)
    nu, theta, gamma = net.log_decay, net.log_frequency, net.log_gain
    each = gamma.size // nu.size
    lam = np.repeat(-np.exp(nu) + 1j * np.exp(theta), each)
    B = net.input_weight[0] + 1j * net.input_weight[1]
    C = net.head.mix[0] + 1j * net.head.mix[1]
    h, hs, ys = np.zeros(gamma.size, complex), [], []
    for u in np.asarray(us):
        z = np.tanh((C @ h).real + net.head.skip @ u)
        ys.append(net.head.readout_weight @ z)
        hs.append(h)
        keep, write = np.ones(gamma.size), np.ones(gamma.size)
        if net.keep_weight is not None:
            F, S = net.keep_weight, net.write_weight
            keep = np.log1p(np.exp(F @ u + np.log(np.e - 1)))
            write = 1 / (1 + np.exp(-S @ u))
        a = np.exp(lam * keep * dt)
        h = a * h + (a - 1) / (lam * keep) * write * np.exp(gamma) * (B @ u)
    return np.array(hs), np.array(ys)


@pytest.mark.parametrize("options", [{}, {"classes": 3}, {"gated": True}])
def test_states_are_those_of_complex_numbers(options):
    net = hl.DiagonalNetwork(6, inputs=2, key=KEY, **options)
    us, ys = samples(40)
    law = hl.Law(None, hl.sensitivities.Immediate(), optax.sgd(0.0))
    keep = lambda state, sample, info: (state.x, info.output)
    _, (x, y) = hl.scan(law, law.init(net), (us, ys), 0.7, keep)
    hs, outputs = numpy_run(net, us, 0.7)
    np.testing.assert_allclose(np.asarray(net.modes(x))[:-1], hs[1:], atol=1e-13)
    np.testing.assert_allclose(y, outputs, atol=1e-13)


@pytest.mark.parametrize("gated", [False, True])
def test_a_step_is_the_solution_under_a_held_input(gated):
    """Two half steps are one, and many Euler steps come to it with first order."""
    net = hl.DiagonalNetwork(5, inputs=2, gated=gated, key=KEY)
    x, u = jax.random.normal(KEY, (2, 5)), jnp.array([0.4, -1.0])
    whole = net.transition(x, u, 1.0)
    half = net.transition(net.transition(x, u, 0.5), u, 0.5)
    np.testing.assert_allclose(half, whole, atol=1e-14)

    def error(count):
        step = lambda _, x: x + net(x, u) / count
        return jnp.abs(jax.lax.fori_loop(0, count, step, x) - whole).max()

    assert np.log2(error(2000) / error(4000)) == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(net(net.settled(x, u), u), 0, atol=1e-14)


def test_slow_modes_lose_no_digits():
    """(a - 1)/lam of a mode of 1e7 steps, in single precision."""
    net = hl.DiagonalNetwork(
        1, inputs=1, time_constant=(1e7, 1e7), dtype=jnp.float32, key=KEY
    )
    x = net.transition(jnp.zeros((2, 1), jnp.float32), jnp.ones(1, jnp.float32), 1.0)
    lam = complex(net.poles[0])
    B = np.asarray(net.input_weight, float)[:, 0, 0] @ [1, 1j]
    exact = (np.expm1(lam) / lam) * np.exp(float(net.log_gain[0])) * B
    assert abs(complex(net.modes(x)[0]) - exact) < 3e-7 * abs(exact)


def test_poles_are_drawn_by_memory_length_and_stay_stable():
    net = hl.DiagonalNetwork(
        2000, inputs=1, hidden=1, time_constant=(2.0, 50.0), phase=0.5, key=KEY
    )
    tau, turn = -1 / net.poles.real, net.poles.imag
    assert 2 <= tau.min() < 2.2
    assert 45 < tau.max() <= 50
    middle = np.quantile(np.log(tau), [0.25, 0.5, 0.75])
    want = np.log(2) + np.log(25) * np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(middle, want, atol=0.1)
    assert (turn * tau).max() == pytest.approx(0.5 * np.pi, rel=0.01)
    # Whatever an optimizer does to the parameters.
    wild = jax.tree.map(lambda leaf: leaf - 5.0, net)
    wild = jax.tree.map(lambda leaf: 10 * leaf, wild)
    assert bool((wild.poles.real < 0).all())


def test_classes_share_poles():
    net = hl.DiagonalNetwork(6, inputs=1, classes=3, time_constant=(1, 100), key=KEY)
    np.testing.assert_allclose(-1 / net.poles.real, [100, 100, 10, 10, 1, 1])


def test_the_pair_of_derivatives_is_that_of_complex_numbers():
    """q dh/db as JAX finds it with complex numbers, as a pair: (Re, -Im)."""
    net = hl.DiagonalNetwork(4, inputs=2, key=KEY)
    us, ys = samples(30)
    found = hl.exact_gradient(hl.Cost(), net, (us, ys), dt=1.0).w["input_weight"]
    pair = lambda p: jax.lax.complex(p[0], p[1])

    def loss(B):
        lam, C = net.poles, pair(net.head.mix)
        a = jnp.exp(lam)
        h, total = jnp.zeros(4, complex), 0.0
        for u, y in zip(us, ys, strict=True):
            z = jnp.tanh((C @ h).real + net.head.skip @ u)
            total += ((net.head.readout_weight @ z - y) ** 2).sum() / 2
            write = (a - 1) / lam * jnp.exp(net.log_gain)
            h = a * h + write * (B @ u.astype(complex))
        return total

    with jax.numpy_dtype_promotion("standard"):
        g = jax.grad(loss)(pair(net.input_weight))
    np.testing.assert_allclose(found, [g.real, -g.imag], atol=1e-12)


def test_a_stack_is_its_layers_at_once():
    a, b = jax.random.split(KEY)
    below = hl.DiagonalNetwork(3, inputs=2, head=OwnHead(3, inputs=2, key=a), key=a)
    above = hl.DiagonalNetwork(4, inputs=3, key=b)
    net = hl.Stack([below, above])
    x, u = (jnp.ones((2, 3)), jnp.ones((2, 4))), jnp.array([0.2, -0.3])
    middle = jnp.tanh(x[0][0] + below.head.skip @ u)
    for got, want in (
        (net.readout(x, u), above.readout(x[1], middle)),
        (net.transition(x, u, 0.5)[0], below.transition(x[0], u, 0.5)),
        (net.transition(x, u, 0.5)[1], above.transition(x[1], middle, 0.5)),
        (net(x, u)[1], above(x[1], middle)),
    ):
        np.testing.assert_allclose(got, want, atol=1e-15)
    names = set(hl.split(net)[0])
    assert {"layers.0.log_decay", "layers.1.head.mix"} <= names
    moves = {name for name in names if net.moves_state(name)}
    assert "layers.0.head.skip" in moves
    assert "layers.1.head.mix" not in moves


def test_a_layer_without_memory_has_no_state():
    net = Memoryless(ProductHead(3, inputs=2, key=KEY), inputs=2)
    u = jnp.array([0.5, -0.5])
    gate, value = net.head.gate_weight @ u, net.head.value_weight @ u
    want = jnp.tanh(value) / (1 + jnp.exp(-gate))
    np.testing.assert_allclose(net.readout(net.initial_state(), u), want, atol=1e-15)
    assert net.initial_state().size == 0


def test_heads_with_a_product():
    head = MixedHead(2, inputs=2, hidden=3, product=True, key=KEY)
    h, u = jnp.ones((2, 2)), jnp.array([1.0, -2.0])
    z = jnp.tanh((head.mix[0] - head.mix[1]).sum(1) + head.skip @ u)
    want = head.readout_weight @ (z * jnp.tanh(head.factor @ u))
    np.testing.assert_allclose(head(h, u), want, atol=1e-14)


def test_a_stream_of_modes_goes_on_from_a_file(tmp_path):
    net = hl.DiagonalNetwork(4, inputs=2, classes=2, key=KEY)
    us, ys = samples(60)
    law = hl.RTRL(update=hl.updates.Optax(optax.adam, learning_rate=1e-2))
    whole = hl.stream(law, net, (us, ys), dt=1.0, progress=False)
    first = (us[:30], ys[:30])
    hl.stream(law, net, first, dt=1.0, progress=False, checkpoint=tmp_path)
    state = hl.load_state(tmp_path)
    second = hl.stream(law, state, (us[30:], ys[30:]), dt=1.0, progress=False)
    for name, leaf in whole.state.w.items():
        np.testing.assert_array_equal(leaf, second.state.w[name])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hl.DiagonalNetwork(0, inputs=1, key=KEY), "`modes`"),
        (lambda: hl.DiagonalNetwork(4, inputs=1, classes=3, key=KEY), "`classes`"),
        (lambda: hl.DiagonalNetwork(4, inputs=1, phase=0.0, key=KEY), "`phase`"),
        (
            lambda: hl.DiagonalNetwork(4, inputs=1, time_constant=(1, -2), key=KEY),
            "`time_constant`",
        ),
        (lambda: hl.Stack([]), r"`len\(layers\)`"),
        (lambda: hl.Stack([lambda x, u: x]), "`layers`"),
        (
            lambda: hl.Stack(
                [
                    hl.DiagonalNetwork(4, inputs=1, outputs=3, key=KEY),
                    hl.DiagonalNetwork(4, inputs=2, key=KEY),
                ]
            ),
            r"`layers\[1\]` must be of 3 inputs.*of 2",
        ),
        (
            lambda: hl.DiagonalNetwork(
                4, inputs=1, head=OwnHead(3, inputs=1, key=KEY), key=KEY
            ),
            "`head` must be of 4 modes, but is of 3",
        ),
        (
            lambda: hl.DiagonalNetwork(
                4, inputs=1, head=OwnHead(4, inputs=3, key=KEY), key=KEY
            ),
            "`head` must be of 1 inputs.* but is of 3",
        ),
        (
            lambda: Memoryless(OwnHead(4, inputs=3, key=KEY), inputs=2),
            "`head` must be of 2 inputs.* but is of 3",
        ),
        (
            lambda: Memoryless(MixedHead(2, inputs=1, hidden=2, key=KEY), inputs=1),
            "`head` must be one with an output of its own",
        ),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
