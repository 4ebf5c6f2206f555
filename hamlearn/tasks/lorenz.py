"""The Lorenz attractor, to be predicted."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from .. import _checks
from ..signals.signal import Sample
from .floors import floors_of


class Lorenz(eqx.Module):
    """Predict the state of the Lorenz system some steps ahead.

        dx/dt = 10 (y - x),  dy/dt = x (28 - z) - y,  dz/dt = x y - 8/3 z

    Each coordinate is scaled to mean 0 and variance 1 over the stream. For
    `squared_error`. One step ahead is nearly linear: four past values predict it to
    about 1e-5 of the variance, so hold every result against `floors()`; `ahead` makes
    it hard: errors grow by e in 1.1 units of time. Three inputs, three outputs.

    **Arguments:** `dt`: time between samples; `ahead`: how many samples to predict
    over.

    Lorenz (1963), "Deterministic nonperiodic flow".
    """

    dt: float = eqx.field(static=True, default=0.02)
    ahead: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        _checks.positive("dt", self.dt)
        _checks.at_least("ahead", self.ahead, 1)

    def __call__(self, steps: int, *, seed: int = 0) -> Sample:
        """`steps` samples; the seed draws the start, off the attractor's transient."""
        _checks.at_least("steps", steps, 2)
        path = lorenz_path(steps + self.ahead, self.dt, seed)
        path = (path - path.mean(0)) / path.std(0)
        path = jnp.asarray(path)
        return Sample(path[:steps], path[self.ahead :])

    def floors(self, steps: int = 20_000, *, seed: int = 0) -> dict[str, float]:
        """Losses of predictors without a network; see `floors_of`."""
        return floors_of(self(steps, seed=seed), ahead=self.ahead)


def lorenz_path(steps: int, dt: float, seed: int = 0) -> np.ndarray:
    """States dt apart, after 20 units of time; Runge-Kutta steps of at most 0.005."""
    inner = int(np.ceil(dt / 0.005))
    h = dt / inner
    state = np.array([1.0, 1.0, 25.0]) + np.random.default_rng(seed).normal(size=3)
    for _ in range(int(20 / h)):
        state = _runge_kutta(state, h)
    path = np.empty((steps, 3))
    for k in range(steps):
        path[k] = state
        for _ in range(inner):
            state = _runge_kutta(state, h)
    return path


def _flow(state: np.ndarray) -> np.ndarray:
    x, y, z = state
    return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


def _runge_kutta(state: np.ndarray, h: float) -> np.ndarray:
    a = _flow(state)
    b = _flow(state + h / 2 * a)
    c = _flow(state + h / 2 * b)
    return state + h / 6 * (a + 2 * b + 2 * c + _flow(state + h * c))
