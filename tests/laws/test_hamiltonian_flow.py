"""An own Hamiltonian over (x, w) as a law: what its step in turn conserves.

A pendulum whose angle is a weight: with the true sign the step in turn is the
semi-implicit Euler method, which is symplectic.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.costates import NoFlip
from hamlearn.mechanics import Euler, RungeKutta4


class Bob(eqx.Module):
    """Nothing moves but the angle, which learns."""

    angle: jax.Array

    def __call__(self, x, u):
        return 0 * x


def pendulum(network, x, p_x, p_w, sample):
    (momentum,) = p_w.values()
    return momentum**2 / 2 - jnp.cos(network.drift.angle)


def law(solver=None):
    with pytest.warns(UserWarning, match="diverges"):
        policy = NoFlip()
    return hl.HamiltonianLearning(
        policy=policy, dissipation=0.0, hamiltonian=pendulum, solver=solver
    )


def swing(solver, dt, steps, angle=1.2, momentum=0.3):
    """(angles, momenta) after every step."""
    made = law(solver)
    network = hl.Dynamics(Bob(jnp.asarray(angle)), initial_state=jnp.zeros(1))
    state = made.init(network)
    (name,) = state.w
    state = eqx.tree_at(lambda s: s.update[name], state, jnp.asarray(momentum))
    samples = hl.Sample(jnp.zeros((steps, 0)), jnp.zeros((steps, 1)))
    record = lambda state, sample, info: (state.w[name], state.update[name])
    return eqx.filter_jit(hl.scan)(made, state, samples, dt, record)[1]


def energy(path):
    q, p = map(np.asarray, path)
    return p**2 / 2 - np.cos(q)


def test_the_step_in_turn_by_hand():
    """The momentum first, then the angle with the new one."""
    path, (q, p) = swing(None, 0.1, 20), (1.2, 0.3)
    for k in range(20):
        p = p - 0.1 * np.sin(q)
        q = q + 0.1 * p
        np.testing.assert_allclose([path[0][k], path[1][k]], [q, p], rtol=1e-12)


def test_the_step_in_turn_keeps_the_energy_in_bounds():
    start = 0.045 - np.cos(1.2)
    error = np.abs(energy(swing(None, 0.05, 20_000)) - start)
    assert error.max() < 0.03
    # No drift: the last quarter is no worse than the first.
    assert error[-5000:].max() < 1.02 * error[:5000].max()
    explicit = np.abs(energy(swing(Euler(), 0.05, 2_000)) - start)
    assert explicit.max() > 10 * error.max()


def test_the_step_in_turn_preserves_area():
    made = law()
    state = made.init(hl.Dynamics(Bob(jnp.asarray(0.7)), initial_state=jnp.zeros(1)))
    (name,) = state.w
    sample = hl.Sample(jnp.zeros(0), jnp.zeros(1))

    def step(y):
        where = lambda s: (s.w[name], s.update[name])
        after, _ = made.step(
            eqx.tree_at(where, state, (y[0], y[1])), sample, jnp.asarray(0.3)
        )
        return jnp.stack(where(after))

    jacobian = jax.jacfwd(step)(jnp.array([0.7, -1.1]))
    np.testing.assert_allclose(np.linalg.det(jacobian), 1.0, rtol=1e-14)


def test_the_step_in_turn_is_of_order_one():
    wanted = swing(RungeKutta4(), 0.01, 200)[0][-1]
    errors = [
        abs(float(swing(None, 2 / steps, steps)[0][-1] - wanted))
        for steps in (200, 400)
    ]
    assert abs(np.log2(errors[0] / errors[1]) - 1) < 0.3


@pytest.mark.parametrize("solver", [None, RungeKutta4()], ids=["in turn", "at once"])
def test_held_weights_stay_and_the_state_goes_on(solver, getkey):
    """`estimate` is H_w, and moves x as if the weights were at rest."""
    network = hl.RateNetwork(
        hl.Digraph.complete(4, self_loops=True), inputs=1, key=getkey()
    )
    made = hl.HamiltonianLearning(
        policy=hl.costates.SmoothSign(), inertia=0.1, dissipation=1.0, solver=solver
    )
    samples = hl.Sample(jnp.ones((40, 1)), jnp.full((40, 1), 0.4))
    state, _ = eqx.filter_jit(hl.scan)(made, made.init(network), samples, 0.05)
    assert max(np.abs(leaf).max() for leaf in state.update.values()) > 1e-2
    result = hl.stream(made, state, samples, dt=0.05, learn=False, progress=False)
    for name in state.w:
        np.testing.assert_array_equal(result.state.w[name], state.w[name])
        np.testing.assert_array_equal(result.state.update[name], state.update[name])
    x, still = state.x, state.network
    for k in range(40):
        np.testing.assert_allclose(result.output[k], x[-1:], rtol=1e-10)
        u = samples.input[k]
        if solver is None:
            x = x + 0.05 * still(x, u)
        else:
            x = rk4(lambda x, u=u: still(x, u), x, 0.05)


def rk4(f, x, h):
    a = f(x)
    b = f(x + h / 2 * a)
    c = f(x + h / 2 * b)
    return x + h / 6 * (a + 2 * b + 2 * c + f(x + h * c))
