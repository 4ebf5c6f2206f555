"""Classical systems with known motion, as Lagrangians and constraints."""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ellipk


class System(NamedTuple):
    """A Lagrangian L(t, q, v, args), a start (q, v) and what is known of the motion."""

    lagrangian: Callable
    q: Any
    v: Any
    period: float | None = None


def integrate(field, y0, times, args=None, **tolerances):
    """States at `times`, by an adaptive solver of order 8."""
    times = jnp.asarray(times)
    controller = dfx.PIDController(**({"rtol": 1e-11, "atol": 1e-12} | tolerances))
    solve = jax.jit(
        lambda y0: (
            dfx.diffeqsolve(
                dfx.ODETerm(field),
                dfx.Dopri8(),
                times[0],
                times[-1],
                None,
                y0,
                args,
                stepsize_controller=controller,
                saveat=dfx.SaveAt(ts=times),
                max_steps=20_000,
            ).ys
        )
    )
    return solve(y0)


def pendulum(amplitude: float) -> System:
    """Unit mass and length, gravity 4; period 4 K(sin^2(A/2)) / sqrt(g)."""

    def lagrangian(t, q, v, args):
        return v**2 / 2 + 4.0 * jnp.cos(q)

    period = 4 * ellipk(np.sin(amplitude / 2) ** 2) / 2
    return System(lagrangian, jnp.asarray(amplitude), jnp.asarray(0.0), float(period))


def kepler(eccentricity: float) -> System:
    """A planet at perihelion of an ellipse of semi-axis 1 around mass 2."""

    def lagrangian(t, q, v, args):
        return jnp.sum(v**2) / 2 + 2.0 / jnp.sqrt(jnp.sum(q**2))

    speed = np.sqrt(2.0 * (1 + eccentricity) / (1 - eccentricity))
    q, v = jnp.array([1 - eccentricity, 0.0]), jnp.array([0.0, speed])
    return System(lagrangian, q, v, float(2 * np.pi / np.sqrt(2.0)))


MASSES, LENGTHS, GRAVITY = (1.0, 0.7), (1.0, 0.8), 9.81


def double_pendulum() -> System:
    """In angles from the vertical."""

    def positions(q):
        x1 = LENGTHS[0] * jnp.stack([jnp.sin(q[0]), -jnp.cos(q[0])])
        x2 = x1 + LENGTHS[1] * jnp.stack([jnp.sin(q[1]), -jnp.cos(q[1])])
        return x1, x2

    def lagrangian(t, q, v, args):
        (x1, x2), (v1, v2) = jax.jvp(positions, (q,), (v,))
        kinetic = (MASSES[0] * jnp.sum(v1**2) + MASSES[1] * jnp.sum(v2**2)) / 2
        return kinetic - GRAVITY * (MASSES[0] * x1[1] + MASSES[1] * x2[1])

    return System(lagrangian, jnp.array([1.2, -0.5]), jnp.array([0.3, 0.8]))


def to_plane(q, v):
    """Positions and velocities of the two masses, as trees, from angles."""

    def positions(q):
        upper = LENGTHS[0] * jnp.stack([jnp.sin(q[0]), -jnp.cos(q[0])])
        lower = upper + LENGTHS[1] * jnp.stack([jnp.sin(q[1]), -jnp.cos(q[1])])
        return {"upper": upper, "lower": lower}

    return jax.jvp(positions, (q,), (v,))


def two_masses() -> System:
    """The same double pendulum in the plane; the rods are `rods`."""

    def lagrangian(t, q, v, args):
        total = 0.0
        for name, mass in zip(("upper", "lower"), MASSES, strict=True):
            total += mass * (jnp.sum(v[name] ** 2) / 2 - GRAVITY * q[name][1])
        return total

    angles = double_pendulum()
    return System(lagrangian, *to_plane(angles.q, angles.v))


def rods(t, q, args):
    """Half the squared lengths of the two rods, less what they must be."""
    return (
        (jnp.sum(q["upper"] ** 2) - LENGTHS[0] ** 2) / 2,
        (jnp.sum((q["lower"] - q["upper"]) ** 2) - LENGTHS[1] ** 2) / 2,
    )


def spherical_pendulum(gravity: float) -> System:
    """A particle in space, to be held on the unit sphere."""

    def lagrangian(t, q, v, args):
        return jnp.sum(v**2) / 2 - gravity * q[2]

    q = jnp.array([0.6, 0.0, -0.8])
    return System(lagrangian, q, jnp.array([0.4, 1.1, 0.3]))


def sphere(t, q, args):
    return (jnp.sum(q**2) - 1) / 2


def oscillator(frequency: float) -> System:
    def lagrangian(t, q, v, args):
        return v**2 / 2 - frequency**2 * q**2 / 2

    return System(lagrangian, jnp.asarray(1.0), jnp.asarray(0.5))


def damped(frequency, theta, q, v, t):
    """q'' + theta q' + frequency^2 q = 0, underdamped."""
    omega = np.sqrt(frequency**2 - theta**2 / 4)
    swing = q * np.cos(omega * t) + (v + theta / 2 * q) / omega * np.sin(omega * t)
    return np.exp(-theta / 2 * t) * swing
