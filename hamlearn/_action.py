"""The scalars of learning, each written once; every law is derived from them.

Notation: x state, w everything that learns, p_x and p_w their costates, u input,
y target, q accuracy, r inertia, r_w weight decay. The action of a run is the integral
of e^{theta t} `lagrangian`; the factor e^{theta t} never appears as a number, it acts
through the dissipation theta in the equations of motion.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jax.flatten_util import ravel_pytree

from . import _checks
from ._network import AbstractNetwork, split
from ._signal import Sample
from ._types import Array, Float, Loss, Params, PyTree, Scalar


def squared_error(
    output: Float[Array, "outputs"], target: Float[Array, "outputs"]
) -> Scalar:
    """1/2 |output - target|^2."""
    return jnp.sum((output - target) ** 2) / 2


def cross_entropy(
    output: Float[Array, "outputs"], target: Float[Array, "outputs"]
) -> Scalar:
    """- sum_k target_k log softmax(output)_k, for targets that sum to one."""
    return -jnp.sum(target * jax.nn.log_softmax(output))


class Cost(eqx.Module):
    """What learning costs: ell = q loss(output, target) + r_w/2 |w|^2, r/2 |dw/dt|^2.

    **Arguments:**

    - `loss`: of one output vector and one target vector; a batch is averaged.
    - `accuracy`: q >= 0, how much the loss weighs.
    - `weight_decay`: r_w >= 0.
    - `inertia`: r > 0, what a change of the weights costs; 1/r acts as a step size.
    - `dissipation`: theta, in 1/time: the action carries the factor e^{theta t}.
    """

    accuracy: Scalar
    weight_decay: Scalar | float
    inertia: Scalar
    dissipation: Scalar
    loss: Loss = eqx.field(static=True)

    def __init__(
        self,
        *,
        loss: Loss = squared_error,
        accuracy: Any = 1.0,
        weight_decay: Any = 0.0,
        inertia: Any = 1.0,
        dissipation: Any = 0.0,
    ):
        if not callable(loss):
            _checks.reject("loss", "a function of output and target", loss)
        _checks.non_negative("accuracy", accuracy)
        _checks.non_negative("weight_decay", weight_decay)
        _checks.positive("inertia", inertia)
        _checks.non_negative("dissipation", dissipation)
        self.loss = loss
        self.accuracy = jnp.asarray(accuracy)
        # No decay stays a Python zero, which a compiled program knows to leave out.
        none = isinstance(weight_decay, int | float) and weight_decay == 0
        self.weight_decay = 0.0 if none else jnp.asarray(weight_decay)
        self.inertia = jnp.asarray(inertia)
        self.dissipation = jnp.asarray(dissipation)


def output_loss(
    cost: Cost, output: Float[Array, "*batch outputs"], sample: Sample
) -> Scalar:
    """loss(output, target), times the weight of the sample, averaged over a batch."""
    loss = cost.loss
    for _ in range(output.ndim - 1):
        loss = jax.vmap(loss)
    losses = loss(output, sample.target)
    return jnp.mean(losses if sample.weight is None else sample.weight * losses)


def running_cost(
    cost: Cost, network: AbstractNetwork, x: PyTree, sample: Sample
) -> Scalar:
    """ell(x, w) = q loss(h(x, u), y) + r_w/2 |w|^2."""
    loss = output_loss(cost, network.readout(x, sample.input), sample)
    return cost.accuracy * loss + decay_cost(cost, split(network)[0])


def decay_cost(cost: Cost, w: Params) -> Scalar | float:
    """r_w/2 |w|^2, without looking at w where there is no decay."""
    if isinstance(cost.weight_decay, float) and cost.weight_decay == 0:
        return 0.0
    return cost.weight_decay / 2 * squared_norm(w)


def lagrangian(
    cost: Cost, network: AbstractNetwork, x: PyTree, w_dot: Params, sample: Sample
) -> Scalar:
    """L = r/2 |dw/dt|^2 + ell(x, w), to be minimised subject to dx/dt = f(x, w, u).

    **Arguments:** `network` holds w; `w_dot` has the structure of what learns in it.

    Betti & Gori (2024), section 2.
    """
    kinetic = cost.inertia / 2 * squared_norm(w_dot)
    return kinetic + running_cost(cost, network, x, sample)


def hamiltonian(
    cost: Cost,
    network: AbstractNetwork,
    x: PyTree,
    p_x: PyTree,
    p_w: Params,
    sample: Sample,
) -> Scalar:
    """H = min over v of L(x, w, v) + p_x.f + p_w.v.

        H = ell(x, w) + p_x.f(x, w, u) - |p_w|^2/(2r)

    The minimum is at v = dw/dt = -p_w/r. Costates are the normalised ones: the true
    costates of the action divided by e^{theta t}.

    Betti & Gori (2024), theorem 1.
    """
    power = inner(p_x, network(x, sample.input))
    return running_cost(cost, network, x, sample) + power - kinetic_at(cost, p_w)


def lagrangian_at(
    cost: Cost, network: AbstractNetwork, x: PyTree, p_w: Params, sample: Sample
) -> Scalar:
    """`lagrangian` at the minimising velocity dw/dt = -p_w/r."""
    return kinetic_at(cost, p_w) + running_cost(cost, network, x, sample)


def kinetic_at(cost: Cost, p_w: Params) -> Scalar:
    """r/2 |dw/dt|^2 at dw/dt = -p_w/r, which is |p_w|^2/(2r)."""
    return squared_norm(p_w) / (2 * cost.inertia)


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
    lagrangian: Callable[..., Scalar],
    *,
    solver: optx.AbstractRootFinder | optx.AbstractLeastSquaresSolver | None = None,
    max_steps: int = 256,
) -> Callable[..., Scalar]:
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


def inner(a: PyTree, b: PyTree) -> Scalar:
    """Sum of products of two trees of the same structure."""
    # A sum of products, not a dot product: XLA fuses it with what makes a and b.
    products = jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)
    # A Python zero: a single-precision sum stays so, also where doubles are enabled.
    return jax.tree.reduce(jnp.add, products, jnp.asarray(0.0))


def squared_norm(a: PyTree) -> Scalar:
    """Sum of squares of all entries of a tree."""
    return jax.tree.reduce(jnp.add, jax.tree.map(_sum_of_squares, a), jnp.asarray(0.0))


def _sum_of_squares(x: Array) -> Scalar:
    if x.ndim < 2:
        return jnp.sum(x * x)
    # Columns first, held apart from their sum: merged into one, the two are a
    # reduction that takes several times as long on a CPU.
    return jnp.sum(jax.lax.optimization_barrier(jnp.sum(x * x, axis=0)))
