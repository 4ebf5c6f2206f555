"""Lessons of latent equilibrium go as a plain loop over samples says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl
from hamlearn.papers import _gle_filters as filters
from hamlearn.papers import _gle_tasks as tasks


def test_students_follow_a_teacher_that_does_not_learn():
    lesson, closure = tasks.wide(0.4, streams=3), filters.CLOSURES["GLE"]
    network, losses = tasks.follow(lesson, closure, rows=4)
    law = hl.GLE(update=lesson.update, closure=closure)
    asked = hl.GLE(update=optax.set_to_zero(), closure=closure)
    pupil, master = law.init(lesson.student), asked.init(lesson.teacher)
    dt, found = jnp.asarray(lesson.dt), []
    teach, learn = eqx.filter_jit(asked.step), eqx.filter_jit(law.step)
    for k in range(20):
        x = lesson.signal(jnp.asarray(k))
        master, answer = teach(master, hl.Sample(x, jnp.zeros((3, 1))), dt)
        pupil, info = learn(pupil, hl.Sample(x, answer.output), dt)
        found.append(info.loss)
    wanted = np.reshape(found, (4, 5)).mean(axis=1)
    np.testing.assert_allclose(losses, wanted, rtol=1e-10)
    for name, leaf in pupil.w.items():
        np.testing.assert_allclose(hl.split(network)[0][name], leaf, atol=1e-12)
    # Only the first layer of 16 learns.
    moved = pupil.w["bias"] != hl.split(lesson.student)[0]["bias"]
    np.testing.assert_array_equal(np.flatnonzero(moved), np.arange(16))


def test_step_response_is_that_of_neurons_in_a_row():
    dt, tau, tau_r, layers = 0.25 / 3, 10.0, 5.0, 3
    times, output = filters.step_response(tau_r, layers=layers)
    u, ur, wanted = np.zeros(layers), np.zeros(layers), []
    for _ in times:
        v = (np.concatenate([[1.0], ur[:-1]]) - u) / tau
        ur = u + tau_r * v
        u = u + dt * v
        wanted.append(ur[-1])
    np.testing.assert_allclose(output, wanted, rtol=1e-12)
    np.testing.assert_allclose(times[0], dt)


def test_filters_are_those_known():
    w, tau_r = np.array([0.3, 1.0, 3.0]), 0.1
    H = (1 + 1j * w * tau_r) / (1 + 1j * w)
    known = {"GLE": 1 / H, "sign flip": H, "instantaneous": np.ones(3)}
    for name, wanted in known.items():
        closure = filters.CLOSURES[name]
        found = filters.transfer(closure, w, tau_r=tau_r)
        np.testing.assert_allclose(found, wanted, rtol=2e-2)


def test_default_gle_takes_a_network_that_learns_nothing():
    net = hl.VoltageNetwork(
        hl.Digraph.layered([1, 1]), inputs=1, learn=(), key=jax.random.key(0)
    )
    law = hl.GLE()
    _, infos = hl.scan(law, law.init(net), (jnp.ones((5, 1)),) * 2, 0.1)
    assert np.isfinite(infos.output).all()
