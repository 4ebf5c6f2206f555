"""What keeps a constrained motion on its constraints, as objects.

The multipliers only hold d^2 G/dt^2; errors of G and dG/dt are the integrator's.
"""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import ConstraintFunction, Number, PyTree, ScalarFunction
from ..action.trees import added, scaled, squared_norm

Lagrangian = ScalarFunction
Constraint = ConstraintFunction


class AbstractStabilisation(eqx.Module):
    """What d^2 G/dt^2 shall be, what is added to the scalars, what a step ends with."""

    @abstractmethod
    def __call__(self, G: PyTree, G_dot: PyTree) -> PyTree:
        """The wanted d^2 G/dt^2."""

    @abstractmethod
    def lagrangian(self, lagrangian: Lagrangian, constraint: Constraint) -> Lagrangian:
        """The Lagrangian that the motion shall have."""

    @abstractmethod
    def multiplier(self, delta: PyTree, G: PyTree) -> PyTree:
        """The multiplier that acts, given the one that holds d^2 G/dt^2."""

    @property
    @abstractmethod
    def projections(self) -> int:
        """Newton steps onto the constraints between two steps of a solver."""


class Baumgarte(AbstractStabilisation):
    """Drift control G'' = -2 alpha G' - beta^2 G, from `alpha`, `beta` in 1/time.

    Both zero leave d^2 G/dt^2 = 0 (Betti & Gori 2019), under which errors of G grow
    linearly in time. alpha = theta/2, beta = 0 is what comes out when the multipliers
    are derived with G_q v replaced by -G_t: errors of G' decay, those of G stay.
    """

    alpha: Number = 0.0
    beta: Number = 0.0

    def __check_init__(self):
        _checks.non_negative("alpha", self.alpha)
        _checks.non_negative("beta", self.beta)

    def __call__(self, G: PyTree, G_dot: PyTree) -> PyTree:
        alpha, beta = jnp.asarray(self.alpha), jnp.asarray(self.beta)
        damped, held = scaled(-2 * alpha, G_dot), scaled(-(beta**2), G)
        return added(damped, held)

    def lagrangian(self, lagrangian, constraint):
        return lagrangian

    def multiplier(self, delta, G):
        return delta

    @property
    def projections(self):
        return 0


class Projection(AbstractStabilisation):
    """Back onto G = 0 and dG/dt = 0 between steps, along the mass-weighted normal.

        q <- q - M^-1 G_q^T A^-1 G,     v <- v - M^-1 G_q^T A^-1 dG/dt

    **Arguments:** `newton`: how often the first line is repeated; `within`: drift
    control in the vector field itself, for solvers that do not project.
    """

    newton: int = eqx.field(static=True, default=1)
    within: Baumgarte = Baumgarte()

    def __check_init__(self):
        _checks.at_least("newton", self.newton, 1)
        _checks.instance("within", self.within, Baumgarte)

    def __call__(self, G, G_dot):
        return self.within(G, G_dot)

    def lagrangian(self, lagrangian, constraint):
        return lagrangian

    def multiplier(self, delta, G):
        return delta

    @property
    def projections(self):
        return self.newton


class ConstraintPotential(AbstractStabilisation):
    """The potential stiffness/2 |G|^2 in the Lagrangian (Betti & Gori 2019).

    It changes nothing: the multipliers contain G_q M^-1 V_q, so that they come out
    larger by stiffness G, which cancels the new force on and off the constraints.
    """

    stiffness: Number

    def __check_init__(self):
        _checks.non_negative("stiffness", self.stiffness)

    def __call__(self, G, G_dot):
        return jax.tree.map(jnp.zeros_like, G)

    def lagrangian(self, lagrangian, constraint):
        def with_potential(t, q, v, args):
            size = squared_norm(constraint(t, q, args))
            return lagrangian(t, q, v, args) - scaled(self.stiffness, size) / 2

        return with_potential

    def multiplier(self, delta, G):
        return delta

    @property
    def projections(self):
        return 0


class ConstraintForce(AbstractStabilisation):
    """The force of stiffness/2 |G|^2, unknown to the multipliers.

    The other reading of the same proposal: G'' = -stiffness A G, an undamped
    oscillator; explicit methods of low order blow up. With alpha > 0 it is damped,
    G'' = -2 alpha G' - stiffness A G.
    """

    stiffness: Number
    alpha: Number = 0.0

    def __check_init__(self):
        _checks.non_negative("stiffness", self.stiffness)
        _checks.non_negative("alpha", self.alpha)

    def __call__(self, G, G_dot):
        return scaled(-2 * jnp.asarray(self.alpha), G_dot)

    def lagrangian(self, lagrangian, constraint):
        return lagrangian

    def multiplier(self, delta, G):
        return jax.tree.map(jnp.subtract, delta, scaled(self.stiffness, G))

    @property
    def projections(self):
        return 0
