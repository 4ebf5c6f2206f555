"""From a Lagrangian to its Hamiltonian."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax.flatten_util import ravel_pytree

from .._types import PyTree, Scalar, ScalarFunction
from ..action.trees import inner


class DampedNewton(optx.AbstractGaussNewton):
    """Newton's method, with steps halved while they do not come closer.

    A full step from v = 0 may leave the velocities where L is defined.
    """

    rtol: float
    atol: float
    norm: Callable[[PyTree], Scalar] = optx.max_norm
    descent: optx.AbstractDescent = optx.NewtonDescent()
    search: optx.AbstractSearch = optx.BacktrackingArmijo()
    verbose: Callable[..., None] = eqx.field(
        static=True, default=lambda *args, **kwargs: None
    )


def legendre(
    lagrangian: ScalarFunction,
    *,
    solver: optx.AbstractRootFinder | optx.AbstractLeastSquaresSolver | None = None,
    max_steps: int = 256,
) -> ScalarFunction:
    """The Hamiltonian H(t, q, p) = p.v - L(t, q, v) at the v where dL/dv = p.

    For any L that is smooth and strictly convex in v, and finite at v = 0. H can be
    differentiated (the root is implicitly differentiated), so `hamilton` takes it as
    it is. Where no velocity is found H is NaN.

    **Arguments:** `lagrangian`: L(t, q, v, args) on any pytrees q, v; `solver`: finds
    v, to the tolerance it carries; by default Newton's method with damped steps, to
    rounding error, exact in one step where L is quadratic in v.

    **Returns:** `H(t, q, p, args)`.
    """

    def velocity(t, q, p, args):
        flat_p, unravel = ravel_pytree(p)
        # Newton's next step would have the square of this error.
        tolerance = float(jnp.finfo(flat_p.dtype).eps) ** (2 / 3)
        finder = DampedNewton(tolerance, tolerance) if solver is None else solver

        def residual(v, _):
            momentum = jax.grad(lagrangian, argnums=2)(t, q, unravel(v), args)
            return ravel_pytree(momentum)[0] - flat_p

        start = jnp.zeros_like(flat_p)
        root = optx.root_find(residual, finder, start, max_steps=max_steps, throw=False)
        found = root.result == optx.RESULTS.successful
        return unravel(jnp.where(found, root.value, jnp.nan))

    def hamiltonian(t, q, p, args=None):
        v = velocity(t, q, p, args)
        return inner(p, v) - lagrangian(t, q, v, args)

    return hamiltonian
