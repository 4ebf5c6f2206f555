"""The solvers' orders, also under diffrax's driver."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn.mechanics.solvers import Euler, Heun, RungeKutta4

PLAIN = {1: Euler(), 2: Heun(), 4: RungeKutta4()}


def field(t, y, args):
    """Depends on time and on args, and couples its two leaves nonlinearly."""
    return {
        "a": args * y["b"] - jnp.sin(y["a"]) + jnp.cos(3 * t),
        "b": -y["a"] * y["b"] - 0.3 * y["b"] ** 2 + t,
    }


START = {"a": jnp.array([0.4, -1.0]), "b": jnp.array([1.0, 0.3])}
ARGS = jnp.asarray(1.5)


@eqx.filter_jit
def exact(times):
    return dfx.diffeqsolve(
        dfx.ODETerm(field),
        dfx.Dopri8(),
        0.0,
        2.0,
        None,
        START,
        ARGS,
        stepsize_controller=dfx.PIDController(rtol=1e-12, atol=1e-13),
        saveat=dfx.SaveAt(ts=times),
    ).ys


@eqx.filter_jit
def by_hand(solver, steps):
    """The last state, step after step."""
    h = 2.0 / steps.astype(float)

    def step(k, y):
        t = k.astype(float) * h
        return solver.step(dfx.ODETerm(field), t, t + h, y, ARGS, None, False)[0]

    return jax.lax.fori_loop(0, steps, step, START)


@eqx.filter_jit
def driven(solver, steps, times):
    """Dense output of diffeqsolve at times between the steps."""
    return dfx.diffeqsolve(
        dfx.ODETerm(field),
        solver,
        0.0,
        2.0,
        2.0 / steps,
        START,
        ARGS,
        saveat=dfx.SaveAt(ts=times),
    ).ys


def distance(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return max(float(jnp.max(jnp.abs(x - y))) for x, y in leaves)


def order_of(errors):
    return np.log2(errors[0] / errors[1])


@pytest.mark.parametrize("order", PLAIN)
def test_convergence_order(order):
    end = jax.tree.map(lambda leaf: leaf[0], exact(jnp.array([2.0])))
    steps = jnp.array([160, 320])
    errors = [distance(by_hand(PLAIN[order], n), end) for n in steps]
    assert abs(order_of(errors) - order) < 0.3
    assert PLAIN[order].order(None) == order


@pytest.mark.parametrize("order", PLAIN)
def test_convergence_order_of_dense_output(order):
    """Between the steps a cubic, which loses no order."""
    times = jnp.linspace(0.001, 1.999, 997)  # at all places within a step
    wanted = exact(times)["a"]
    errors = [
        jnp.mean(jnp.abs(driven(PLAIN[order], n, times)["a"] - wanted))
        for n in (80, 160)
    ]
    # Hermite interpolation adds an error of order 4.
    assert abs(order_of(errors) - order) < 0.3


@pytest.mark.parametrize("order", PLAIN)
def test_driven_and_by_hand_agree(order):
    got = driven(PLAIN[order], 100, jnp.array([2.0]))
    wanted = by_hand(PLAIN[order], jnp.asarray(100))
    assert distance(jax.tree.map(lambda leaf: leaf[0], got), wanted) < 1e-12


@pytest.mark.parametrize(
    ("order", "theirs"), [(1, dfx.Euler()), (2, dfx.Heun())], ids=["euler", "heun"]
)
def test_the_same_numbers_as_diffrax(order, theirs):
    times = jnp.array([0.5, 1.0, 2.0])
    assert distance(driven(PLAIN[order], 40, times), driven(theirs, 40, times)) < 1e-12


def test_runge_kutta_tableau():
    """One step of y' = t^3 y^0 and of y' = y: Simpson's rule and the series to h^4."""
    solver, h = RungeKutta4(), 0.3
    one = lambda f: solver.step(
        dfx.ODETerm(f), 0.2, 0.2 + h, jnp.asarray(1.0), None, None, False
    )[0]
    np.testing.assert_allclose(
        one(lambda t, y, _: t**3 + 0 * y), 1 + (0.5**4 - 0.2**4) / 4, rtol=1e-14
    )
    series = 1 + h + h**2 / 2 + h**3 / 6 + h**4 / 24
    np.testing.assert_allclose(one(lambda t, y, _: y), series, rtol=1e-14)


def test_steps_keep_single_precision():
    y = jnp.ones(3, jnp.float32)
    for solver in PLAIN.values():
        term = dfx.ODETerm(lambda t, y, _: -y)
        h = jnp.asarray(0.1)  # double
        y1, _, dense, _, _ = solver.step(term, 0 * h, h, y, None, None, False)
        assert {leaf.dtype for leaf in jax.tree.leaves((y1, dense))} == {y.dtype}
        np.testing.assert_allclose(y1, np.exp(-0.1), atol=6e-3)
