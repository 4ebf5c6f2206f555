"""What a user writes of his own goes through the same door: the examples, run."""

import importlib.util
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest

import hamlearn as hl

EXAMPLES = Path(__file__).parents[2] / "examples"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _as_a_user_runs_them():
    with jax.numpy_dtype_promotion("standard"):
        yield


def test_no_weight_moves_faster_than_the_own_hamiltonian_allows():
    example = loaded("own_hamiltonian")
    fastest, loss, zero = example.main()
    assert 0.8 * example.SPEED < fastest < 1.001 * example.SPEED
    assert loss < 0.1 * zero


def test_the_own_lagrangian_learns_on_the_own_constraint():
    result = loaded("own_lagrangian").main()
    assert result.loss[-1000:].mean() < 0.1 * result.losses["constant"]
    assert result.info["residual"].max() < 1e-4


def test_the_own_residual_learns_where_euler_explodes():
    example = loaded("own_residual")
    result = example.main(example.Exponential(), example.Step())
    assert result.loss[-2000:].mean() < 0.1 * result.losses["constant"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        euler = example.main()
    # Steps of three time constants: off by a factor of -2 in each, if bounded at all.
    late = euler.loss[-2000:].mean()
    assert euler.diverged is not None or late > euler.losses["constant"]


def test_synthetic_gradients_become_those_of_bptt():
    rows = loaded("own_costate").main().rows()
    assert min(row["cosine"] for row in rows) > 0.99
    np.testing.assert_allclose([row["ratio"] for row in rows], 1, rtol=0.05)


def test_sender_traces_are_e_prop_where_neurons_share_a_time_constant():
    example = loaded("own_sensitivity")
    law = example.main(example.SenderTrace())
    twin = example.main(hl.sensitivities.OwnLeak())
    np.testing.assert_allclose(law.output, twin.output, atol=1e-6)
    assert law.loss[-500:].mean() < 0.1 * law.losses["constant"]


def test_no_weight_changes_its_sign_under_exponentiated_gradients():
    before, result = loaded("own_update").main()
    assert result.loss[-500:].mean() < 0.1 * result.losses["constant"]
    for name, leaf in hl.split(result.network)[0].items():
        np.testing.assert_array_equal(np.sign(leaf), np.sign(before[name]))
