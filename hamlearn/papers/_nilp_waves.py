"""Figure 1: waves of activity and of costate through a network of ten levels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import hamlearn as hl

from ._claim import Claim
from ._save import save

LEVELS, WIDTH, SPEED, DT, STEPS = 10, 4, 10.0, 2e-3, 3000


def run(out: Path) -> Iterator[Claim]:
    """Constant input and supervision from rest; draw who changes when."""
    x, p = _waves()
    times = DT * np.arange(1, STEPS + 1)
    up, down = _half_times(x, times), _half_times(p, times)
    levels = np.arange(LEVELS)
    slope = np.polyfit(levels[1:], up[1:], 1)[0] * SPEED
    verdict = "holds: input travels one level in 1/c"
    yield Claim("forward_wave_levels_c_dt", float(slope), 0.8, 1.2, verdict)
    slope = -np.polyfit(levels[:-1], down[:-1], 1)[0] * SPEED
    verdict = "holds for the flipped costate: supervision travels back one level in 1/c"
    yield Claim("backward_wave_levels_c_dt", float(slope), 0.8, 1.2, verdict)
    _draw(out, times, x, p, up, down)


def _waves() -> tuple[np.ndarray, np.ndarray]:
    """Size of state and costate of every level over time, as shares of the last."""
    key = jax.random.key(0)
    graph = hl.Digraph.layered([WIDTH] * LEVELS)
    network = hl.RateNetwork(
        graph, inputs=1, outputs=WIDTH, time_constant=1 / SPEED, gain=1.5, key=key
    )
    # Weights so heavy that they rest: the waves are those of a given network.
    law = hl.HamiltonianLearning(inertia=1e9, dissipation=0.0)
    # A faint input keeps the neurons in their linear range, and a target far from
    # the outputs keeps the error constant: each wave is then one of its own.
    samples = hl.Sample(jnp.full((STEPS, 1), 0.01), jnp.ones((STEPS, WIDTH)))
    size = lambda leaf: jnp.linalg.norm(leaf.reshape(LEVELS, WIDTH), axis=1)
    kept = lambda state, sample, info: (size(state.x), size(state.credit.memory))
    _, (x, p) = hl.scan(law, law.init(network), samples, DT, kept)
    return np.asarray(x / x[-1]), np.asarray(p / p[-1])


def _half_times(size: np.ndarray, times: np.ndarray) -> np.ndarray:
    """When every level last crosses half of its final size."""
    below = size < 0.5
    last = STEPS - 1 - np.argmax(below[::-1], axis=0)
    return times[last]


def _draw(out: Path, times, x, p, up, down) -> None:
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 3.6), sharey=True, layout="constrained"
    )
    picture: Any = None
    names = "state (from the input)", "costate (from the supervision)"
    for axis, size, half, name in zip(axes, (x, p), (up, down), names, strict=True):
        picture = axis.imshow(
            size.T,
            origin="lower",
            aspect="auto",
            extent=(0, times[-1], -0.5, LEVELS - 0.5),
            vmin=0,
            vmax=1.2,
            cmap="cividis",
        )
        axis.plot(half, np.arange(LEVELS), "w.-", lw=1, label="half of the final size")
        axis.set_title(name, loc="left", fontsize=10)
        axis.set_xlabel(f"time (arbitrary units), c = {SPEED:g}")
        axis.set_xlim(0, 4)
    axes[0].set_ylabel("level")
    handles = list(axes[0].lines)
    white = {"labelcolor": "0.1", "facecolor": "0.55", "framealpha": 1.0}
    figure.legend(handles=handles, loc="outside lower center", **white)
    figure.suptitle("Activity travels up, costates down, one level in 1/c", fontsize=10)
    figure.colorbar(picture, ax=axes, label="share of the final size")
    save(figure, out / "waves.png")
