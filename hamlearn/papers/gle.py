"""Generalised latent equilibrium: what its errors look like, and what they teach.

    hamlearn reproduce gle

Ellenberger et al. (2024), "Backpropagation through space, time and the brain", and
Haider et al. (2021), "Latent equilibrium". Networks and teachers are those of the
papers where they are stated; the wide network is our own.
"""

from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

import hamlearn as hl

from ..plot import COLOURS, looks
from . import _gle_filters as filters
from ._claim import Claim
from ._gle_filters import CLOSURES
from ._gle_tasks import Lesson, chain, follow, forecaster, hierarchy, wide

_STYLE = {
    name: {"color": look.colour, "ls": look.dashes, "label": name}
    for name, look in looks(CLOSURES).items()
}


def run(out: Path, *, quick: bool = False) -> list[Claim]:
    """Draw all figures into `out` and check the claims; `quick` learns for less time.

    Computes in double precision whatever JAX's setting is, since losses fall to
    1e-10.
    """
    out.mkdir(parents=True, exist_ok=True)
    with jax.enable_x64(True), plt.rc_context({"axes.grid": True, "grid.alpha": 0.3}):
        return [
            *_filters(out),
            *_chain(out, 1000.0 if quick else 4000.0),
            *_lessons(out, quick),
            *_latent_equilibrium(out, quick),
            *_mackey_glass(out, 20_000 if quick else 100_000),
        ]


def _filters(out: Path) -> list[Claim]:
    """Phase and gain of the error filters against frequency."""
    tau_r = 0.1
    w = np.logspace(-1, 1, 60)
    exact = np.conj((1 + 1j * w * tau_r) / (1 + 1j * w))
    measured = {
        name: filters.transfer(closure, w, tau_r=tau_r)
        for name, closure in CLOSURES.items()
    }
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for axis, value in zip(
        axes, (np.abs, lambda z: np.angle(z, deg=True)), strict=True
    ):
        axis.plot(w, value(exact), lw=4, alpha=0.4, color="0.3", label="exact")
        for name, response in measured.items():
            axis.plot(w, value(response), **_STYLE[name])
        axis.set(xscale="log", xlabel="frequency × membrane time constant (rad)")
    axes[0].set(yscale="log", ylabel="gain of the error filter")
    axes[1].set(ylabel="phase of the error filter (degrees)")
    axes[1].legend(frameon=False, fontsize=8)
    figure.savefig(out / "gle_filters.png", dpi=150)
    plt.close(figure)
    phase = np.abs(np.angle(measured["GLE"] / exact)).max()
    gain = np.abs(measured["GLE"] / exact) * (1 + (w * tau_r) ** 2) / (1 + w**2)
    return [
        Claim(
            "gle phase error (rad)", float(phase), None, 0.01,
            "holds: the errors have the phase of the adjoint at every frequency",
        ),
        Claim(
            "gle gain, in units of the adjoint's over |H|^2",
            float(gain[np.argmax(np.abs(gain - 1))]), 0.98, 1.02,
            "does not hold that errors match the adjoint: gains grow as 1/|H|^2",
        ),
    ]  # fmt: skip


def _curves(axis, lesson: Lesson, losses: dict[str, np.ndarray], title: str) -> None:
    for name, loss in losses.items():
        times = lesson.time * (np.arange(len(loss)) + 0.5) / len(loss)
        axis.plot(times, np.maximum(loss, 1e-16), **_STYLE[name])
    axis.set(yscale="log", xlabel="time (units of the membrane time constant)")
    axis.set(ylabel="loss", title=title)


def _chain(out: Path, time: float) -> list[Claim]:
    """Two weights and two time constants, found online."""
    lesson, found, losses = chain(time), {}, {}
    for name, closure in CLOSURES.items():
        found[name], losses[name] = follow(lesson, closure)
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    _curves(axis, lesson, losses, "chain: 2 weights and 2 time constants")
    axis.legend(frameon=False)
    figure.savefig(out / "gle_chain.png", dpi=150)
    plt.close(figure)
    student = found["GLE"].network
    learned = [student.input_weight[0, 0], student.weight[0, 0], *student.tau_m]
    away = float(np.abs(np.array(learned) - [1, 2, 1, 2]).max())
    fails = "holds: without the right phase the time constants shrink to their floor"
    return [
        Claim("chain loss, GLE", losses["GLE"][-1], None, 1e-9, "holds"),
        Claim("chain, largest error of a parameter", away, None, 2e-3, "holds"),
        Claim(
            "chain loss, instantaneous", losses["instantaneous"][-1], 5e-3, None, fails
        ),
        Claim("chain loss, sign flip", losses["sign flip"][-1], 5e-3, None, fails),
    ]


def _lessons(out: Path, quick: bool) -> list[Claim]:
    """Credit through slow neurons: 1-2-2-1, and a wide net with one plastic layer."""
    time = 400.0 if quick else 1001.0
    lessons = {"1-2-2-1": hierarchy(1001.0), "1-16-16-1": wide(time)}
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    ends, students = {}, {}
    for axis, (name, lesson) in zip(axes, lessons.items(), strict=True):
        losses = {}
        for law, closure in CLOSURES.items():
            students[name, law], losses[law] = follow(lesson, closure)
            ends[name, law] = float(losses[law][-len(losses[law]) // 20 :].mean())
        _curves(axis, lesson, losses, f"{name}: only the first layer learns")
    axes[0].legend(frameon=False)
    figure.savefig(out / "gle_deep.png", dpi=150)
    plt.close(figure)
    first = np.asarray(students["1-2-2-1", "GLE"].input_weight)[:, 0]
    away = float(np.abs(first - [-0.5, 1.0]).max())
    wider = [ends["1-16-16-1", law] for law in CLOSURES]
    return [
        Claim("1-2-2-1, error of the first weights, GLE", away, None, 0.01, "holds"),
        Claim(
            "1-2-2-1 loss, instantaneous", ends["1-2-2-1", "instantaneous"], 0.1, None,
            "holds: it moves away from the teacher",
        ),
        Claim("1-16-16-1 loss, GLE", wider[0], None, 1e-2 if quick else 1e-3, "holds"),
        Claim(
            "1-16-16-1, loss of instantaneous over GLE",
            wider[2] / wider[0], 10.0, None,
            "holds if deep slow weights must be learned; with a plastic readout "
            "instantaneous backpropagation does not fail",
        ),
    ]  # fmt: skip


def _latent_equilibrium(out: Path, quick: bool) -> list[Claim]:
    """Response through six layers, and the sawtooth."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    settled = {}
    for tau_r, colour in zip((10.0, 8.0, 5.0, 0.0), COLOURS, strict=False):
        times, output = filters.step_response(tau_r)
        settled[tau_r] = filters.settling(times, output)
        label = f"{tau_r:g}: {settled[tau_r]:.3g} ms"
        axes[0].plot(times, output, color=colour, label=label)
    axes[0].set(xlim=(-2, 120), xlabel="time since the step (ms)", ylabel="output")
    axes[0].set_title("six layers of membrane time constant 10 ms", fontsize=10)
    axes[0].legend(title="prospective time (ms): settled", frameon=False, fontsize=8)
    errors = {}
    runs = {
        p: filters.sawtooth(prospective=p, time=300.0 if quick else 600.0)
        for p in (True, False)
    }
    for p, colour, label in ((True, COLOURS[0], "LE"), (False, COLOURS[1], "no lead")):
        errors[p] = filters.sawtooth_errors(runs[p])
        time = runs[p]["time"]
        last = slice(int(runs[p]["taught"]) - 40_000, int(runs[p]["taught"]))
        axes[1].plot(time[last], runs[p]["output"][last], color=colour, label=label)
    axes[1].plot(time[last], runs[True]["target"][last], color="0.4", label="target")
    axes[1].set(xlabel="time (ms)", ylabel="output")
    axes[1].set_title("sawtooth of 10 Hz from sines, while taught", fontsize=10)
    axes[1].legend(frameon=False, fontsize=8)
    figure.savefig(out / "le.png", dpi=150)
    plt.close(figure)
    free = 0.3 if quick else 0.05
    slow = "six layers without prospective rates (ms)"
    return [
        Claim("le, six layers settle after (ms)", settled[10.0], None, 0.26, "holds"),
        Claim(slow, settled[0.0], 50.0, None, "holds"),
        Claim("sawtooth mse, taught", errors[True][0], None, 5e-3, "holds"),
        Claim("sawtooth mse, free", errors[True][1], None, free, "holds"),
        Claim("sawtooth mse, free, no lead", errors[False][1], 0.2, None, "holds"),
    ]


def _mackey_glass(out: Path, number: int) -> list[Claim]:
    """The series six units of time ahead, learned online from the series itself."""
    dt = 0.5
    series = hl.tasks.MackeyGlass(dt=dt, horizon=6.0).samples(steps=number)
    halves = hl.tasks.floors_of(series, ahead=round(6.0 / dt))
    floors = {name: 2 * loss for name, loss in halves.items()}  # squared errors
    errors = {}
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    times, last = dt * number * (np.arange(50) + 0.5) / 50, slice(-300, None)
    for law, closure in CLOSURES.items():
        optimizer = optax.adam(optax.exponential_decay(1e-3, number, 0.03))
        taught = hl.GLE(update=optimizer, closure=closure)
        network = forecaster(jax.random.key(0))
        result = hl.stream(taught, network, series, dt=dt, progress=False)
        means = 2 * result.loss.reshape(50, -1).mean(axis=1)
        errors[law] = float(means[-10:].mean())
        axes[0].plot(times, means, **_STYLE[law])
        quiet = _STYLE[law] | {"label": None}
        axes[1].plot(result.times[last], result.output[last, 0], **quiet)
    times = dt * np.arange(number)[last]
    axes[1].plot(times, series.target[last, 0], "0.4", label="target")
    for name, ls in (("last", "--"), ("linear", ":")):
        axes[0].axhline(floors[name], color="0.3", ls=ls, label=f"predict: {name}")
    axes[0].set(
        yscale="log", xlabel="time units", ylabel="mean squared error (variance 1)"
    )
    axes[0].set_title("Mackey-Glass, 6 ahead, online", fontsize=10)
    axes[0].legend(frameon=False, fontsize=8, ncols=2, loc="upper right")
    axes[0].set_ylim(top=4)
    axes[1].set(xlabel="time units", ylabel="standardised series")
    axes[1].legend(frameon=False, fontsize=8)
    figure.savefig(out / "gle_mackey_glass.png", dpi=150)
    plt.close(figure)
    name = "mackey-glass, error over that of "
    gle, instantaneous = errors["GLE"], errors["instantaneous"]
    return [
        Claim(name + "the last value, GLE", gle / floors["last"], None, 0.5, "holds"),
        Claim(
            name + "instantaneous backpropagation, GLE", gle / instantaneous, None,
            0.6 if number < 50_000 else 0.3, "holds",
        ),
        Claim(
            name + "four linear taps, GLE", gle / floors["linear"], 1.0, None,
            "does not hold that it is a good forecaster: least squares on the last "
            "four values does better",
        ),
    ]  # fmt: skip
