"""Alignment against frequency times time constant: every law as a filter of errors."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float
from ..laws.base import AbstractLaw
from ..networks.base import AbstractNetwork, NetworkLike
from ..run.patience import Patience
from ..run.tables import Table
from ..signals.signal import Sample
from .alignment import alignment


def alignment_by_frequency(
    law: AbstractLaw,
    network: NetworkLike,
    drive: Callable[[Array], Array],
    target: AbstractNetwork | Callable[[Array], Array],
    *,
    frequencies: Sequence[float],
    time_constant: float = 1.0,
    steps: int = 3200,
    transient: float = 10.0,
    biases: bool = False,
    key: Array | None = None,
    progress: bool = True,
) -> Table:
    """Cosine of a law's credit with the exact gradient, for a periodic drive.

    The window is the fewest whole periods that last `transient` time constants, and
    as much time goes before it, so that what is left of the start does not pass for a
    disagreement. All frequencies share one compiled program.

    **Arguments:**

    - `law`: with any update; the weights are held.
    - `network`: its time constant, in units of which frequencies are given, is
      `time_constant`.
    - `drive`: u as a function of the phase omega t, of period 2 pi.
    - `target`: y likewise, or a teacher: a network that hears the same input.
    - `frequencies`: values of omega tau, all positive.
    - `steps`: samples in the window; `transient`: in time constants.
    - `biases`, `key`, `progress`: as for `alignment`.

    **Returns:** a table with one row per frequency and part (see `alignment`):
    `omega_tau`, `part`, `cosine`, `ratio`.
    """
    _checks.positive("time_constant", time_constant)
    _checks.positive("transient", transient)
    _checks.at_least("steps", steps, 16)
    rows, what = [], f"alignment of {law.title}"
    with Patience(what, len(frequencies), progress=progress) as patience:
        for omega in frequencies:
            _checks.positive("frequencies", omega)
            patience.at(f"omega tau = {omega:.3g}")
            samples, dt = periodic(
                drive, target, omega / time_constant, steps, transient * time_constant
            )
            if isinstance(target, AbstractNetwork):
                samples = taught(target, samples.input, dt)
            options = {"skip": steps, "biases": biases, "key": key, "progress": False}
            found = alignment(law, network, samples, dt=dt, **options)
            for row in found.rows():
                rows.append((float(omega), row["part"], row["cosine"], row["ratio"]))
    columns = ("omega_tau", "part", "cosine", "ratio")
    title = f"{law.title} against the exact gradient, by frequency"
    return Table(title, columns, tuple(rows))


def periodic(
    drive: Callable[[Array], Array],
    target: AbstractNetwork | Callable[[Array], Array],
    omega: float,
    steps: int,
    least: float,
) -> tuple[Sample, float]:
    """Twice the fewest whole periods of at least `least`, and dt."""
    count = int(np.ceil(least * omega / (2 * np.pi)))
    phase = 2 * jnp.pi * count / steps * jnp.arange(2.0 * steps)
    u = jax.vmap(drive)(phase)
    known = not isinstance(target, AbstractNetwork)
    y = jax.vmap(target)(phase) if known else jnp.zeros((2 * steps, 0))
    return Sample(u, y), 2 * np.pi * count / omega / steps


def taught(teacher: Any, inputs: Float[Array, "time inputs"], dt: float) -> Sample:
    """`inputs` with the answers of a network that hears them, from its rest on."""
    step = jnp.asarray(dt, inputs.dtype)

    def body(x, u):
        return teacher.transition(x, u, step), teacher.readout(x, u)

    _, y = jax.lax.scan(body, teacher.initial_state(), inputs)
    return Sample(inputs, y)
