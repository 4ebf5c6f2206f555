"""The one scalar M of all laws with a costate, and what is made of it.

    M(w; x, v, lam, sample) = ell(x, w; sample) + <lam, G(x, v, w; sample)>

x state, v its rate, w everything that learns, lam the costate (the multiplier of the
residual G, the error of a neuron). The credit of every law is its derivative by w at
fixed x, v and lam. The action of a run is the integral of e^{theta t} times the
Lagrangian; the factor e^{theta t} never appears as a number, it acts through the
dissipation theta in the equations of motion.

With G = v - f the costate p of optimal control is -lam: M = ell + p.f - p.v.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp

from .._types import Array, Float, Number, Params, PyTree, Scalar
from ..networks.base import Network
from ..networks.batch import over_mean, over_streams, single
from ..networks.partition import join
from ..signals.signal import Sample
from .cost import Cost, cost_of_output, output_loss, running_cost
from .residual import AbstractResidual, Dynamical
from .trees import added, inner, negative, squared_norm


class Instant(eqx.Module):
    """One stream at one sample: where it is, and how its cost changes there.

    `x` state, `v` its rate, `heard` what the neurons heard (see `AbstractResidual`);
    `output` and `loss` before the sample teaches anything; `key` is fresh at every
    sample, for laws that draw. The rest is derived.
    """

    cost: Cost
    residual: AbstractResidual
    w: Params
    frozen: PyTree
    x: PyTree
    v: PyTree
    heard: PyTree
    sample: Sample
    dt: Scalar
    output: Float[Array, "outputs"]
    loss: Scalar
    key: Array | None = None

    @property
    def network(self) -> Network:
        """The network of this one stream."""
        return join(self.w, self.frozen)

    @property
    def u(self) -> Float[Array, "inputs"]:
        """The input."""
        return self.sample.input

    @property
    def ell_x(self) -> PyTree:
        """The derivative of the running cost by the state."""
        return jax.grad(self._ell)(self.x, self.w)

    @property
    def ell_w(self) -> Params:
        """The derivative of the running cost by the weights."""
        return jax.grad(self._ell, argnums=1)(self.x, self.w)

    @property
    def error(self) -> Float[Array, "outputs"]:
        """The derivative of q loss by the output."""
        slope = jax.grad(lambda y: output_loss(self.cost, y, self.sample))(self.output)
        return self.cost.loss_weight.astype(slope.dtype) * slope

    def transition(self, x: PyTree, w: Params) -> PyTree:
        """x_{k+1} as a function of x_k and w (perhaps some of them alone)."""
        return join(self.w | w, self.frozen).transition(x, self.u, self.dt)

    def _ell(self, x: PyTree, w: Params) -> Scalar:
        network = join(w, self.frozen)
        output = self.residual.output(network, x, self.v, self.u)
        return cost_of_output(self.cost, network, output, self.sample)


def augmented_cost(
    cost: Cost,
    residual: AbstractResidual,
    network: Network,
    x: PyTree,
    v: PyTree,
    multiplier: PyTree,
    sample: Sample,
    heard: PyTree = None,
    counted: Float[Array, "..."] | None = None,
) -> Scalar:
    """M = ell(x, w; sample) + <lam, G(x, v, w; sample)> of one stream.

    **Arguments:** `multiplier`: lam, of the structure of G; `heard`: see
    `AbstractResidual`; `counted`: how much ell counts, where some samples of a window
    only carry credit; None: fully.
    """
    G = residual(network, x, v, sample.input, heard)
    output = residual.output(network, x, v, sample.input)
    ell = cost_of_output(cost, network, output, sample)
    ell = ell if counted is None else counted.astype(ell.dtype) * ell
    return ell + inner(multiplier, G)


class Point(eqx.Module):
    """Where M is taken: state, rate, what was heard, multiplier, sample, and how much
    ell counts."""

    x: PyTree
    v: PyTree
    heard: PyTree
    multiplier: PyTree
    sample: Sample
    counted: Float[Array, "..."] | None = None


def credit(
    cost: Cost, residual: AbstractResidual, w: Params, frozen: PyTree, point: Point
) -> Params:
    """g = dM/dw at fixed x, v, lam: the credit of every law with a costate.

    **Arguments:** `point`: with a leading axis of streams where `frozen` is that of a
    `Batch`; M is then the mean.
    """

    def M(w: Params) -> Scalar:
        network = join(w, frozen)
        each = over_streams(network, partial(_at, cost, residual, single(network)))
        return over_mean(network, each(point))

    return jax.grad(M)(w)


def credit_over_time(
    cost: Cost, residual: AbstractResidual, w: Params, frozen: PyTree, points: Point
) -> Params:
    """The sum of `credit` over a leading axis of time.

    Samples are taken together, so that the weights' part is a product of matrices,
    in blocks whose memory is bounded.
    """

    def block(points: Point) -> Params:
        def M(w: Params) -> Scalar:
            network = join(w, frozen)
            each = over_streams(network, partial(_at, cost, residual, single(network)))
            return jnp.sum(
                jax.vmap(lambda point: over_mean(network, each(point)))(points)
            )

        return jax.grad(M)(w)

    length = jax.tree.leaves(points.sample)[0].shape[0]
    weights = sum(leaf.size for leaf in w.values())
    size = min(max(_BLOCK // max(weights, 1), 32), length)
    whole = size * (length // size)
    part = lambda lo, hi: jax.tree.map(lambda leaf: leaf[lo:hi], points)
    if whole == size:
        total = block(part(0, whole))
    else:
        blocks = jax.tree.map(
            lambda leaf: leaf.reshape(whole // size, size, *leaf.shape[1:]),
            part(0, whole),
        )
        zero = jax.tree.map(jnp.zeros_like, w)
        add = lambda total, points: (added(total, block(points)), None)
        total, _ = jax.lax.scan(add, zero, blocks)
    return total if whole == length else added(total, block(part(whole, length)))


_BLOCK = 2**22  # numbers, where each sample takes as many as there are weights


def _at(cost, residual, network, point: Point) -> Scalar:
    return augmented_cost(
        cost, residual, network, point.x, point.v, point.multiplier, point.sample,
        point.heard, point.counted,
    )  # fmt: skip


def lagrangian(
    cost: Cost,
    network: Network,
    x: PyTree,
    w_dot: Params,
    sample: Sample,
    *,
    inertia: Number = 1.0,
) -> Scalar:
    """L = r/2 |dw/dt|^2 + ell(x, w), to be minimised subject to dx/dt = f(x, w, u).

    **Arguments:** `network` holds w; `w_dot` has the structure of what learns in it;
    `inertia`: r > 0.

    Betti & Gori (2024), section 2.
    """
    return kinetic_energy(w_dot, inertia) + running_cost(cost, network, x, sample)


def hamiltonian(
    cost: Cost,
    network: Network,
    x: PyTree,
    p_x: PyTree,
    p_w: Params,
    sample: Sample,
    *,
    inertia: Number = 1.0,
) -> Scalar:
    """H = min over dw/dt of L + p_x.f + p_w.dw/dt, which is M at v = 0 less a square.

        H = ell(x, w) + p_x.f(x, w, u) - |p_w|^2/(2r)

    The minimum is at dw/dt = -p_w/r. Costates are the normalised ones: the true
    costates of the action divided by e^{theta t}.

    Betti & Gori (2024), theorem 1.
    """
    rest = jax.tree.map(jnp.zeros_like, p_x)
    M = augmented_cost(cost, Dynamical(), network, x, rest, negative(p_x), sample)
    return M - kinetic_at(p_w, inertia)


def kinetic_energy(w_dot: Params, inertia: Number) -> Scalar:
    """r/2 |dw/dt|^2."""
    if not jax.tree.leaves(w_dot):
        return jnp.asarray(0.0)
    size = squared_norm(w_dot)
    return jnp.asarray(inertia, size.dtype) / 2 * size


def kinetic_at(p_w: Params, inertia: Number) -> Scalar:
    """r/2 |dw/dt|^2 at dw/dt = -p_w/r, which is |p_w|^2/(2r)."""
    if not jax.tree.leaves(p_w):
        return jnp.asarray(0.0)
    size = squared_norm(p_w)
    return size / (2 * jnp.asarray(inertia, size.dtype))
