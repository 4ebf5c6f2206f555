"""The true optimum of learning as control: state and costate at both ends of time."""

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx

from .. import _checks
from .._types import Array, Float, Number, Params, PyTree, Scalar
from ..action.action import lagrangian
from ..action.cost import Cost
from ..action.trees import moved, squared_norm
from ..networks.base import NetworkLike
from ..networks.dynamics import started
from ..networks.partition import join, split
from ..run.patience import Patience
from ..signals.samples import traced
from ..signals.signal import Sample, SamplesLike
from ..signals.streams import check_stream


class Horizon(eqx.Module):
    """The problem: what is paid, where it starts, and all samples in advance.

    `inertia`: r > 0, what a change of the weights costs; `dissipation`: theta >= 0, of
    the weight e^{theta t} of the action.
    """

    cost: Cost
    inertia: Scalar
    dissipation: Scalar
    frozen: PyTree
    w: Params
    x: PyTree
    samples: Sample
    dt: Scalar

    @classmethod
    def of(
        cls,
        cost: Cost,
        network: NetworkLike,
        samples: SamplesLike,
        dt: Number,
        inertia: Number,
        dissipation: Number,
        x0: PyTree,
    ) -> "Horizon":
        """The problem of these arguments, in the dtype of the weights."""
        _checks.positive("dt", dt)
        _checks.positive("inertia", inertia)
        _checks.non_negative("dissipation", dissipation)
        network, x = started(network, x0)
        w, frozen = split(network)
        dtype = jnp.result_type(*w.values())
        r, theta, dt = (jnp.asarray(a, dtype) for a in (inertia, dissipation, dt))
        samples = traced(samples, dtype)
        check_stream(network, x, samples)
        return cls(cost, r, theta, frozen, w, x, samples, dt)

    @property
    def weights(self) -> Float[Array, "time"]:
        """e^{theta t} at every sample."""
        steps = jnp.arange(self.samples.target.shape[0], dtype=self.dt.dtype)
        return jnp.exp(self.dissipation * self.dt * steps)

    def action(self, v: Params) -> tuple[Scalar, Float[Array, "time outputs"]]:
        """(J, outputs)."""

        def body(carry, now):
            (x, w), (sample, v, weight) = carry, now
            network = join(w, self.frozen)
            L = lagrangian(self.cost, network, x, v, sample, inertia=self.inertia)
            output = network.readout(x, sample.input)
            x = network.transition(x, sample.input, self.dt)
            return (x, moved(w, self.dt, v)), (weight * L, output)

        start, now = (self.x, self.w), (self.samples, v, self.weights)
        _, (parts, outputs) = jax.lax.scan(body, start, now)
        return self.dt * jnp.sum(parts), outputs

    def residual(self, v: Params, g: Params) -> Scalar:
        """|r v + p_w| / |p_w|: the gradient g of J by v_k is dt e^{theta t_k} times
        r v + p_w."""
        size = self.dt * self.weights
        wide = lambda leaf: size.reshape(-1, *[1] * (leaf.ndim - 1))
        off = jax.tree.map(lambda g: g / wide(g), g)
        p_w = jax.tree.map(lambda a, v: a - self.inertia * v, off, v)
        size = squared_norm(p_w)
        return jnp.sqrt(squared_norm(off) / jnp.where(size > 0, size, 1))


class Optimum(eqx.Module):
    """The best path of the weights over a horizon, known in advance.

    `value`: the action J; `residual`: |r v + p_w| / |p_w| over the path, which
    Pontryagin's principle makes zero; `velocity`: dw/dt at every step; `outputs`;
    `steps`: iterations of the optimizer.
    """

    value: Scalar
    residual: Scalar
    velocity: Params
    outputs: Float[Array, "time outputs"]
    steps: int


def two_point(
    cost: Cost,
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    inertia: Number = 1.0,
    dissipation: Number = 0.0,
    x0: PyTree = None,
    velocity: Params | None = None,
    tolerance: float = 1e-8,
    max_steps: int = 20_000,
    progress: bool = True,
) -> Optimum:
    """Minimise the action over the path of the weights, for given samples.

        J(v) = dt sum_k e^{theta t_k} [ r/2 |v_k|^2 + ell(x_k, w_k) ]
        x_{k+1} = transition(x_k, w_k, u_k),   w_{k+1} = w_k + dt v_k

    by L-BFGS on v with the exact gradient of the discretised problem, which is
    dt e^{theta t} (r v + p_w): at the minimum the costates satisfy their condition at
    the end of time. The optimum is clairvoyant: no causal law can do better than its J.

    **Arguments:** `network`: holds w and x at the start; `inertia`: r > 0;
    `dissipation`: theta >= 0, in 1/time; `velocity`: a first guess (default: none
    moves); `tolerance`: on what a step still changes, of J and of the path, relative
    to the J of the guess; `max_steps`: of L-BFGS, line searches included;
    `progress`: a word on standard error after two seconds.

    **Returns:** an `Optimum`, whose residual says how near it is.
    """
    _checks.positive("tolerance", tolerance)
    horizon = Horizon.of(cost, network, samples, dt, inertia, dissipation, x0)
    if velocity is None:
        steps = horizon.samples.target.shape[0]
        rest = lambda leaf: jnp.zeros((steps, *leaf.shape), leaf.dtype)
        velocity = jax.tree.map(rest, horizon.w)
    with Patience("two_point", progress=progress):
        v, count = _descend(horizon, velocity, tolerance, max_steps)
        return appraise(horizon, v, steps=int(count))


def appraise(horizon: Horizon, velocity: Params, *, steps: int = 0) -> Optimum:
    """A given path of the weights as an `Optimum`: its J, outputs and residual."""
    value, outputs, residual = _report(horizon, velocity)
    return Optimum(value, residual, velocity, outputs, steps)


def action(
    cost: Cost,
    network: NetworkLike,
    samples: Sample,
    velocity: Params,
    *,
    dt: Number,
    inertia: Number = 1.0,
    dissipation: Number = 0.0,
    x0: PyTree = None,
) -> Scalar:
    """J(v) of `two_point`, for a given path of the weights."""
    horizon = Horizon.of(cost, network, samples, dt, inertia, dissipation, x0)
    return horizon.action(velocity)[0]


@eqx.filter_jit
def _report(horizon: Horizon, v: Params) -> tuple[Scalar, Array, Scalar]:
    (value, outputs), g = jax.value_and_grad(horizon.action, has_aux=True)(v)
    return value, outputs, horizon.residual(v, g)


@eqx.filter_jit
def _descend(horizon, v, tolerance, max_steps):
    """(the best path, iterations), from the path v.

    In units of J in which the kinetic part is |z|^2/2: its curvature is one, and one
    tolerance means the same for every problem.
    """
    J = horizon.action(v)[0]
    unit = jnp.where(J > 0, J, 1)
    size = jnp.sqrt(horizon.dt * horizon.inertia * horizon.weights / unit)
    wide = lambda leaf: size.reshape(-1, *[1] * (leaf.ndim - 1))
    path = lambda z: jax.tree.map(lambda z: z / wide(z), z)
    found = optx.minimise(
        lambda z, _: horizon.action(path(z))[0] / unit,
        optx.LBFGS(tolerance, tolerance, norm=optx.two_norm, history_length=20),
        jax.tree.map(lambda v: v * wide(v), v),
        max_steps=max_steps,
        throw=False,
    )
    return path(found.value), found.stats["num_steps"]
