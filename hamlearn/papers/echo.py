"""Pourcel & Ernoult (2025), recurrent Hamiltonian echo learning.

    hamlearn reproduce echo

"Learning long range dependencies through time reversal symmetry breaking". Published:
the law, the nonlinear unit, dt = 1e-4. Found here: widths, stiffness and inputs are
drawn (16 oscillators, 100 samples, dt = 0.1); the published code takes the force at
the position before the drift, which is no reversible step. Beside it, equilibrium
propagation without symmetric weights (2026), of which the abstract is public and the
formula was derived anew.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import hamlearn as hl

from ..action.action import Instant
from ..action.residual import Dynamical
from ..costates import FixedPoint, NudgedRest, Playback, Stored
from ..plot import COLOURS
from ._claim import Claim
from ._echo_run import (
    COST,
    UNIT,
    apart,
    echo_error,
    noise,
    published_error,
    read_layer,
    single,
    two_layers,
)
from ._save import save

STEPS = (1e-4, 1e-3, 1e-2, 3e-2, 1e-1)


def run(out: Path, *, quick: bool = False) -> Iterator[Claim]:
    """Draw `echo_error`, `echo_step`, `echo_damped` and check the claims."""
    with jax.enable_x64(True):
        yield from _exact(out)
        yield from _published(out)
        yield from _damped(out)
        yield _memory()
        yield from _learns(10 if quick else 40)
        yield from _at_rest()


def _exact(out: Path) -> Iterator[Claim]:
    """Error against eps, double and single precision; two layers as eps is chosen."""
    key, samples = jax.random.key(0), noise(jax.random.key(1), 100)
    one, two = read_layer(key), two_layers(key)
    epsilons = np.logspace(-6, 0, 7)
    error = lambda network, eps: echo_error(network, samples, Playback(eps))
    curves = {
        "one layer": [error(one, eps) for eps in epsilons],
        "one layer, float32": [_single_error(one, samples, eps) for eps in epsilons],
    }
    _draw_errors(out, epsilons, curves)
    at = lambda eps: int(np.argmin(np.abs(epsilons - eps)))
    high, low = (curves["one layer"][at(eps)] for eps in (1e-2, 1e-4))
    slope = float(np.log10(high / low) / 2)
    yield Claim("echo_slope", slope, 1.9, 2.1, "holds: the error is O(eps^2)")
    holds = "holds: equal to BPTT of the same steps, with no state stored"
    yield Claim(
        "echo_equals_bptt", echo_error(one, samples, Playback()), None, 1e-8, holds
    )
    yield Claim(
        "echo_equals_bptt_two_layers", echo_error(two, samples, Playback()), None,
        1e-8, "holds: dJ/dc of a layer is what the one below is pushed by",
    )  # fmt: skip
    drawn = [read_layer(jax.random.key(k)) for k in range(5)]
    off = [_single_error(network, samples, None) for network in drawn]
    verdict = (
        "holds if eps is chosen from the data, since rounding is divided by it; five "
        f"networks {min(off):.1e} to {max(off):.1e}"
    )
    yield Claim("echo_equals_bptt_float32", float(np.median(off)), None, 1e-4, verdict)
    start = hl.exact_gradient(COST, one, samples, dt=0.1, memory=Playback()).start
    off = float(max(jnp.max(jnp.abs(leaf)) for leaf in start))
    verdict = "holds: the copy that nobody pushes comes home"
    yield Claim("echo_retrace", off, None, 1e3 * UNIT * 100, verdict)


def _single_error(network: Any, samples: hl.Sample, eps: float | None) -> float:
    exact = hl.exact_gradient(COST, network, samples, dt=0.1).w
    found = hl.exact_gradient(
        hl.Cost(), single(network), single(samples), dt=0.1, memory=Playback(eps)
    )
    return apart(found.w, exact)


def _published(out: Path) -> Iterator[Claim]:
    """The force at the old position, as in the published code."""
    samples = noise(jax.random.key(1), 100)
    every = np.array([[published_error(dt, k) for k in range(5)] for dt in STEPS])
    theirs = np.median(every, axis=1).tolist()
    network = read_layer(jax.random.key(0))
    ours = [echo_error(network, samples, Playback(), dt) for dt in STEPS]
    figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    names: dict[str, Any] = {
        "force before the drift, as published": theirs,
        "force halfway": ours,
    }
    for k, (name, errors) in enumerate(names.items()):
        axis.loglog(STEPS, errors, "os"[k] + "-", color=COLOURS[k], label=name)
    axis.set(xlabel="dt", ylabel="error of the gradient against BPTT")
    axis.legend(frameon=False)
    save(figure, out / "echo_step.png")
    yield Claim(
        "published_step_at_1e-4", theirs[0], None, 1e-6,
        "holds if dt is as small as theirs: the published code takes the force before "
        "the drift, which is no reversible step",
    )  # fmt: skip
    low, high = every[-1].min(), every[-1].max()
    yield Claim(
        "published_step_at_0.1", theirs[-1], 0.05, None,
        "does not hold for the published step at dt = 0.1: its echo is not the "
        f"gradient ({low:.2f} to {high:.2f} over five networks); with the force "
        "halfway it is",
    )  # fmt: skip


def _damped(out: Path) -> Iterator[Claim]:
    """Damping is gain on the way back."""
    samples = noise(jax.random.key(1), 100)
    make = lambda gain: read_layer(
        jax.random.key(0), dissipation=float(np.log(gain) / 10)
    )
    gains = np.array([1.5, 10.0, 1e3, 1e6, 1e9, 1e12, 8e13])
    errors = [echo_error(make(gain), samples, Playback()) for gain in gains]
    figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    axis.loglog(gains, errors, "o-", color=COLOURS[0])
    axis.axvline(1e-2 / UNIT, color="0.5", ls="--")
    axis.text(1e-2 / UNIT, 1e-9, "refused ", ha="right", color="0.4")
    axis.set(xlabel="$e^{θT}$", ylabel="error of the gradient")
    save(figure, out / "echo_damped.png")
    verdict = "holds if damping is one for all neurons and e^{theta T} is moderate"
    yield Claim("damped_echo_at_10", errors[1], None, 1e-6, verdict)
    verdict = "does not hold far beyond: refused from 1e-2 over the unit roundoff on"
    yield Claim("damped_echo_at_the_bound", errors[-1], 1e-3, None, verdict)


def _memory() -> Claim:
    """Scratch of a stored run over that of an echo, as the compiler counts it."""
    network = read_layer(jax.random.key(0))
    samples = noise(jax.random.key(1), 4096)

    def scratch(memory: Any) -> int:
        run = lambda samples: hl.exact_gradient(
            COST, network, samples, dt=0.1, memory=memory
        )
        program = jax.jit(run).lower(samples).compile()
        analysis: Any = program.memory_analysis()
        return analysis.temp_size_in_bytes

    ratio = scratch(Stored()) / scratch(Playback())
    verdict = "holds: no trajectory is kept; checkpoints come close at less time"
    return Claim("memory_stored_over_echo", float(ratio), 5.0, None, verdict)


def _learns(windows: int) -> Iterator[Claim]:
    """The same network taught by echo and by BPTT, from a teacher of its kind."""
    teacher, student = (read_layer(jax.random.key(k)) for k in (2, 3))
    u = noise(jax.random.key(4), 100 * windows).input
    begins = jnp.arange(len(u)) % 100 == 0

    def answer(x, now):
        u, begin = now
        x = jax.tree.map(lambda leaf: jnp.where(begin, 0, leaf), x)
        return teacher.transition(x, u, jnp.asarray(0.1)), teacher.readout(x, u)

    y = jax.lax.scan(answer, teacher.initial_state(), (u, begins))[1]
    samples = hl.Sample(u, y, start=begins)
    adam = hl.updates.Optax(optax.adam, learning_rate=1e-2)
    losses = {}
    for law in (
        hl.laws.Echo(update=adam, window=100),
        hl.BPTT(update=adam, window=100),
    ):
        result = hl.stream(law, student, samples, dt=0.1, progress=False)
        losses[law.title] = np.asarray(result.loss)
    echo, bptt = losses.values()
    fallen = float(echo[-500:].mean() / echo[:500].mean())
    yield Claim("echo_learns_loss_left", fallen, None, 0.9, "holds")
    off = float(np.abs(echo - bptt).max() / np.abs(bptt).max())
    yield Claim("echo_learns_as_bptt", off, None, 1e-4, "holds: loss for loss")


def _at_rest() -> Iterator[Claim]:
    """Nudged equilibria without symmetric weights, beside recurrent backprop."""
    a, b, c = jax.random.split(jax.random.key(5), 3)
    graph = hl.Digraph.complete(6, self_loops=True)
    network = hl.RateNetwork(graph, inputs=2, outputs=2, gain=0.7, key=a)
    sample = hl.Sample(jax.random.normal(b, (2,)), jax.random.normal(c, (2,)))
    settle = lambda _, x: x + 0.2 * network(x, sample.input)
    x = jax.lax.fori_loop(0, 2000, settle, network.initial_state())
    w, frozen = hl.split(network)
    output = network.readout(x, sample.input)
    instant = Instant(
        COST, Dynamical(), w, frozen, x, jnp.zeros_like(x), None, sample,
        jnp.asarray(0.1), output, COST.loss(output, sample.target),
    )  # fmt: skip

    @jax.jit
    def error(beta):
        wanted = FixedPoint().step(instant, None, None)[0]
        found = NudgedRest(beta, sweeps=2000).step(instant, None, None)[0]
        return jnp.linalg.norm(found - wanted) / jnp.linalg.norm(wanted)

    first, second, last = (float(error(beta)) for beta in (1e-2, 1e-4, 1e-6))
    holds = "holds: non-conservative equilibrium propagation is recurrent backprop"
    yield Claim("nudged_rest_in_the_limit", last, None, 1e-6, holds)
    slope = float(np.log10(first / second) / 2)
    yield Claim("nudged_rest_slope", slope, 0.9, 1.1, "holds: the error is O(beta)")


def _draw_errors(out: Path, epsilons: Any, curves: dict[str, list[float]]) -> None:
    figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    for k, (name, errors) in enumerate(curves.items()):
        axis.loglog(epsilons, errors, "os^"[k] + "-", color=COLOURS[k], label=name)
    axis.loglog(epsilons, epsilons**2, "--", color="0.5", label="slope 2")
    axis.set(xlabel="strength of the pushes ε", ylim=(1e-12, 1e2))
    axis.set_ylabel("error of the gradient against BPTT")
    axis.legend(frameon=False)
    save(figure, out / "echo_error.png")
