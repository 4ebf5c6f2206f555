"""A recorded electrocardiogram, to be predicted."""

import equinox as eqx

from .. import _checks
from ..signals.signal import Sample
from ._tracking import heartbeat
from .floors import floors_of

RATE = 360  # recorded samples a second
LENGTH = 60 * RATE


class Heartbeat(eqx.Module):
    """Predict a real electrocardiogram some recorded samples ahead.

        u_k = x_k,   y_k = x_{k + ahead}

    with x the recording of `heartbeat` at 360 Hz, scaled to mean 0 and variance 1. One
    input, one output, up to 21 600 - ahead samples, for `squared_error`. One sample
    ahead is nearly linear: four past values leave .002 of the variance, so hold every
    result against `floors()`. At 20 samples (55 ms) they leave half of it, and what
    helps is to know where in the beat one is.

    **Arguments:** `ahead`: how many recorded samples to predict over.
    """

    ahead: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        _checks.at_least("ahead", self.ahead, 1)

    def __call__(self, steps: int | None = None) -> Sample:
        """The first `steps` samples, by default all."""
        most = LENGTH - self.ahead
        steps = most if steps is None else steps
        _checks.at_least("steps", steps, 2)
        if steps > most:
            _checks.reject("steps", f"at most {most}", steps)
        recorded = heartbeat(seconds=60.0, dt=1 / RATE).values
        x = ((recorded - recorded.mean()) / recorded.std())[:, None]
        return Sample(x[:steps], x[self.ahead : self.ahead + steps])

    def floors(self, steps: int | None = None) -> dict[str, float]:
        """Losses of predictors without a network; see `floors_of`."""
        return floors_of(self(steps), ahead=self.ahead)
