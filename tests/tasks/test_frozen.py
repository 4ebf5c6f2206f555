"""Tasks learned by laws, and the control with the recurrence left as drawn."""

import equinox as eqx
import jax
import numpy as np
import optax

import hamlearn as hl
from hamlearn.jobs import contenders
from hamlearn.tasks import Add, TeacherStudent, frozen_recurrence, readout_only


def test_frozen_recurrence_is_least_mean_squares_on_its_states(getkey):
    network = hl.RateNetwork(
        hl.Digraph.complete(5, self_loops=True), inputs=1, outputs=5, key=getkey(),
        readout=eqx.nn.Linear(5, 1, key=getkey()),
    )  # fmt: skip
    u = np.asarray(jax.random.normal(getkey(), (300, 1)))
    y = np.roll(u, 2, axis=0)
    weight = np.tile([0.0, 1.0, 3.0], 100)
    found, counted = (
        frozen_recurrence(
            network, hl.Sample(u, y, weights), dt=0.5, optimizer=optax.sgd(0.05)
        )
        for weights in (None, weight)
    )
    W, B = np.asarray(network.weight), np.asarray(network.input_weight)
    for attention, result in ((np.ones(300), found), (weight, counted)):
        C = np.array(network.readout_map.weight)
        c, x, losses = np.array(network.readout_map.bias), np.zeros(5), []
        for k in range(300):
            error = C @ x + c - y[k]
            losses.append(attention[k] * (error @ error) / 2)
            pull = 0.05 * attention[k] * error
            C, c = C - np.outer(pull, x), c - pull
            x = x + 0.5 * (np.tanh(W @ x + B @ u[k]) - x)
        wanted = np.sum(losses[-30:]) / np.sum(attention[-30:])
        assert np.isclose(result, wanted, rtol=1e-10)


def test_readout_only_leaves_the_recurrence_alone(getkey):
    network = hl.RateNetwork(
        hl.Digraph.complete(3, self_loops=True), inputs=1, outputs=3,
        readout=eqx.nn.Linear(3, 1, key=getkey()), key=getkey(),
    )  # fmt: skip
    u = jax.random.normal(getkey(), (50, 1))
    law = hl.RTRL(hl.Cost(), readout_only(optax.adam(0.01)))
    learned = hl.stream(law, network, (u, u), dt=0.1, progress=False).network
    assert np.array_equal(learned.weight, network.weight)
    assert not np.array_equal(learned.readout_map.weight, network.readout_map.weight)


def test_the_teacher_is_a_network_that_a_student_can_be(getkey):
    task = TeacherStudent(neurons=6, outputs=2)
    samples = task.samples(getkey(), 400)
    held = hl.RTRL(hl.Cost(), optax.set_to_zero())
    run = lambda net: hl.stream(held, net, samples, dt=task.dt, progress=False).loss
    assert np.abs(run(task.teacher())).max() < 1e-20
    assert run(task.network(key=getkey())).mean() > 1e-3


def test_the_add_task_is_learned_through_time_and_not_with_the_recurrence_frozen():
    # A fifth of the reference's steps at three times its rate.
    def final(law):
        a, b = jax.random.split(jax.random.key(1))
        network = hl.RateNetwork(
            hl.Digraph.complete(16, self_loops=True), inputs=2, outputs=16,
            readout=eqx.nn.Linear(16, 2, key=a), key=b,
        )  # fmt: skip
        samples = Add((2, 3)).samples(jax.random.key(2), 30_000)
        return hl.stream(law, network, samples, dt=1.0, progress=False).loss[-5000:]

    cost, sgd = hl.Cost(loss=hl.action.cross_entropy), optax.sgd(0.05)
    learned = final(hl.RTRL(cost, sgd)).mean()
    frozen = final(hl.laws.Instantaneous(cost, readout_only(sgd), sweeps=0)).mean()
    floors = Add((2, 3)).floors()
    assert learned < floors["both bits"] + 0.01
    assert floors["both bits"] + 0.01 < frozen < floors["constant"]


def test_laws_learn_the_answers_of_any_task():
    u = np.random.default_rng(0).normal(size=(2010, 2))
    y = np.stack([u[:, 0] - u[:, 1], 3 * u[:, 1]], axis=1)
    laws = {name: contenders()[name] for name in ("rflo", "le")}
    with jax.numpy_dtype_promotion("standard"):
        task = hl.tasks.Paired("sums", u, y)
        options = {"neurons": 8, "seeds": 2, "rates": (0.03,), "progress": False}
        found = hl.compare(task, laws, **options)
    assert all(entry.loss < found.trivial for entry in found.entries)
    assert found.trivial == found.floors["constant"]
    assert "answers: 2 from 2 inputs per sample" in repr(found)
