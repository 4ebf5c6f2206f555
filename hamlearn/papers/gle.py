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

from . import _gle_figures as figures
from . import _gle_filters as filters
from ._claim import Claim
from ._gle_filters import CLOSURES
from ._gle_tasks import chain, follow, forecaster, hierarchy, wide


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
    tau_r, w = 0.1, np.logspace(-1, 1, 60)
    exact = np.conj((1 + 1j * w * tau_r) / (1 + 1j * w))
    measured = {
        name: filters.transfer(closure, w, tau_r=tau_r)
        for name, closure in CLOSURES.items()
    }
    figures.filters(out / "gle_filters.png", w, exact, measured)
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


def _chain(out: Path, time: float) -> list[Claim]:
    """Two weights and two time constants, found online."""
    lesson, found, losses = chain(time), {}, {}
    for name, closure in CLOSURES.items():
        found[name], losses[name] = follow(lesson, closure)
    figures.chain(out / "gle_chain.png", time, losses)
    student = found["GLE"].network
    learned = [student.input_weight[0, 0], student.weight[0, 0], *student.tau_m]
    away = float(np.abs(np.array(learned) - [1, 2, 1, 2]).max())
    last = {name: float(loss[-1]) for name, loss in losses.items()}
    fails = "holds: without the right phase the time constants shrink to their floor"
    return [
        Claim("chain loss, GLE", last["GLE"], None, 1e-9, "holds"),
        Claim("chain, largest error of a parameter", away, None, 2e-3, "holds"),
        Claim("chain loss, instantaneous", last["instantaneous"], 5e-3, None, fails),
        Claim("chain loss, sign flip", last["sign flip"], 5e-3, None, fails),
    ]


def _lessons(out: Path, quick: bool) -> list[Claim]:
    """Credit through slow neurons: 1-2-2-1, and a wide net with one plastic layer."""
    time = 400.0 if quick else 1001.0
    lessons = {"1-2-2-1": hierarchy(1001.0), "1-16-16-1": wide(time)}
    students, curves, ends = {}, {}, {}
    for name, lesson in lessons.items():
        found = {law: follow(lesson, closure) for law, closure in CLOSURES.items()}
        losses = {law: loss for law, (_, loss) in found.items()}
        students[name], curves[name] = found["GLE"][0], (lesson.time, losses)
        last = lambda loss: float(loss[-len(loss) // 20 :].mean())
        ends[name] = {law: last(loss) for law, loss in losses.items()}
    figures.deep(out / "gle_deep.png", curves)
    first = np.asarray(students["1-2-2-1"].input_weight)[:, 0]
    away = float(np.abs(first - [-0.5, 1.0]).max())
    small, wider = ends["1-2-2-1"], ends["1-16-16-1"]
    best = 1e-2 if quick else 1e-3
    return [
        Claim("1-2-2-1, error of the first weights, GLE", away, None, 0.01, "holds"),
        Claim("1-2-2-1 loss, instantaneous", small["instantaneous"], 0.1, None,
              "holds: it moves away from the teacher"),
        Claim("1-16-16-1 loss, GLE", wider["GLE"], None, best, "holds"),
        Claim("1-16-16-1, loss of instantaneous over GLE",
              wider["instantaneous"] / wider["GLE"], 10.0, None,
              "holds if deep slow weights must be learned; with a plastic readout "
              "instantaneous backpropagation does not fail"),
    ]  # fmt: skip


def _latent_equilibrium(out: Path, quick: bool) -> list[Claim]:
    """Response through six layers, and the sawtooth."""
    steps = {tau_r: filters.step_response(tau_r) for tau_r in (10.0, 8.0, 5.0, 0.0)}
    settled = {tau_r: filters.settling(*response) for tau_r, response in steps.items()}
    time = 300.0 if quick else 600.0
    runs = {
        name: filters.sawtooth(prospective=prospective, time=time)
        for name, prospective in {"LE": True, "no lead": False}.items()
    }
    figures.latent_equilibrium(out / "le.png", steps, settled, runs)
    (taught, free), (_, lagging) = map(filters.sawtooth_errors, runs.values())
    bound = 0.3 if quick else 0.05
    slow = "six layers without prospective rates (ms)"
    return [
        Claim("le, six layers settle after (ms)", settled[10.0], None, 0.26, "holds"),
        Claim(slow, settled[0.0], 50.0, None, "holds"),
        Claim("sawtooth mse, taught", taught, None, 5e-3, "holds"),
        Claim("sawtooth mse, free", free, None, bound, "holds"),
        Claim("sawtooth mse, free, no lead", lagging, 0.2, None, "holds"),
    ]


def _mackey_glass(out: Path, number: int) -> list[Claim]:
    """The series six units of time ahead, learned online from the series itself."""
    dt = 0.5
    series = hl.tasks.MackeyGlass(dt=dt, horizon=6.0).samples(steps=number)
    halves = hl.tasks.floors_of(series, ahead=round(6.0 / dt))
    floors = {name: 2 * loss for name, loss in halves.items()}  # squared errors
    results, means = {}, {}
    for name, closure in CLOSURES.items():
        optimizer = optax.adam(optax.exponential_decay(1e-3, number, 0.03))
        law = hl.GLE(update=optimizer, closure=closure)
        network = forecaster(jax.random.key(0))
        results[name] = hl.stream(law, network, series, dt=dt, progress=False)
        means[name] = 2 * results[name].loss.reshape(50, -1).mean(axis=1)
    figures.mackey_glass(out / "gle_mackey_glass.png", results, means, floors)
    gle, instantaneous = (
        float(means[name][-10:].mean()) for name in ("GLE", "instantaneous")
    )
    over = "mackey-glass, error over that of "
    best = 0.6 if number < 50_000 else 0.3
    return [
        Claim(over + "the last value, GLE", gle / floors["last"], None, 0.5, "holds"),
        Claim(over + "instantaneous backpropagation, GLE", gle / instantaneous, None,
              best, "holds"),
        Claim(over + "four linear taps, GLE", gle / floors["linear"], 1.0, None,
              "does not hold that it is a good forecaster: least squares on the last "
              "four values does better"),
    ]  # fmt: skip
