"""Every number format goes through runs, checkpoints and files; so does divergence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.networks import portable
from hamlearn.run import chunks
from hamlearn.updates import Optax

KEY = jax.random.key(0)
FORMATS = ["bfloat16", "float16", "float32", "float64"]


def network(dtype):
    graph = hl.Digraph.complete(4, self_loops=True)
    net = hl.RateNetwork(graph, inputs=1, key=KEY)
    cast = lambda a: a.astype(dtype) if eqx.is_inexact_array(a) else a
    return jax.tree.map(cast, net)


def wave(count):
    t = 0.1 * np.arange(count)
    return np.cos(t)[:, None], 0.5 * np.sin(2 * t)[:, None]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_run_in_any_format_is_saved_resumed_and_exported(dtype, tmp_path):
    law = hl.laws.UORO(update=Optax(optax.sgd, learning_rate=1e-2))
    options = {"dt": 0.1, "progress": False, "key": KEY, "chunk": 25}
    whole = hl.stream(law, network(dtype), wave(100), **options)
    path = tmp_path / "run"
    hl.stream(law, network(dtype), wave(50), checkpoint=path, **options)
    result = hl.resume(path, law, network(dtype), wave(100), **options)
    assert result.output.dtype == jnp.dtype(dtype)
    for a, b in zip(
        jax.tree.leaves(hl.load_state(path)), jax.tree.leaves(whole.state), strict=True
    ):
        assert a.dtype == b.dtype
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)
    for name, value in whole.to_numpy().items():
        np.testing.assert_array_equal(result.to_numpy()[name], value)
    with np.load(result.save(tmp_path / "run.npz")) as data:
        for name, value in result.to_numpy().items():
            np.testing.assert_array_equal(data[name], value.astype(data[name].dtype))
            assert data[name].dtype.kind in "fi"


NUMBERS = [
    "bool", "int4", "uint4", "int8", "uint16", "int64", "float8_e4m3fn",
    "float8_e5m2", "bfloat16", "float16", "float64", "complex64", "complex128",
]  # fmt: skip


@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_number_goes_through_bytes(dtype):
    array = jnp.arange(5).astype(dtype)
    data, missing = portable.to_bytes({"a": array, "b": np.asarray(array)})
    found = portable.from_bytes(data)
    assert missing == []
    for leaf in found.values():
        assert leaf.dtype == jnp.dtype(dtype)
        np.testing.assert_array_equal(leaf, array)


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_keys_of_every_kind_go_through_bytes(impl):
    keys = jax.random.split(jax.random.key(3, impl=impl), 4)
    found = portable.from_bytes(portable.to_bytes(keys)[0])
    assert found.dtype == keys.dtype
    np.testing.assert_array_equal(jax.random.key_data(found), jax.random.key_data(keys))


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("chunk", [1, 7, None])
def test_divergence_at_the_first_sample_is_a_result(dtype, chunk, tmp_path):
    """The loss of 2^600 or 2^100 is beyond every format that its run is in."""
    huge = 2.0 ** (600 if dtype == "float64" else 100 if dtype != "float16" else 15)
    x0 = jnp.full(1, huge, dtype)
    net = hl.Dynamics(lambda x, u: u - x, initial_state=x0, readout=lambda x, u: x)
    law = hl.HamiltonianLearning(dissipation=jnp.ones((), dtype))
    u = np.zeros((20, 1))
    with pytest.warns(hl.DivergenceWarning, match=r"sample 0\): `loss`"):
        result = hl.stream(law, net, (u, u), dt=0.1, chunk=chunk, progress=False)
    assert result.diverged.sample == 0
    assert "loss" in result.diverged.quantities
    assert result.samples == 0
    assert result.output.shape == result.target.shape == (0, 1)
    assert result.output.dtype == jnp.dtype(dtype)
    assert result.losses == {}
    assert "diverged" in repr(result)
    np.testing.assert_array_equal(result.state.x, x0)
    assert set(np.load(result.save(tmp_path / "none.npz")).files) >= {"time", "loss"}
    with pytest.raises(ValueError, match="`result` must be of a recorded sample"):
        result.plot()


def test_divergence_later_in_bfloat16_is_named():
    """x doubles from 1: x^2/2 leaves bfloat16, with the exponents of float32, at 2^64."""
    net = hl.Dynamics(
        lambda x, u: x, initial_state=jnp.ones(1, jnp.bfloat16), readout=lambda x, u: x
    )
    law = hl.HamiltonianLearning(hl.Cost(), dissipation=jnp.ones((), jnp.bfloat16))
    u = np.zeros((100, 1))
    with pytest.warns(hl.DivergenceWarning, match=r"sample \d+\): `"):
        result = hl.stream(law, net, (u, u), dt=1.0, progress=False)
    assert result.diverged.quantities
    assert 0 < result.diverged.sample <= 65
    kept = result.output[:, 0].astype(np.float64)
    np.testing.assert_array_equal(kept, 2.0 ** np.arange(result.diverged.sample))


def test_a_rate_changed_between_calls_compiles_nothing():
    """... goes on from the moments, and is what the next steps are taken with."""
    programs = lambda: [f._cached._cache_size() for f in (chunks._whole, chunks._part)]
    law = lambda rate: hl.RTRL(update=Optax(optax.adam, learning_rate=rate))
    options = {"dt": 0.1, "progress": False}
    first = hl.stream(law(1e-2), network("float64"), wave(40), **options)
    before = programs()
    second = hl.stream(law(1e-3), first.state, wave(40), **options)
    still = hl.stream(law(0.0), first.state, wave(40), **options)
    assert programs() == before
    for name, leaf in first.state.w.items():
        np.testing.assert_array_equal(still.state.w[name], leaf)
        assert np.any(second.state.w[name] != leaf)
