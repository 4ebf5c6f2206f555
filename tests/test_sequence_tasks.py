"""Tasks against their definitions and their floors, and the add task learned."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hamlearn import (
    Cost,
    Digraph,
    RateNetwork,
    Sample,
    cross_entropy,
    squared_error,
    stream,
)
from hamlearn.rules import RTRL, Instantaneous
from hamlearn.tasks import (
    Add,
    Adding,
    Copy,
    DelayedXOR,
    EvidenceAccumulation,
    Lorenz,
    autoregression,
    constant,
    digit_floors,
    digit_rows,
    persistence,
    readout_only,
)
from hamlearn.tasks.lorenz import lorenz_path


def mean_loss(samples, logits):
    losses = jax.vmap(cross_entropy)(logits, samples.target)
    weight = jnp.ones(len(losses)) if samples.weight is None else samples.weight
    return float(losses @ weight / weight.sum())


def test_add_floors_are_those_of_the_best_predictors(getkey):
    task = Add()
    floors = task.floors()
    expected = {"neither": 0.6616, "first": 0.5192, "second": 0.6277, "both": 0.4544}
    for name, value in expected.items():
        assert abs(floors[name] - value) < 1e-4
    samples = task(40000, key=getkey())
    s = np.asarray(samples.input[:, 0])
    for lags, name in (((4, 6), "both"), ((4,), "first"), ((6,), "second")):
        columns = np.stack([np.roll(s, lag) for lag in lags], axis=1)[10:]
        y = np.asarray(samples.target)[10:]
        codes = columns @ 2 ** np.arange(columns.shape[1])
        best = np.zeros_like(y)
        for code in np.unique(codes):
            best[codes == code] = y[codes == code].mean(0)
        logits = jnp.log(jnp.asarray(np.maximum(best, 1e-12)))
        found = mean_loss(Sample(samples.input[10:], jnp.asarray(y)), logits)
        assert abs(found - floors[name]) < 0.005


def test_adding_asks_for_the_sum_of_the_marked_numbers(getkey):
    samples = Adding(20)(40000, key=getkey())
    number, mark = np.asarray(samples.input).reshape(-1, 20, 2).transpose(2, 0, 1)
    assert np.all(mark[:, :10].sum(1) == 1)
    assert np.all(mark[:, 10:].sum(1) == 1)
    answer = np.asarray(samples.target).reshape(-1, 20)[:, -1]
    assert np.allclose(answer, (number * mark).sum(1), atol=1e-12)
    assert np.asarray(samples.weight).reshape(-1, 20)[:, :-1].sum() == 0
    floor = Adding().floors()["constant"]
    assert abs(constant(samples) - floor) < 0.05 * floor


def test_copy_repeats_the_symbols_when_cued(getkey):
    task = Copy(8, 3, 5)
    samples = task(11 * 50, key=getkey())
    u = np.asarray(samples.input).reshape(50, 11, 9)
    y = np.asarray(samples.target).reshape(50, 11, 8)
    assert np.array_equal(u[:, :3, :8], y[:, 8:])
    assert u[:, 3:, :8].sum() == 0
    assert np.array_equal(u[:, :, 8], np.tile(np.arange(11) >= 8, (50, 1)))
    flat = mean_loss(samples, jnp.zeros_like(samples.target))
    assert abs(flat - task.floors()["no memory"]) < 1e-12


def test_delayed_xor(getkey):
    samples = DelayedXOR(4)(11 * 64, key=getkey())
    u = np.asarray(samples.input).reshape(64, 11, 2)
    bits = u[:, [0, 5], 0] > 0
    answer = np.asarray(samples.target).reshape(64, 11, 2)[:, -1, 1]
    assert np.array_equal(answer, bits[:, 0] ^ bits[:, 1])
    assert len(np.unique(bits, axis=0)) == 4
    assert np.array_equal(u[:, :, 1], np.tile(np.arange(11) == 10, (64, 1)))


def test_evidence_goes_to_the_side_with_more_cues(getkey):
    task = EvidenceAccumulation(7, 1, 10)
    samples = task(25 * 400, key=getkey())
    u = np.asarray(samples.input).reshape(400, 25, 4)
    right = u[:, :, 1].sum(1) > u[:, :, 0].sum(1)
    assert np.all(u[:, :, :2].sum((1, 2)) == 7)
    answer = np.asarray(samples.target).reshape(400, 25, 2)[:, -1]
    assert np.array_equal(answer[:, 1] > 0.5, right)
    # One cue known: P(that side wins) is 1/2 + C(6, 3)/2^7.
    p = 0.5 + 20 / 128
    expected = -p * np.log(p) - (1 - p) * np.log(1 - p)
    assert abs(task.floors()["one cue"] - expected) < 1e-12


def test_batches_are_different_streams(getkey):
    for task in (Add(), Copy()):
        samples = task(60, key=getkey(), batch=3)
        assert samples.input.shape[:2] == (60, 3)
        assert not np.array_equal(samples.input[:, 0], samples.input[:, 1])


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="`cues` must be odd"):
        EvidenceAccumulation(cues=4)
    with pytest.raises(ValueError, match="`lags` must be an integer of at least 1"):
        Add((0, 3))


def test_lorenz_obeys_its_equations():
    path = lorenz_path(400, 0.001)
    rate = np.gradient(path, 0.001, axis=0)[1:-1]
    x, y, z = path[1:-1].T
    field = np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], axis=1)
    assert np.abs(rate - field).max() < 1e-3 * np.abs(field).max()


def test_lorenz_one_step_ahead_is_nearly_linear():
    samples = Lorenz()(4000)
    variance = constant(samples)
    assert abs(variance - 1.5) < 0.01
    assert autoregression(samples) < 1e-3 * variance
    assert autoregression(samples) < persistence(samples) / 50
    far = Lorenz(ahead=25)(4000)
    assert autoregression(far) > 0.1 * variance


def test_floors_by_hand():
    target = np.array([[0.0], [2.0], [1.0], [5.0]])
    samples = Sample(target, target)
    assert np.isclose(constant(samples), np.mean((target - 2) ** 2) / 2)
    assert np.isclose(persistence(samples), (4 + 1 + 16) / 3 / 2)
    wave = np.sin(0.3 * np.arange(200))[:, None]
    assert autoregression(Sample(wave[:-1], wave[1:]), taps=2) < 1e-20


def test_digits_come_row_by_row():
    from sklearn.datasets import load_digits

    samples, labels = digit_rows(test=True)
    held_out, _ = digit_rows()
    images = load_digits().data / 16
    first = np.asarray(samples.input)[:8, :8].reshape(64)
    same = np.flatnonzero((images == first).all(1))
    assert load_digits().target[same[0]] == labels[0]
    assert samples.target[7].argmax() == labels[0]
    assert len(held_out.input) + len(samples.input) == 8 * 1797
    floors = digit_floors()
    assert floors["constant"] < 0.15
    assert 0.45 < floors["last row"] < 0.6
    assert 0.94 < floors["all pixels"] < 0.98


def test_the_add_task_is_learned_through_time_and_not_with_the_recurrence_frozen():
    # A fifth of the reference's steps at three times its rate.
    def final(rule):
        a, b = jax.random.split(jax.random.key(1))
        network = RateNetwork(
            Digraph.complete(16, self_loops=True), inputs=2, outputs=16,
            readout=eqx.nn.Linear(16, 2, key=a), key=b,
        )  # fmt: skip
        samples = Add((2, 3))(30000, key=jax.random.key(2))
        return stream(rule, network, samples, dt=1.0, progress=False).loss[-5000:]

    cost, sgd = Cost(loss=cross_entropy), optax.sgd(0.05)
    learned = final(RTRL(cost, sgd)).mean()
    frozen = final(Instantaneous(cost, readout_only(sgd), sweeps=0)).mean()
    floors = Add((2, 3)).floors()
    assert learned < floors["both"] + 0.01
    assert floors["both"] + 0.01 < frozen < floors["neither"]


def test_readout_only_leaves_the_recurrence_alone(getkey):
    network = RateNetwork(
        Digraph.complete(3, self_loops=True), inputs=1, outputs=3,
        readout=eqx.nn.Linear(3, 1, key=getkey()), key=getkey(),
    )  # fmt: skip
    u = jax.random.normal(getkey(), (50, 1))
    rule = RTRL(Cost(loss=squared_error), readout_only(optax.adam(0.01)))
    learned = stream(rule, network, (u, u), dt=0.1, progress=False).network
    assert np.array_equal(learned.weight, network.weight)
    assert not np.array_equal(learned.readout_map.weight, network.readout_map.weight)
