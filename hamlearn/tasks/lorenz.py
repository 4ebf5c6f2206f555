"""The Lorenz attractor, to be predicted."""

from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float
from ..signals.signal import Sample
from .floors import floors_of
from .task import AbstractTask, Facts, drawn, generator

TRANSIENT = 20.0  # units of time, before which a path is not on the attractor


class Lorenz(AbstractTask):
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
        _checks.shape("dt", self.dt, ())
        _checks.at_least("ahead", self.ahead, 1)

    @property
    def facts(self) -> Facts:
        """Three inputs, three outputs, `squared_error`."""
        about = f"the Lorenz system {self.ahead} samples ahead, every {self.dt:.4g}"
        return Facts("lorenz", inputs=3, outputs=3, length=20_000, about=about)

    def samples(
        self, key: Array | None = None, steps: int | None = None, *, test: bool = False
    ) -> Sample:
        """The key draws the start; see `AbstractTask.samples`."""
        key, steps = drawn(self, key, steps, test=test)
        _checks.at_least("steps", steps, 2)
        path = self.path(key, steps + self.ahead)
        path = (path - path.mean(0)) / path.std(0)
        return Sample(path[:steps], path[self.ahead :])

    def floors(self) -> dict[str, float]:
        """Losses of predictors without a network; see `floors_of`."""
        return floors_of(self.samples(), ahead=self.ahead)

    def path(
        self, key: Array | None = None, steps: int = 10_000
    ) -> Float[np.ndarray, "time 3"]:
        """(x, y, z) as they are, `dt` apart, on the attractor.

        At tolerances of 1e-9 and in double precision whatever JAX's setting is, so that
        chaos makes no other path of the same key.
        """
        noise = generator(jax.random.key(0) if key is None else key).normal(size=3)
        times = TRANSIENT + self.dt * np.arange(steps)
        with jax.enable_x64(True):
            return np.asarray(_solved(np.array([1.0, 1.0, 25.0]) + noise, times))


@jax.jit
def _solved(
    start: Float[Array, "3"], times: Float[Array, "time"]
) -> Float[Array, "time 3"]:
    end = times[-1] + 1e-9  # also where there is one time alone
    solution = dfx.diffeqsolve(
        dfx.ODETerm(_flow),
        dfx.Dopri8(),
        t0=0.0,
        t1=end,
        dt0=0.01,
        y0=start,
        saveat=dfx.SaveAt(ts=times),
        stepsize_controller=dfx.PIDController(rtol=1e-9, atol=1e-9),
        max_steps=None,
    )
    assert solution.ys is not None
    return solution.ys


def _flow(t: Any, state: Float[Array, "3"], args: None) -> Float[Array, "3"]:
    x, y, z = state
    return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
