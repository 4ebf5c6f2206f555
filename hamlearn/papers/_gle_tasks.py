"""Networks and teachers of the experiments of Ellenberger et al. (2024)."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl

from .._types import Array


class Lesson(eqx.Module):
    """A student, its teacher, the input of both at step k, and how it learns."""

    student: Any
    teacher: Any
    signal: Callable[[Array], Array] = eqx.field(static=True)
    update: hl.updates.AbstractUpdate
    nudging: float
    time: float
    dt: float = 0.01


def follow(
    lesson: Lesson, closure: hl.costates.AbstractClosure, *, rows: int = 200
) -> tuple[Any, np.ndarray]:
    """The student learns online to answer as the teacher, both starting at rest.

    **Returns:** the student, and its mean loss between `rows` records.
    """
    law = hl.GLE(update=lesson.update, closure=closure, nudging=lesson.nudging)
    asked = hl.GLE(update=optax.set_to_zero(), closure=hl.costates.Unfiltered())
    every = int(lesson.time / lesson.dt) // rows
    states = law.init(lesson.student), asked.init(lesson.teacher)
    network, losses = _followed(lesson, law, asked, states, rows, every)
    return network, np.asarray(losses)


@eqx.filter_jit
def _followed(lesson, law, asked, states, rows, every):
    """Row by row, the teacher's answers and then the student's losses."""
    output = lambda state, sample, info: info.output
    loss = lambda state, sample, info: info.loss
    teacher = lesson.teacher
    unknown = teacher.readout(teacher.initial_state(), lesson.signal(0))

    def row(states, k):
        pupil, master = states
        x = jax.vmap(lesson.signal)(k * every + jnp.arange(every))
        nothing = jnp.zeros((every, *unknown.shape), unknown.dtype)
        master, answers = hl.scan(asked, master, (x, nothing), lesson.dt, output)
        pupil, losses = hl.scan(law, pupil, (x, answers), lesson.dt, loss)
        return (pupil, master), jnp.mean(losses)

    (pupil, _), losses = jax.lax.scan(row, states, jnp.arange(rows))
    return pupil.network, losses


def chain(time: float, *, seed: int = 0, streams: int = 100) -> Lesson:
    """Two softplus neurons in a row: both weights and both tau_m are to be found.

    Input: a smoothed square wave of half period 2, shifted at random per stream.
    """
    rng = np.random.default_rng(seed)
    kernel = np.exp(-0.5 * (np.arange(-25, 26) / 5) ** 2)
    square = np.where(np.arange(1200) % 400 < 200, 1.0, -1.0)
    wave = np.convolve(square, kernel / kernel.sum(), mode="same")[400:800]
    wave, shift = jnp.asarray(wave), jnp.asarray(rng.integers(0, 400, streams))

    def net(weights, tau_m, learn):
        network = hl.VoltageNetwork(
            hl.Digraph.layered([1, 1]),
            inputs=1,
            activation=jax.nn.softplus,
            membrane_time_constant=tau_m,
            prospective_time_constant=0.1,
            floor=0.1,
            learn=learn,
            key=jax.random.key(0),
        )
        values = jnp.full((1, 1), weights[0]), jnp.full((1, 1), weights[1])
        network = eqx.tree_at(lambda n: (n.input_weight, n.weight), network, values)
        return hl.Batch(network, streams)

    start = rng.uniform(size=4)
    names = ("weight", "input_weight", "membrane_time_constant")
    return Lesson(
        net(start[:2], np.maximum(start[2:], 0.1), names),
        net([1.0, 2.0], [1.0, 2.0], ()),
        lambda k: wave[(k + shift) % 400, None],
        hl.updates.Optax(optax.adam, learning_rate=1e-4),
        nudging=0.01,
        time=time,
    )


def hierarchy(time: float) -> Lesson:
    """1-2-2-1, a fast and a slow neuron per layer; only the first two weights learn."""

    def net(first, learn):
        network = hl.VoltageNetwork(
            hl.Digraph.layered([2, 2, 1]),
            inputs=1,
            linear=[4],
            prospective_time_constant=[1.0, 0.1, 1.0, 0.1, 1.0],
            learn=learn,
            key=jax.random.key(0),
        )
        upper = jnp.array([[0.5, 0.0], [0.0, 1.0], [0.5, 1.0]])
        values = jnp.array(first)[:, None], upper
        return eqx.tree_at(lambda n: (n.input_weight, n.weight), network, values)

    def signal(k):
        t = 0.01 * jnp.asarray(k, float)
        return jnp.sum(jnp.sin(jnp.array([0.49, 1.07, 1.98]) * t))[None]

    return Lesson(
        net([0.5, 0.3], ("input_weight",)),
        net([-0.5, 1.0], ()),
        signal,
        hl.updates.Optax(optax.sgd, learning_rate=2e-4, momentum=0.9),
        nudging=1e-3,
        time=time,
    )


def wide(time: float, *, seed: int = 0, streams: int = 8) -> Lesson:
    """1-16-16-1 of slow neurons; only the first layer learns, weights and biases."""
    keys = jax.random.split(jax.random.key(seed), 5)

    def net(key):
        network = hl.VoltageNetwork(
            hl.Digraph.layered([16, 16, 1]),
            inputs=1,
            linear=[32],
            prospective_time_constant=np.append(np.full(32, 0.1), 1.0),
            learn=("input_weight", "bias"),
            key=keys[0],
        )
        k1, k2 = jax.random.split(key)
        first = jax.random.normal(k1, (16, 1))
        bias = jnp.zeros(33).at[:16].set(0.5 * jax.random.normal(k2, (16,)))
        return eqx.tree_at(lambda n: (n.input_weight, n.bias), network, (first, bias))

    w = jax.random.uniform(keys[3], (streams, 6), minval=0.8, maxval=3.0)
    phase = jax.random.uniform(keys[4], (streams, 6), maxval=2 * jnp.pi)
    steps = int(time / 0.02)
    rate = optax.exponential_decay(1e-3, steps, 0.05)
    layer = jnp.arange(33) < 16
    first_only = lambda g, _: {
        name: leaf if leaf.ndim > 1 else leaf * layer for name, leaf in g.items()
    }

    def signal(k):
        t = 0.02 * jnp.asarray(k, float)
        return jnp.sum(jnp.sin(w * t + phase), axis=1, keepdims=True) / 2

    optimizer = optax.chain(optax.stateless(first_only), optax.adam(rate))
    return Lesson(
        hl.Batch(net(keys[1]), streams),
        hl.Batch(net(keys[2]), streams),
        signal,
        hl.updates.as_update(optimizer),
        nudging=0.0,
        time=time,
        dt=0.02,
    )


def forecaster(key: Array) -> hl.VoltageNetwork:
    """1-24-24-1 with membrane time constants from 1 to 8."""
    membrane = np.append(np.tile([1.0, 2.0, 4.0, 8.0], 12), 1.0)
    return hl.VoltageNetwork(
        hl.Digraph.layered([24, 24, 1]),
        inputs=1,
        linear=[48],
        membrane_time_constant=membrane,
        prospective_time_constant=1.0,
        key=key,
    )
