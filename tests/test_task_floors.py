"""Every task offers its floors alike, and they are those of its streams."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hamlearn import RTRL, Cost, Digraph, RateNetwork, Sample, stream, tasks
from hamlearn.tasks import floors_of, frozen_recurrence

SQUARED = {
    "sine": lambda key: tasks.sine(duration=20.0),
    "patched": lambda key: tasks.patched(duration=20.0),
    "heartbeat": lambda key: tasks.heartbeat(seconds=10.0),
}
STREAMS = {
    "add": (tasks.Add(), 12_000),
    "adding": (tasks.Adding(20), 40_000),
    "copy": (tasks.Copy(), 11 * 200),
    "xor": (tasks.DelayedXOR(), 11 * 2000),
    "evidence": (tasks.EvidenceAccumulation(), 25 * 2000),
    "teacher": (tasks.TeacherStudent(), 20_000),
}


def best_constant(samples, kind):
    """The loss of the best constant answer, found from the targets."""
    y = np.asarray(samples.target)
    weight = np.ones(len(y)) if samples.weight is None else np.asarray(samples.weight)
    mean = weight @ y / weight.sum()
    if kind == "entropy":
        return float(-(mean @ np.log(mean)))
    return float(weight @ ((y - mean) ** 2).sum(1) / 2 / weight.sum())


@pytest.mark.parametrize("name", STREAMS)
def test_constant_is_the_best_constant_of_the_stream(getkey, name):
    task, steps = STREAMS[name]
    samples = task(steps, key=getkey())
    kind = "square" if name in ("adding", "teacher") else "entropy"
    found = best_constant(samples, kind)
    floors = task.floors()
    assert (
        abs(floors["constant"] - found) < (0.1 if name == "teacher" else 0.03) * found
    )
    assert floors["constant"] == max(floors.values())


@pytest.mark.parametrize("name", SQUARED)
def test_tracking_has_the_same_floors(getkey, name):
    signal = SQUARED[name](getkey())
    samples, floors = signal.samples(), signal.floors()
    assert np.isclose(floors["constant"], best_constant(samples, "square"), rtol=1e-10)
    y = np.asarray(samples.target)[:, 0]
    assert np.isclose(floors["zero"], np.mean(y**2) / 2, rtol=1e-10)
    errors = signal.errors(signal.last * 0 + signal.values.mean())
    assert floors["persistence"] < floors["constant"] <= floors["zero"] * (1 + 1e-12)
    assert errors["rmse_last"] > 0
    # A sine is a linear function of its last two values; jumps are of nothing.
    limits = {"sine": 1e-20, "patched": 0.1 * floors["constant"]}
    assert floors["autoregression"] < limits.get(name, floors["persistence"])


def test_forecasts_are_hard_far_ahead_only():
    for near, far, steps in (
        (tasks.Heartbeat(1), tasks.Heartbeat(20), 21_000),
        (tasks.Lorenz(), tasks.Lorenz(ahead=25), 3000),
        (tasks.MackeyGlass(horizon=1.0), tasks.MackeyGlass(horizon=60.0), 3000),
    ):
        easy, hard = near.floors(steps), far.floors(steps)
        assert easy["autoregression"] < 0.01 * easy["constant"]
        assert easy["autoregression"] < 0.3 * easy["persistence"]
        assert hard["autoregression"] > 0.1 * hard["constant"]


def test_the_heartbeat_is_predicted_ahead():
    samples = tasks.Heartbeat(7)(500)
    x = tasks.heartbeat(seconds=60.0).values[::40]  # a recorded sample in 40 steps
    scaled = (x - x.mean()) / x.std()
    np.testing.assert_allclose(samples.input[:, 0], scaled[:500], atol=1e-12)
    np.testing.assert_allclose(samples.target[:, 0], scaled[7:507], atol=1e-12)
    with pytest.raises(ValueError, match="`steps` must be at most 21593"):
        tasks.Heartbeat(7)(21_594)


def test_the_teacher_is_a_network_that_a_student_can_be(getkey):
    task = tasks.TeacherStudent(neurons=6, outputs=2)
    samples = task(400, key=getkey())
    u, teacher, x = np.asarray(samples.input), task.teacher(), np.zeros(6)
    for k in range(400):
        np.testing.assert_allclose(samples.target[k], x[-2:], atol=1e-12)
        a = np.asarray(teacher.weight) @ x + np.asarray(teacher.input_weight) @ u[k]
        x = x + task.dt * (np.tanh(a) - x)
    held = RTRL(Cost(), optax.set_to_zero())
    run = lambda net: stream(held, net, samples, dt=task.dt, progress=False).loss
    assert np.abs(run(teacher)).max() < 1e-20
    assert run(task.network(key=getkey())).mean() > 1e-3
    long = np.asarray(task(40_000, key=getkey()).input)[:, 0]
    assert abs(np.corrcoef(long[1:], long[:-1])[0, 1] - np.exp(-0.1)) < 0.01
    assert abs(long.std() - 1) < 0.1
    assert task(10, key=getkey(), batch=3).input.shape == (10, 3, 2)


def test_frozen_recurrence_is_least_mean_squares_on_its_states(getkey):
    network = RateNetwork(
        Digraph.complete(5, self_loops=True), inputs=1, outputs=5, key=getkey(),
        readout=eqx.nn.Linear(5, 1, key=getkey()),
    )  # fmt: skip
    u = np.asarray(jax.random.normal(getkey(), (300, 1)))
    y = np.roll(u, 2, axis=0)
    found = frozen_recurrence(
        network, Sample(u, y), dt=0.5, optimizer=optax.sgd(0.05)
    )  # fmt: skip
    W, B = np.asarray(network.weight), np.asarray(network.input_weight)
    C = np.array(network.readout_map.weight)
    c, x, losses = np.array(network.readout_map.bias), np.zeros(5), []
    for k in range(300):
        error = C @ x + c - y[k]
        losses.append(error @ error / 2)
        C, c = C - 0.05 * np.outer(error, x), c - 0.05 * error
        x = x + 0.5 * (np.tanh(W @ x + B @ u[k]) - x)
    assert np.isclose(found, np.mean(losses[-30:]), rtol=1e-10)


def test_floors_of_gathers_what_the_single_functions_say(getkey):
    walk = np.cumsum(np.asarray(jax.random.normal(getkey(), (500, 1))), axis=0)
    samples = Sample(jnp.asarray(walk[:-3]), jnp.asarray(walk[3:]))
    floors = floors_of(samples, taps=2, ahead=3)
    # A walk is best predicted by where it is: three steps of variance one remain.
    steps = walk[6:] - walk[3:-3]
    assert np.isclose(floors["persistence"], np.mean(steps**2) / 2)
    assert abs(floors["autoregression"] - 1.5) < 0.5
    assert floors["constant"] > 5 * floors["persistence"]


def test_digits_have_floors_too():
    task = tasks.DigitRows()
    floors = task.floors()
    assert floors["constant"] < 0.15 < floors["last row"] < floors["all pixels"]
    samples, classes = task(test=True)
    assert len(samples.target) == 8 * len(classes)
