"""Streams of inputs and answers: who knows what when, and what needs no network."""

import jax
import numpy as np
import pytest

import hamlearn as hl

RNG = np.random.default_rng(0)
U = RNG.normal(size=(201, 2))
Y = np.stack([U[:, 0] - U[:, 1], 3 * U[:, 1]], axis=1)
TASK = hl.tasks.Paired("sums", U, Y)


@pytest.mark.parametrize("second", [False, True])
def test_an_answer_is_asked_once_its_input_was_heard(second):
    assert (TASK.inputs, TASK.outputs, TASK.length) == (2, 2, 100)
    start = 100 if second else 0
    at_once = TASK.half(second, immediate=True)
    np.testing.assert_array_equal(at_once.input, U[start : start + 100])
    a_step_later = TASK.half(second, immediate=False)
    np.testing.assert_array_equal(a_step_later.input[:99], U[start + 1 : start + 100])
    slowly = TASK.half(second, immediate=True, steps=4)
    np.testing.assert_allclose(slowly.input[3::4], U[start : start + 100])
    assert slowly.weight is not None
    np.testing.assert_array_equal(slowly.weight.reshape(-1, 4), [[0, 0, 0, 1]] * 100)
    for made in (at_once, a_step_later):
        np.testing.assert_array_equal(made.target, Y[start : start + 100])


def test_floors_are_those_of_the_second_half():
    floors = hl.tasks.Paired("sums", U, Y, {"exact": 0.0}).floors()
    assert floors["mean"] == pytest.approx(np.sum(np.var(Y[100:200], axis=0)) / 2)
    assert floors["linear"] < 1e-25
    assert floors["exact"] == 0
    noise = hl.tasks.Paired("noise", U, RNG.normal(size=(201, 1))).floors()
    assert noise["linear"] > 0.9 * noise["mean"]


def test_bad_pairs_are_refused():
    with pytest.raises(ValueError, match="`target` must be an array of shape"):
        hl.tasks.Paired("short", U, Y[:100])
    with pytest.raises(ValueError, match="`input` must be finite"):
        hl.tasks.Paired("gap", np.where(U > 2, np.nan, U), Y)
    with pytest.raises(ValueError, match="len"):
        hl.tasks.Paired("brief", U[:10], Y[:10])


def test_laws_learn_the_answers_of_any_task():
    rules = {name: hl.contenders()[name] for name in ("rflo", "le")}
    with jax.numpy_dtype_promotion("standard"):
        task = hl.tasks.Paired("sums", np.tile(U, (10, 1)), np.tile(Y, (10, 1)))
        options = {"neurons": 8, "seeds": 2, "rates": (0.03,), "progress": False}
        found = hl.compare(task, rules, **options)
    assert all(entry.loss < found.trivial for entry in found.entries)
    assert found.trivial == found.floors["mean"]
    assert "2 answers from 2 inputs a sample" in repr(found)
