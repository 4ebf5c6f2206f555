"""Filters of errors, and neurons without a lag: the pictures of GLE and LE."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..costates.filters import (
    AbstractClosure,
    EulerLeak,
    Instantaneous,
    NeuronTimes,
    Prospective,
    SignFlipped,
)
from ..graph.digraph import Digraph
from ..networks.voltage import VoltageNetwork
from ..rules import LE
from ..signals.signal import Sample

CLOSURES = {
    "GLE": Prospective(),
    "sign flip": SignFlipped(),
    "instantaneous": Instantaneous(),
}


def transfer(closure: AbstractClosure, w: np.ndarray, *, tau_r: float) -> np.ndarray:
    """What a closure does to tones e^{iwt}, measured; tau_m = 1."""
    periods, points = 30, 2000
    dt = 2 * np.pi / w / points
    n = len(w)
    times = NeuronTimes(jnp.ones(n), jnp.full(n, tau_r), jnp.asarray(dt))
    phase = 2 * jnp.pi / points * jnp.arange(float(periods * points))

    def step(memory, phase):
        s = jnp.full(n, jnp.sin(phase))
        error = closure.error(s, memory, times)
        return closure.advance(s, memory, times, EulerLeak()), error

    _, error = jax.lax.scan(step, closure.init(jnp.zeros(n)), phase)
    last = np.exp(-1j * np.asarray(phase[-points:]))[:, None]
    return 2j * np.mean(np.asarray(error[-points:]) * last, axis=0)


def step_response(tau_r: float, *, layers: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """(times, output) of a row of linear neurons of tau_m = 10 after a step."""
    dt, steps = 0.25 / layers, 4000
    network = VoltageNetwork(
        Digraph.layered([1] * layers),
        inputs=1,
        linear=range(layers),
        membrane_time_constant=10.0,
        prospective_time_constant=tau_r,
        key=jax.random.key(0),
    )
    ones = jnp.ones((1, 1)), jnp.ones((layers - 1, 1))
    network = eqx.tree_at(lambda n: (n.input_weight, n.weight), network, ones)

    def step(carry, _):
        u, ur = carry
        v = (network.current(ur, jnp.ones(1)) - u) / network.tau_m
        ur = u + network.tau_r * v
        return (u + dt * v, ur), ur[-1]

    start = network.initial_state(), network.initial_state()
    _, output = jax.lax.scan(step, start, None, length=steps)
    return dt * np.arange(1, steps + 1), np.asarray(output)


def settling(times: np.ndarray, output: np.ndarray) -> float:
    """When the output is within a tenth of 1 for good."""
    outside = np.flatnonzero(np.abs(output - 1) > 0.1)
    return float(times[outside[-1] + 1])


def sawtooth(*, prospective: bool, time: float = 600.0) -> dict[str, np.ndarray]:
    """50 sines of 10 ... 500 Hz make a sawtooth of 10 Hz, by LE with tau = 10 ms.

    Times in ms. The target is shown for `time`, then for two more periods it is not.
    Without prospective rates the same law runs on neurons with their lag.
    """
    dt, period, tau = 0.005, 100.0, 10.0
    network = VoltageNetwork(
        Digraph.layered([30, 1]),
        inputs=50,
        linear=[30],
        membrane_time_constant=tau,
        prospective_time_constant=tau if prospective else 0.0,
        key=jax.random.key(1),
    )
    law = LE(optimizer=optax.sgd(0.25 * dt), nudging=0.1)
    frequency = 2 * jnp.pi * jnp.arange(1.0, 51.0) / period
    rule = law if prospective else law.law
    state = rule.init(network)
    moving, still = eqx.partition(state, eqx.is_array)
    taught = int(time / dt)

    def step(moving, k):
        t = dt * k
        target = (2 * (t / period % 1) - 1)[None]
        weight = jnp.where(k < taught, 1.0, 0.0)
        sample = Sample(jnp.sin(frequency * t), target, weight)
        state, info = rule.step(eqx.combine(moving, still), sample, jnp.asarray(dt))
        return eqx.filter(state, eqx.is_array), (info.output[0], target[0])

    count = taught + int(2 * period / dt)
    _, (output, target) = jax.jit(lambda m: jax.lax.scan(step, m, jnp.arange(count)))(
        moving
    )
    return {
        "time": dt * np.arange(count),
        "output": np.asarray(output),
        "target": np.asarray(target),
        "taught": np.asarray(taught),
    }


def sawtooth_errors(run: dict[str, np.ndarray]) -> tuple[float, float]:
    """Mean squared error over the last taught period, and over the one after it."""
    end, period = int(run["taught"]), 20_000
    wrong = (run["output"] - run["target"]) ** 2
    free = wrong[end + period : end + 2 * period]
    return float(wrong[end - period : end].mean()), float(free.mean())
