"""Who knows what when: one stream for networks of every kind."""

import numpy as np
import pytest

from hamlearn import Sample, tasks
from hamlearn.tasks import shaped

RNG = np.random.default_rng(0)
U, Y = RNG.normal(size=(100, 2)), RNG.normal(size=(100, 3))


def test_an_answer_is_asked_once_its_input_was_heard():
    samples = Sample(U, Y)
    at_once = shaped(samples, immediate=True)
    np.testing.assert_array_equal(at_once.input, U)
    a_step_later = shaped(samples, immediate=False)
    np.testing.assert_array_equal(a_step_later.input[:99], U[1:])
    slowly = shaped(samples, immediate=True, steps=4)
    np.testing.assert_allclose(slowly.input[3::4], U)
    assert slowly.weight is not None
    np.testing.assert_array_equal(slowly.weight.reshape(-1, 4), [[0, 0, 0, 1]] * 100)
    np.testing.assert_array_equal(slowly.target[3::4], Y)
    for made in (at_once, a_step_later):
        np.testing.assert_array_equal(made.target, Y)


def test_what_needs_the_past_alone_is_heard_a_sample_later():
    """Everyone has heard u_0 ... u_{k-1} at answer k, and nobody u_k."""
    late = {"strictly_causal": True}
    samples = Sample(U, Y)
    np.testing.assert_array_equal(
        shaped(samples, immediate=False, **late).input, U
    )  # it acts a step later
    for steps in (1, 4):
        made = shaped(samples, immediate=True, steps=steps, **late)
        asked = made.input[steps - 1 :: steps]
        np.testing.assert_array_equal(asked[1:], U[:-1])
        np.testing.assert_array_equal(asked[0], 0)
        np.testing.assert_array_equal(made.target[steps - 1 :: steps], Y)


@pytest.mark.parametrize("immediate", [True, False])
def test_an_echo_can_be_given_by_networks_of_both_kinds(immediate):
    """y_k = u_{k-1}: the input of the answer's step, or that of the step before."""
    u = RNG.normal(size=(100, 1))
    task = tasks.Paired("echo", u, np.roll(u, 1, axis=0), strictly_causal=True)
    made = shaped(
        task.samples(), immediate=immediate, strictly_causal=task.strictly_causal
    )
    heard = made.input if immediate else np.roll(made.input, 1, axis=0)
    np.testing.assert_array_equal(heard[1:], made.target[1:])


def test_weights_stay_with_their_answers():
    weight = np.tile([0.0, 0.5, 1.0, 2.0], 25)
    samples = Sample(U, Y, weight, start=np.arange(100) % 4 == 0)
    np.testing.assert_array_equal(shaped(samples, immediate=False).weight, weight)
    slowly = shaped(samples, immediate=False, steps=5)
    np.testing.assert_array_equal(slowly.weight[4::5], weight)
    assert slowly.weight.sum() == weight.sum()
    assert shaped(samples, immediate=True).start is None


@pytest.mark.parametrize("steps", [1, 4])
def test_signals_without_input_keep_their_shape(steps):
    signal = tasks.sine(duration=2.0, dt=0.02)
    made = shaped(signal.samples(), immediate=False, steps=steps)
    assert made.input.shape == (steps * 100, 0)


@pytest.mark.parametrize("name", tasks.comparable())
def test_tasks_known_by_name_come_in_halves(name):
    task = tasks.comparable()[name]()
    first, second = tasks.halves(task)
    assert len(first.target) == len(second.target) == task.length // 2
    assert not np.array_equal(first.target, second.target)
    assert task.name == {"flag": "late flag"}.get(name, name)


def test_few_steps_are_refused():
    with pytest.raises(ValueError, match="`steps` must be an integer of at least 4"):
        shaped(Sample(U, Y), immediate=True, steps=3)
