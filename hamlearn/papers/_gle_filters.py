"""Filters of errors, and neurons without a lag: the pictures of GLE and LE."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import hamlearn as hl

CLOSURES = {
    "GLE": hl.costates.Prospective(),
    "sign flip": hl.costates.SignFlipped(),
    "instantaneous": hl.costates.Unfiltered(),
}


def transfer(
    closure: hl.costates.AbstractClosure, w: np.ndarray, *, tau_r: float
) -> np.ndarray:
    """What a closure does to tones e^{iwt}, measured; tau_m = 1."""
    periods, points = 30, 2000
    phase = 2 * jnp.pi / points * jnp.arange(float(periods * points))
    leak = hl.costates.EulerLeak()

    def heard(dt):
        """The error over time, of tones dt apart."""
        times = hl.costates.NeuronTimes(
            tau_m=jnp.ones(1), tau_r=jnp.full(1, tau_r), dt=dt
        )

        def step(memory, phase):
            s = jnp.sin(phase)[None]
            error = closure.error(s, memory, times)
            return closure.advance(s, memory, times, leak), error

        return jax.lax.scan(step, closure.init(jnp.zeros(1)), phase)[1][-points:, 0]

    error = jax.jit(jax.vmap(heard))(jnp.asarray(2 * np.pi / w / points))
    last = np.exp(-1j * np.asarray(phase[-points:]))
    return 2j * np.mean(np.asarray(error) * last, axis=1)


def step_response(tau_r: float, *, layers: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """(times, output) of a row of linear neurons of tau_m = 10 after a step."""
    dt, steps = 0.25 / layers, 4000
    network = hl.VoltageNetwork(
        hl.Digraph.layered([1] * layers),
        inputs=1,
        linear=range(layers),
        membrane_time_constant=10.0,
        prospective_time_constant=tau_r,
        learn=(),
        key=jax.random.key(0),
    )
    ones = jnp.ones((1, 1)), jnp.ones((layers - 1, 1))
    network = eqx.tree_at(lambda n: (n.input_weight, n.weight), network, ones)
    law = hl.GLE(closure=hl.costates.Unfiltered())
    one = jnp.ones((steps, 1))
    _, infos = hl.scan(law, law.init(network), (one, one), dt)
    return dt * np.arange(1, steps + 1), np.asarray(infos.output[:, 0])


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
    network = hl.VoltageNetwork(
        hl.Digraph.layered([30, 1]),
        inputs=50,
        linear=[30],
        membrane_time_constant=tau,
        prospective_time_constant=tau if prospective else 0.0,
        key=jax.random.key(1),
    )
    update = hl.updates.Optax(optax.sgd, learning_rate=0.25 * dt)
    lag = hl.GLE(update=update, closure=hl.costates.Unfiltered(), nudging=0.1)
    law = hl.LE(update=update, nudging=0.1) if prospective else lag
    taught = int(time / dt)
    count = taught + int(2 * period / dt)
    t = dt * np.arange(count)
    tones = np.sin(2 * np.pi * np.arange(1.0, 51.0) / period * t[:, None])
    target = 2 * (t / period % 1)[:, None] - 1
    samples = hl.Sample(tones, target, (np.arange(count) < taught).astype(float))
    output = hl.stream(law, network, samples, dt=dt, progress=False).output
    return {
        "time": t, "output": output[:, 0], "target": target[:, 0],
        "taught": np.asarray(taught),
    }  # fmt: skip


def sawtooth_errors(run: dict[str, np.ndarray]) -> tuple[float, float]:
    """Mean squared error over the last taught period, and over the one after it."""
    end, period = int(run["taught"]), 20_000
    wrong = (run["output"] - run["target"]) ** 2
    free = wrong[end + period : end + 2 * period]
    return float(wrong[end - period : end].mean()), float(free.mean())
