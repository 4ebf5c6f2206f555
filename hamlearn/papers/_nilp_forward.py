"""The true costate run forward: by the equations, and shot from the right start."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import hamlearn as hl

from ..plot import COLOURS
from ._claim import Claim
from ._nilp_theory import SIGNAL, _net
from ._save import save

SPEED, UNIT = 10.0, 2.0**-53
TIMES = (1.0, 4.0, 8.0, 12.0, 16.0, 20.0, 26.0, 32.0, 40.0)


def run(out: Path, *, quick: bool = False) -> Iterator[Claim]:
    """Forward propagation of errors (2026) on the network of the other claims."""
    times = TIMES[::4] if quick else TIMES
    errors, left = map(np.array, zip(*map(_error, times), strict=True))
    _draw(out, times, errors, left)
    verdict = (
        "holds if the network still remembers its start: shot forward from the right "
        "p(0), the costate is exact (Zucchet 2026)"
    )
    yield Claim("true_costate_shot_over_1_tau", errors[0], None, 1e-10, verdict)
    ratio = np.median((errors * left / UNIT)[errors < 0.1])
    verdict = "holds: the error is the unit roundoff over what is left of the start"
    yield Claim("true_costate_shot_over_u_sigma", float(ratio), 1e-2, 1e2, verdict)
    verdict = (
        "does not hold once the network forgets: what is left of the start after 40 "
        "time constants is below the unit roundoff, and the gradient is noise"
    )
    yield Claim("true_costate_shot_over_40_tau", errors[-1], 0.1, None, verdict)


def _error(time: float) -> tuple[float, float]:
    """(error of the gradient over `time` time constants, what is left of the start)."""
    network, dt = _net(SPEED), 0.05 / SPEED
    samples = SIGNAL.sample(dt * np.arange(round(time / SPEED / dt)))
    find = lambda memory: (
        hl.exact_gradient(hl.Cost(), network, samples, dt=dt, memory=memory).w
    )
    found, exact = find(hl.costates.Shooting()), find(None)
    flat = lambda w: np.concatenate([np.ravel(leaf) for leaf in w.values()])
    a, b = flat(found), flat(exact)
    error = float(np.linalg.norm(a - b) / np.linalg.norm(b))
    step = lambda x, u: (network.transition(x, u, dt), None)
    end = lambda x: jax.lax.scan(step, x, samples.input)[0]
    S = jax.jit(jax.jacfwd(end))(network.initial_state())
    left = float(np.linalg.svd(np.asarray(S), compute_uv=False)[-1])
    return (error if np.isfinite(error) else 1e300), left


def _draw(out: Path, times: Sequence[float], errors: np.ndarray, left: np.ndarray):
    figure, axis = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
    name = "shot forward from the right start"
    axis.semilogy(times, errors, "o-", color=COLOURS[0], label=name)
    name = "roundoff over what is left of the start"
    axis.semilogy(times, UNIT / left, "--", color="0.5", label=name)
    axis.set(xlabel="length of the run (time constants)", ylim=(1e-17, 1e6))
    axis.set_ylabel("error of the gradient")
    title = "A costate shot forward is exact while the network remembers"
    axis.set_title(title, fontsize=10)
    axis.legend(frameon=False)
    save(figure, out / "forward.png")
