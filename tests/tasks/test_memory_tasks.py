"""Cues, flags and matches, against their definitions, and what taps make of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.tasks import (
    Copy,
    DelayedCue,
    Flag,
    MatchToSample,
    TraceConditioning,
    floors_of,
    immediate_derivative,
)

CHOICES = [
    DelayedCue(1, 0, 0.0),
    DelayedCue(5, 3, 0.5),
    MatchToSample(4, 3, 0.5),
    Flag(6, 0, 2, 0.5),
    Flag(5, 3, 2, 0.5),
]


def asked(task, key, number=400):
    """Inputs (episode, time, inputs) and the answers given at the ends."""
    samples = task.samples(key, number * task.episode)
    cut = lambda leaf: np.asarray(leaf).reshape(number, task.episode, -1)
    weight = cut(samples.weight)[..., 0]
    assert weight[:, :-1].sum() == 0
    assert np.all(weight[:, -1] == 1)
    answers = cut(samples.target)[:, -1]
    assert np.all(answers.sum(1) == 1)
    return cut(samples.input), answers[:, 1] == 1


@pytest.mark.parametrize("task", CHOICES, ids=str)
def test_go_comes_with_the_answer_and_distractors_as_often_as_said(getkey, task):
    u, _ = asked(task, getkey())
    go = 1 if isinstance(task, MatchToSample) else 2
    assert np.array_equal(u[:, :, go], np.tile(np.eye(task.episode)[-1], (400, 1)))
    noise = u[:, :, go + 1 :]
    assert noise.shape[2] == task.channels
    assert noise.sum(2).max(initial=0) <= 1
    if task.channels:
        assert abs(noise.sum(2).mean() - task.probability) < 0.05
        assert np.ptp(noise.mean((0, 1))) < 0.06


def test_the_cue_is_the_answer(getkey):
    u, answers = asked(DelayedCue(5), getkey())
    assert np.array_equal(u[:, 0, 1] == 1, answers)
    assert np.array_equal(u[:, :, :2].sum(2), np.tile(np.eye(6)[0], (400, 1)))
    assert abs(answers.mean() - 0.5) < 0.1


def test_a_match_is_two_equal_symbols(getkey):
    u, answers = asked(MatchToSample(4), getkey())
    assert np.array_equal(u[:, 0, 0] != u[:, 4, 0], answers)
    assert np.all(u[:, 1:4, 0] == 0)
    assert len(np.unique(u[:, [0, 4], 0], axis=0)) == 4


@pytest.mark.parametrize("late", [0, 3])
def test_the_flagged_value_is_the_answer(getkey, late):
    task = Flag(6, late)
    u, answers = asked(task, getkey())
    assert np.array_equal(np.abs(u[:, :, 0]), np.ones((400, 7 + late)))
    when = u[:, :, 1].argmax(1)
    assert np.all(u[:, :, 1].sum(1) == 1)
    assert set(when) == set(range(6))
    assert np.array_equal(u[np.arange(400), when + late, 0] == 1, answers)


def test_copies_stand_among_distractors(getkey):
    task = Copy(4, 3, 2, channels=5, probability=0.5)
    u = np.asarray(task.samples(getkey(), 8 * 300).input).reshape(300, 8, 10)
    y = np.asarray(task.samples(getkey(), 8 * 300).target)
    assert y.shape == (2400, 4)
    assert np.all(u[:, :3, :4].sum(2) == 1)
    assert abs(u[:, :, 5:].sum(2).mean() - 0.5) < 0.05


def test_returns_are_sums_of_what_comes(getkey):
    task, steps = TraceConditioning(10, 4), 3000
    samples = task.samples(getkey(), steps)
    stimulus, outcome = np.asarray(samples.input)[:, :2].T
    y = np.asarray(samples.target)[:, 0]
    assert samples.weight is None
    for k in range(0, 2700, 100):
        later = outcome[k + 1 :]
        assert np.isclose(y[k], later @ 0.9 ** np.arange(len(later)), atol=1e-10)
    first, second = np.flatnonzero(stimulus), np.flatnonzero(outcome)
    number = min(len(first), len(second))
    waits = second[:number] - first[:number]
    gaps = first[1:number] - second[: number - 1]
    assert set(waits) == set(range(7, 14))
    assert set(gaps) == set(range(20, 31))


def test_what_is_to_come_does_not_hang_on_where_the_stream_ends(getkey):
    """The discounted sum at the last sample counts outcomes after it."""
    last = [
        float(TraceConditioning(4).samples(jax.random.key(k), 50).target[-1, 0])
        for k in range(40)
    ]
    assert min(last) > 0


def linear(task, taps, key, number):
    samples = task.samples(key, number * task.episode)
    return floors_of(samples, loss=task.loss, taps=taps)["linear"]


@pytest.mark.parametrize(
    "task", [DelayedCue(3, 2), Copy(3, 2, 1, channels=2)], ids=["cue", "copy"]
)
def test_taps_as_long_as_the_lag_tell_all_and_shorter_ones_nothing(getkey, task):
    key, floors = getkey(), task.floors()
    needed = 4
    assert linear(task, needed, key, 3000) < 0.05 + floors["taps beyond"]
    assert abs(linear(task, needed - 1, key, 3000) - floors["taps within"]) < 0.02


def test_no_linear_map_finds_a_match(getkey):
    task = MatchToSample(2, 2)
    found = linear(task, 3, getkey(), 3000)
    assert abs(found - task.floors()["linear taps"]) < 0.02


@pytest.mark.parametrize("late", [0, 2])
def test_a_flag_is_worth_what_its_floors_say(getkey, late):
    task, number = Flag(4, late, 0, 0.0), 20_000
    u, answers = asked(task, getkey(), number)
    ones = (u[:, late : late + 4, 0] == 1).sum(1)
    p = np.where(answers, ones / 4, 1 - ones / 4)
    floors = task.floors()
    assert abs(-np.log(p).mean() - floors["without the flag"]) < 0.01
    early = u[:, :2, 1].sum(1) == 1
    assert abs(early.mean() * np.log(2) - floors["half the past"]) < 0.01
    assert linear(task, task.episode, getkey(), 4000) > floors["without the flag"]


def test_taps_see_an_outcome_coming_only_where_they_reach_its_stimulus():
    floors = TraceConditioning(10).floors()
    assert floors["taps beyond"] < 0.5 * floors["taps within"]
    assert floors["taps within"] < floors["constant"]


def test_an_immediate_derivative_reaches_one_step_back(getkey):
    network = hl.RateNetwork(
        hl.Digraph.complete(4, self_loops=True), inputs=1, outputs=4,
        readout=eqx.nn.Linear(4, 1, key=getkey()), key=getkey(),
    )  # fmt: skip
    u = jax.random.normal(getkey(), (40, 1))
    y, dt = jnp.roll(u, 2, axis=0), 0.5
    found = immediate_derivative(
        network, hl.Sample(u, y), dt=dt, optimizer=optax.sgd(0.05)
    )
    leaves, rest = eqx.partition(network, network.trainable())
    x, before, losses = jnp.zeros(4), None, []

    @jax.jit
    def learned(leaves, before, x, heard, u, y):
        """(loss, weights and state after a sample)."""

        def cost(leaves):
            now, met = eqx.combine(leaves, rest), x
            if before is not None:
                moved = now.transition(before, heard, dt)
                met = x + moved - jax.lax.stop_gradient(moved)
            return jnp.sum((now.readout(met, u) - y) ** 2) / 2

        loss, g = jax.value_and_grad(cost)(leaves)
        after = eqx.combine(leaves, rest).transition(x, u, dt)
        return loss, jax.tree.map(lambda w, g: w - 0.05 * g, leaves, g), after

    for k in range(40):
        loss, leaves, after = learned(leaves, before, x, u[k - 1], u[k], y[k])
        losses.append(float(loss))
        x, before = after, x
    assert np.isclose(found, np.mean(losses[-4:]), rtol=1e-10)


def test_bad_numbers_are_named():
    for make in (
        lambda p: DelayedCue(probability=p),
        lambda p: MatchToSample(probability=p),
        lambda p: Flag(probability=p),
        lambda p: Copy(probability=p),
        lambda p: TraceConditioning(probability=p),
    ):
        with pytest.raises(ValueError, match="`probability` must be between 0 and 1"):
            make(1.5)
    with pytest.raises(ValueError, match="`lag` must be an integer of at least 1"):
        Flag(0)
    with pytest.raises(ValueError, match="`late` must be an integer of at least 0"):
        Flag(late=-1)
    with pytest.raises(ValueError, match="`interval` must be an integer of at least 2"):
        TraceConditioning(1)
