"""Going on from a state: bit for bit as if a run had not stopped."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.updates import Optax

KEY = jax.random.key(0)


def network(**changes):
    options = {"inputs": 1, "key": KEY} | changes
    return hl.RateNetwork(hl.Digraph.complete(4, self_loops=True), **options)


def wave(count):
    t = 0.1 * np.arange(count)
    return np.cos(t)[:, None], 0.5 * np.sin(2 * t)[:, None]


LAWS = {
    "traces and moments": hl.RTRL(update=Optax(optax.adam, learning_rate=1e-2)),
    "costates": hl.HamiltonianLearning(inertia=1.0, dissipation=2.0),
    "a window": hl.BPTT(window=30, overlap=5),
    "random keys": hl.laws.UORO(),
}


def run(law, start, samples, **options):
    options = {"dt": 0.1, "progress": False} | options
    return hl.stream(law, start, samples, **options)


def equal(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        if eqx_key(x):
            x, y = jax.random.key_data(x), jax.random.key_data(y)
        if hasattr(x, "shape"):
            np.testing.assert_array_equal(x, y)


def eqx_key(leaf):
    is_array = isinstance(leaf, jax.Array)
    return is_array and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("at", [40, 77])
def test_a_state_goes_on_bit_for_bit(name, at):
    law, (u, y) = LAWS[name], wave(120)
    whole = run(law, network(), (u, y), key=KEY, chunk=40)
    first = run(law, network(), (u[:at], y[:at]), key=KEY, chunk=40)
    second = run(law, first.state, (u[at:], y[at:]), chunk=40)
    equal(second.state, whole.state)
    np.testing.assert_array_equal(second.loss, whole.loss[at:])


@pytest.mark.parametrize("name", LAWS)
def test_a_saved_state_is_the_state(name, tmp_path):
    law = LAWS[name]
    result = run(law, network(), wave(50), key=KEY, checkpoint=tmp_path)
    loaded = hl.load_state(tmp_path)
    equal(loaded, result.state)
    a = run(law, loaded, wave(20))
    b = run(law, result.state, wave(20))
    np.testing.assert_array_equal(a.loss, b.loss)


def test_what_differs_from_a_checkpoint_is_named(tmp_path):
    law = hl.RTRL(update=Optax(optax.sgd, learning_rate=1e-2))
    run(law, network(), wave(50), checkpoint=tmp_path)

    def again(law=law, net=None, samples=None, dt=0.1):
        net = network() if net is None else net
        samples = wave(80) if samples is None else samples
        return hl.resume(tmp_path, law, net, samples, dt=dt, progress=False)

    assert again().samples == 80
    other = hl.RTRL(update=Optax(optax.sgd, learning_rate=2e-2))
    changed = wave(80)[0] + 1.0, wave(80)[1]
    for differs, options in {
        "dt": {"dt": 0.2},
        "law.update.numbers": {"law": other},
        "law.credit": {"law": hl.SnAp1(update=other.update)},
        "network.weight": {"net": network(key=jax.random.key(1))},
        "network.activation": {"net": network(activation=jnp.sin)},
        "law.cost.loss_weight": {"law": hl.RTRL(hl.Cost(loss_weight=2.0), law.update)},
        "first sample": {"samples": changed},
    }.items():
        with pytest.raises(ValueError, match=f"differs in .*{differs}"):
            again(**options)


def test_lambdas_are_told_apart_and_resumed(tmp_path):
    law, net = hl.RTRL(), network(activation=lambda a: jnp.tanh(a))
    run(law, net, wave(50), checkpoint=tmp_path)
    other = network(activation=lambda a: jnp.sin(a))
    with pytest.raises(ValueError, match="a function without a name of its own"):
        hl.resume(tmp_path, law, other, wave(80), dt=0.1, progress=False)
    assert hl.resume(tmp_path, law, net, wave(80), dt=0.1, progress=False).samples == 80
    with pytest.raises(ValueError, match=r"can be imported.*lambda"):
        hl.load_state(tmp_path)


def test_evaluation_holds_the_weights_and_runs_the_network():
    law, net = hl.RTRL(), network()
    learned = run(law, net, wave(100))
    judged = run(law, learned.state, wave(30), learn=False)
    for name, leaf in learned.state.w.items():
        np.testing.assert_array_equal(judged.state.w[name], leaf)
    x = learned.state.x
    u, _ = wave(30)
    for k in range(30):
        out = learned.network.readout(x, jnp.asarray(u[k]))
        np.testing.assert_allclose(judged.output[k], out, rtol=1e-10)
        x = learned.network.transition(x, jnp.asarray(u[k]), 0.1)


def test_a_callback_sees_every_chunk():
    seen = []
    law = hl.RTRL()
    result = run(
        law, network(), wave(90), chunk=30, callback=lambda s, k: seen.append((k, s))
    )
    assert [k for k, _ in seen] == [30, 60, 90]
    equal(seen[-1][1], result.state)


def test_a_state_takes_no_start():
    law = hl.RTRL()
    state = law.init(network())
    with pytest.raises(ValueError, match="`x0` must be None where a state"):
        run(law, state, wave(5), x0=jnp.zeros(4))
