"""Constrained mechanics of a user's own: the engine that STLP runs on."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn.mechanics import ConjugateGradients, GramSolve
from hamlearn.mechanics.constrained import constrained_euler_lagrange
from hamlearn.mechanics.damping import Projected
from hamlearn.mechanics.equations import DiagonalMass, euler_lagrange
from hamlearn.mechanics.solvers import RungeKutta4

ORDER8, CONTROL = dfx.Dopri8(), dfx.PIDController(rtol=1e-11, atol=1e-12)


def planar(t, q, v, args):
    """Two bodies of masses 1 and 2 under gravity 4, in Cartesian coordinates."""
    masses = jnp.array([1.0, 2.0])
    return jnp.sum(masses[:, None] * v**2) / 2 - 4.0 * jnp.sum(masses * q[:, 1])


def rods(t, q, args):
    """Both rods keep their length of 1; the first hangs on a point that swings."""
    top = jnp.stack([0.3 * jnp.sin(t), jnp.zeros_like(t)])
    return (
        jnp.stack([jnp.sum((q[0] - top) ** 2), jnp.sum((q[1] - q[0]) ** 2)]) / 2 - 0.5
    )


def angular(t, q, v, args):
    """The same system in angles."""
    cartesian = lambda t, q: positions(t, q)
    at, along = jax.jvp(cartesian, (t, q), (jnp.ones_like(t), v))
    return planar(t, at, along, args)


def positions(t, angles):
    top = jnp.stack([0.3 * jnp.sin(t), jnp.zeros_like(t)])
    rod = jnp.stack([jnp.sin(angles), -jnp.cos(angles)], axis=1)
    return top + jnp.cumsum(rod, axis=0)


def run(field, y0, solver=ORDER8, dt0=None, t1=3.0, control=CONTROL, saveat=None):
    return dfx.diffeqsolve(
        dfx.ODETerm(field), solver, 0.0, t1, dt0, y0,
        stepsize_controller=control, max_steps=50_000,
        saveat=dfx.SaveAt(ts=jnp.linspace(0.0, t1, 31)) if saveat is None else saveat,
    )  # fmt: skip


@pytest.mark.parametrize("gram", [None, ConjugateGradients()])
def test_a_driven_double_pendulum_moves_as_in_angles(gram):
    angles, rates = jnp.array([1.0, -0.5]), jnp.array([0.3, 0.2])
    y0 = jax.jvp(positions, (jnp.zeros(()), angles), (jnp.ones(()), rates))
    field = constrained_euler_lagrange(planar, rods, gram=gram)
    twin = run(euler_lagrange(angular), (angles, rates))
    ours = run(field, y0)
    expected = jax.vmap(positions)(twin.ts, twin.ys[0])
    np.testing.assert_allclose(ours.ys[0], expected, atol=1e-7)


def test_projection_of_a_solver_keeps_the_rods():
    """RK4 drifts by itself; projected it stays to rounding, and nearer the truth."""
    angles, rates = jnp.array([1.0, -0.5]), jnp.array([0.3, 0.2])
    y0 = jax.jvp(positions, (jnp.zeros(()), angles), (jnp.ones(()), rates))
    field = constrained_euler_lagrange(planar, rods)
    project = lambda t, y, args: field.project(t, y, args, newton=2)
    end = {"t1": 20.0, "saveat": dfx.SaveAt(t1=True)}
    fixed = {"dt0": 0.02, "control": dfx.ConstantStepSize()} | end
    free = run(field, y0, RungeKutta4(), **fixed)
    kept = run(field, y0, Projected(RungeKutta4(), project), **fixed)
    adaptive = run(field, y0, Projected(dfx.Tsit5(), project), **end)
    drift = lambda s: np.abs(jax.vmap(rods, (0, 0, None))(s.ts, s.ys[0], None)).max()
    assert drift(kept) < 1e-14
    assert drift(free) > 1e-7
    assert drift(adaptive) < 1e-14


def test_projection_is_along_the_mass_weighted_normal():
    """To first order the displacement is -M^-1 G_q^T A^-1 G, by NumPy."""
    t, v = jnp.array(0.2), jnp.ones((2, 2))
    q = positions(t, jnp.array([0.8, -0.1])) + 1e-5 * jnp.array(
        [[1.0, 2.0], [-1.0, 0.5]]
    )
    field = constrained_euler_lagrange(
        planar, rods, linear_solver=DiagonalMass(), gram=GramSolve()
    )
    moved, velocity = field.project(t, (q, v))
    J = np.asarray(jax.jacobian(rods, 1)(t, q, None)).reshape(2, 4)
    inverse = np.diag([1, 1, 0.5, 0.5])
    normal = inverse @ J.T @ np.linalg.inv(J @ inverse @ J.T)
    expected = np.ravel(q) - normal @ np.asarray(rods(t, q, None))
    np.testing.assert_allclose(np.ravel(moved), expected, atol=1e-14)
    J = np.asarray(jax.jacobian(rods, 1)(t, moved, None)).reshape(2, 4)
    rate = jax.jacobian(rods, 0)(t, moved, None) + J @ np.ravel(velocity)
    np.testing.assert_allclose(rate, 0, atol=1e-13)
