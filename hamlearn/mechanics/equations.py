"""From one scalar to equations of motion, by automatic differentiation.

A Lagrangian is any function `L(t, q, v, args)`, a Hamiltonian any `H(t, q, p, args)`,
on any pytrees of arrays. Each transformation returns a vector field
`field(t, y, args)` that `diffrax.ODETerm` takes as it is.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from .._types import Field, Number, PyTree, Scalar, ScalarFunction
from ..action.trees import scaled


def hamilton(hamiltonian: ScalarFunction, *, dissipation: Number = 0.0) -> Field:
    """Hamilton's equations dq/dt = H_p, dp/dt = -H_q - theta p.

    theta is the dissipation of an action weighted with e^{theta t}, for the costate
    divided by that weight.

    **Example:** a spring.

        >>> import hamlearn as hl
        >>> field = hl.mechanics.hamilton(lambda t, q, p, args: p**2 / 2 + 3 * q**2 / 2)
        >>> dq, dp = field(0.0, (1.0, 2.0))
        >>> print(f"{dq:.1f} {dp:.1f}")
        2.0 -3.0

    **Returns:** the vector field of y = (q, p).
    """

    def field(t, y, args=None):
        q, p = y
        H_q, H_p = jax.grad(hamiltonian, argnums=(1, 2))(t, q, p, args)
        lost = scaled(dissipation, p)
        return H_p, jax.tree.map(lambda h, lost: -h - lost, H_q, lost)

    return field


def euler_lagrange(
    lagrangian: ScalarFunction,
    *,
    dissipation: Number = 0.0,
    linear_solver: lx.AbstractLinearSolver = lx.AutoLinearSolver(well_posed=True),  # noqa: B008
) -> Field:
    """d/dt L_v + theta L_v = L_q, solved for the acceleration.

        L_vv a = L_q - (L_vt + L_vq v) - theta L_v

    **Arguments:** `dissipation`: theta, for the action with weight e^{theta t};
    `linear_solver`: for the mass matrix L_vv, given as a matrix-free positive
    definite operator.

    **Example:** a pendulum hanging at a right angle.

        >>> import hamlearn as hl, jax.numpy as jnp
        >>> pendulum = lambda t, q, v, args: v**2 / 2 + jnp.cos(q)
        >>> field = hl.mechanics.euler_lagrange(pendulum)
        >>> velocity, acceleration = field(0.0, (jnp.pi / 2, jnp.array(0.0)))
        >>> print(f"{acceleration:.3f}")
        -1.000

    **Returns:** the vector field of y = (q, v).
    """

    def field(t, y, args=None):
        q, v = y
        force = generalised_force(lagrangian, t, q, v, args, dissipation)
        mass = mass_operator(lagrangian, t, q, v, args)
        return v, lx.linear_solve(mass, force, linear_solver).value

    return field


def generalised_force(
    lagrangian: ScalarFunction,
    t: Number,
    q: PyTree,
    v: PyTree,
    args: PyTree,
    dissipation: Number = 0.0,
) -> PyTree:
    """L_q - (L_vt + L_vq v) - theta L_v, all that the mass matrix balances.

    One gradient and one gradient's directional derivative: O(cost of L).
    """
    momentum = jax.grad(lagrangian, argnums=2)
    t = floating(t)
    L_v, drift = jax.jvp(
        lambda t, q: momentum(t, q, v, args), (t, q), (jnp.ones_like(t), v)
    )
    L_q = jax.grad(lagrangian, argnums=1)(t, q, v, args)
    lost = scaled(dissipation, L_v)
    return jax.tree.map(lambda f, d, lost: f - d - lost, L_q, drift, lost)


def floating(t: Number) -> Scalar:
    """A time that can be differentiated, in its own precision where it has one."""
    t = jnp.asarray(t)
    return t if jnp.issubdtype(t.dtype, jnp.inexact) else t.astype(float)


def mass_operator(
    lagrangian: ScalarFunction, t: Number, q: PyTree, v: PyTree, args: PyTree
) -> lx.AbstractLinearOperator:
    """L_vv as a linear operator: one jvp of a gradient a product, no matrix."""

    def product(direction):
        momentum = lambda v: jax.grad(lagrangian, argnums=2)(t, q, v, args)
        return jax.jvp(momentum, (v,), (direction,))[1]

    structure = eqx.filter_eval_shape(lambda: v)
    return lx.FunctionLinearOperator(product, structure, lx.positive_semidefinite_tag)


class DiagonalMass(lx.AbstractLinearSolver):
    """Solves with a mass matrix known to be diagonal: one product, one division."""

    def init(self, operator, options):
        return _ones_times(operator)

    def compute(self, state, vector, options):
        solution = jax.tree.map(lambda v, m: v / m, vector, state)
        return solution, lx.RESULTS.successful, {}

    def transpose(self, state, options):
        return state, options

    def conj(self, state, options):
        return state, options

    def assume_full_rank(self):
        return True


def _ones_times(operator: lx.AbstractLinearOperator) -> PyTree:
    """The diagonal of a diagonal operator, without a matrix."""
    structure = operator.in_structure()
    return operator.mv(jax.tree.map(lambda s: jnp.ones(s.shape, s.dtype), structure))


def energy(lagrangian: ScalarFunction) -> ScalarFunction:
    """The energy v.L_v - L of a Lagrangian, conserved where L does not depend on t."""

    def value(t, q, v, args=None):
        _, along = jax.jvp(lambda v: lagrangian(t, q, v, args), (v,), (v,))
        return along - lagrangian(t, q, v, args)

    return value
