"""The solvers' orders, also under diffrax's driver, and what they conserve."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn import Euler, Heun, RungeKutta4, SemiImplicitEuler
from hamlearn.mechanics.solvers import in_turn, move, move_in_turn

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


class Phase(eqx.Module):
    q: jax.Array
    p: jax.Array


def pendulum(t, y, args):
    return Phase(y.p, -jnp.sin(y.q))


SYMPLECTIC = SemiImplicitEuler(costates=lambda y: y.p)


@eqx.filter_jit
def swing(solver, h, steps):
    y0 = Phase(jnp.asarray(1.2), jnp.asarray(0.3))

    def step(y, _):
        y = solver.step(dfx.ODETerm(pendulum), 0.0, h, y, None, None, False)[0]
        return y, y

    return jax.lax.scan(step, y0, length=steps)[1]


def energy(y):
    return np.asarray(y.p**2 / 2 - jnp.cos(y.q))


def test_semi_implicit_euler_by_hand():
    path, (q, p) = swing(SYMPLECTIC, jnp.asarray(0.1), 20), (1.2, 0.3)
    for k in range(20):
        p = p - 0.1 * np.sin(q)
        q = q + 0.1 * p
        np.testing.assert_allclose([path.q[k], path.p[k]], [q, p], rtol=1e-12)


def test_semi_implicit_euler_keeps_the_energy_in_bounds():
    start = 0.045 - np.cos(1.2)
    error = np.abs(energy(swing(SYMPLECTIC, jnp.asarray(0.05), 20_000)) - start)
    assert error.max() < 0.03
    # No drift: the last thousandth is no worse than the first.
    assert error[-5000:].max() < 1.02 * error[:5000].max()
    explicit = np.abs(energy(swing(Euler(), jnp.asarray(0.05), 20_000)) - start)
    assert explicit[:2000].max() > 10 * error.max()


def test_semi_implicit_euler_preserves_area():
    def step(y):
        y = Phase(*y)
        y = SYMPLECTIC.step(dfx.ODETerm(pendulum), 0.0, 0.3, y, None, None, False)[0]
        return jnp.stack([y.q, y.p])

    jacobian = jax.jacfwd(step)(jnp.array([0.7, -1.1]))
    np.testing.assert_allclose(np.linalg.det(jacobian), 1.0, rtol=1e-14)


def test_semi_implicit_euler_is_of_order_one():
    wanted = swing(RungeKutta4(), jnp.asarray(0.01), 200)
    errors = []
    for steps in (200, 400):
        path = swing(SYMPLECTIC, jnp.asarray(2 / steps), steps)
        errors.append(abs(float(path.q[-1] - wanted.q[-1])))
    assert abs(order_of(errors) - 1) < 0.3


def test_steps_keep_single_precision():
    y = jnp.ones(3, jnp.float32)
    for solver in PLAIN.values():
        term = dfx.ODETerm(lambda t, y, _: -y)
        h = jnp.asarray(0.1)  # double
        y1, _, dense, _, _ = solver.step(term, 0 * h, h, y, None, None, False)
        assert {leaf.dtype for leaf in jax.tree.leaves((y1, dense))} == {y.dtype}
        np.testing.assert_allclose(y1, np.exp(-0.1), atol=6e-3)


def test_in_turn_changes_no_number(getkey):
    y = {"x": jnp.ones(3), "w": jax.random.normal(getkey(), (130, 130))}
    rates = {"x": jnp.ones(3), "w": jax.random.normal(getkey(), (130, 130))}
    for h in (0.1, jnp.asarray(0.1)):
        found, plain = move_in_turn(y, h, rates), move(y, h, rates)
        assert all(jnp.array_equal(found[k], plain[k]) for k in y)
    lost = move_in_turn(y, 0.1, rates | {"x": jnp.full(3, jnp.nan)})
    assert jnp.array_equal(lost["w"], y["w"])


def test_in_turn_takes_counters_keys_and_any_precision():
    first = (jnp.ones(2, jnp.float32), jnp.ones(2), jnp.arange(3), jax.random.key(0))
    old, new = jnp.zeros((70, 70)), jnp.ones((70, 70))
    for last, found in ((1.0, new), (jnp.inf, old)):
        changed = in_turn((*first, jnp.full(1, last)), (new, old))
        assert jnp.array_equal(changed[0], found)
