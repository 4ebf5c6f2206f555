"""Data sets as smooth streams, for laws that need the derivatives of their input."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Number, Values
from .held import smooth_step
from .signal import Sample


def mollify(
    inputs: Values,
    targets: Values,
    *,
    steps: int,
    dt: Number,
    width: Number | None = None,
) -> Sample:
    """Items presented one after the other with smooth transitions, as samples.

    Item n is shown for tau = `steps` dt; within eps of the time n tau the signal goes
    over from its predecessor,

        u(t) = u_{n-1} + (u_n - u_{n-1}) Phi((t - n tau)/eps)

    as `Mollified` does. Phi and its derivatives are computed once for all items.
    Targets go over with the inputs. A large data set is best given in parts.

    **Arguments:** `inputs`, `targets`: arrays of shape (items, channels); `steps`:
    samples per item; `dt`: time between samples; `width`: eps, half the time of a
    transition, 0 < eps <= tau/2, default tau/4.

    **Returns:** `steps` samples per item, with first and second derivatives.

    **Example:**

        >>> import hamlearn as hl, numpy as np
        >>> u = hl.signals.mollify([[0.0], [1.0]], [[0.0], [1.0]], steps=4, dt=0.25)
        >>> [round(float(value), 2) for value in np.asarray(u.input)[:, 0]]
        [0.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]

    Betti & Gori (2019), section 4.
    """
    values = [_checked("inputs", inputs), _checked("targets", targets)]
    _checks.shape("targets", values[1], (values[0].shape[0], "channels"))
    _checks.at_least("steps", steps, 2)
    _checks.positive("dt", dt)
    _checks.shape("dt", dt, ())
    tau = steps * float(dt)
    width = tau / 4 if width is None else width
    _checks.positive("width", width)
    _checks.shape("width", width, ())
    if float(width) > tau / 2:
        _checks.reject("width", f"at most half of `steps` times `dt` = {tau:g}", width)
    profile = _profile(steps, float(dt), float(width))
    (u, u1, u2), (y, y1, y2) = (_transitions(v, steps, profile) for v in values)
    return Sample(u, y, None, u1, y1, u2, y2)


def _profile(steps: int, dt: float, width: float) -> np.ndarray:
    """Phi, Phi' and Phi'' in time, around the nearest transition of each step."""
    phase = np.arange(steps) * dt
    phase = np.where(2 * np.arange(steps) < steps, phase, phase - steps * dt)

    def along(t):
        rate = lambda t: jax.jvp(lambda t: smooth_step(t / width), (t,), (1.0 + 0 * t,))
        (value, first), (_, second) = jax.jvp(rate, (t,), (1.0 + 0 * t,))
        return jnp.stack([value, first, second])

    return np.asarray(jax.vmap(along, out_axes=1)(jnp.asarray(phase)))


def _transitions(values: np.ndarray, steps: int, profile: np.ndarray):
    """(u, u', u''): half of the steps of an item go over to it, half to the next."""
    late = 2 * np.arange(steps) >= steps
    last = len(values) - 1
    number = np.arange(len(values))[:, None] + late[None, :]
    before = values[np.clip(number - 1, 0, last)]
    jump = values[np.clip(number, 0, last)] - before
    parts = [p.astype(values.dtype)[None, :, None] * jump for p in profile]
    shape = len(values) * steps, values.shape[1]
    return [part.reshape(shape) for part in (before + parts[0], *parts[1:])]


def _checked(name: str, values: Any) -> np.ndarray:
    values = _checks.real(name, values)
    _checks.shape(name, values, ("items", "channels"))
    _checks.finite(name, values)
    return values if values.dtype.kind == "f" else values.astype(float)
