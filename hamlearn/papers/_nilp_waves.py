"""Figure 1: waves of activity and of costate through a network of ten levels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..action.cost import Cost
from ..graph.digraph import Digraph
from ..networks.rate import RateNetwork
from ..rules.hamiltonian import HamiltonianLearning
from ..signals.signal import Sample
from ._claim import Claim

LEVELS, WIDTH, SPEED, DT, STEPS = 10, 4, 10.0, 2e-3, 3000


def run(out: Path) -> Iterator[Claim]:
    """Constant input and supervision from rest; draw who changes when."""
    x, p = _waves()
    times = DT * np.arange(STEPS)
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
    graph = Digraph.layered([WIDTH] * LEVELS)
    network = RateNetwork(
        graph, inputs=1, outputs=WIDTH, time_constant=1 / SPEED, gain=1.5, key=key
    )
    # Weights so heavy that they rest: the waves are those of a given network.
    rule = HamiltonianLearning(Cost(inertia=1e9))
    dtype = network.bias.dtype
    # A faint input keeps the neurons in their linear range, and a target far from
    # the outputs keeps the error constant: each wave is then one of its own.
    sample = Sample(jnp.full(1, 0.01, dtype), jnp.ones(WIDTH, dtype))

    def step(flow, _):
        state = eqx.tree_at(lambda s: s.flow, start, flow)
        state, _ = rule.step(state, sample, jnp.asarray(DT, dtype))
        sizes = [
            jnp.linalg.norm(leaf.reshape(LEVELS, WIDTH), axis=1)
            for leaf in (flow.x, flow.p_x)
        ]
        return state.flow, sizes

    start = rule.init(network)
    _, (x, p) = jax.lax.scan(step, start.flow, length=STEPS)
    return np.asarray(x / x[-1]), np.asarray(p / p[-1])


def _half_times(size: np.ndarray, times: np.ndarray) -> np.ndarray:
    """When every level last crosses half of its final size."""
    below = size < 0.5
    last = STEPS - 1 - np.argmax(below[::-1], axis=0)
    return times[last]


def _draw(out: Path, times, x, p, up, down) -> None:
    import matplotlib.pyplot as plt

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
    axes[1].legend(loc="lower right")
    figure.colorbar(picture, ax=axes, label="share of the final size")
    figure.savefig(out / "waves.png", dpi=150)
    plt.close(figure)
