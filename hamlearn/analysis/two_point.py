"""The true optimum of learning as control: state and costate at both ends of time."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._types import Array, Float, Params, PyTree, Scalar
from ..action.action import lagrangian
from ..action.cost import Cost
from ..action.trees import squared_norm
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ..rules._online import transition
from ..signals.signal import Sample


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
    network: Any,
    samples: Sample,
    *,
    dt: Any,
    x0: PyTree = None,
    velocity: Params | None = None,
    tolerance: float = 3e-4,
    max_steps: int = 5000,
) -> Optimum:
    """Minimise the action over the path of the weights, for given samples.

        J(v) = dt sum_k e^{theta t_k} [ r/2 |v_k|^2 + ell(x_k, w_k) ]
        x_{k+1} = x_k + dt f(x_k, w_k, u_k),   w_{k+1} = w_k + dt v_k

    by L-BFGS on v with the exact gradient of the discretised problem, which is
    dt (r v + p_w): at the minimum the costates satisfy their condition at the end of
    time. The optimum is clairvoyant: no causal law can do better than its J.

    **Arguments:** `network`: holds w and x at the start; `velocity`: a first guess
    (default: none moves); `tolerance`: on the residual; `max_steps`: of L-BFGS.

    **Returns:** an `Optimum`.
    """
    _checks.positive("tolerance", tolerance)
    network = as_network(network, x0)
    x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
    w, frozen = split(network)
    steps = samples.target.shape[0]
    if velocity is None:
        rest = lambda leaf: jnp.zeros((steps, *leaf.shape), leaf.dtype)
        velocity = jax.tree.map(rest, w)
    dt = jnp.asarray(dt, jnp.result_type(*w.values()))
    problem = (cost, frozen, w, x, samples, dt)
    # optax mixes its counters with floats, which strict promotion forbids.
    with jax.numpy_dtype_promotion("standard"):
        v, count = _descend(problem, velocity, jnp.asarray(tolerance), max_steps)
    return appraise(cost, network, samples, v, dt=dt, x0=x0, steps=int(count))


def appraise(
    cost: Cost,
    network: Any,
    samples: Sample,
    velocity: Params,
    *,
    dt: Any,
    x0: PyTree = None,
    steps: int = 0,
) -> Optimum:
    """A given path of the weights as an `Optimum`: its J, outputs and residual."""
    network = as_network(network, x0)
    x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
    w, frozen = split(network)
    dt = jnp.asarray(dt, jnp.result_type(*w.values()))
    value, outputs, residual = _report((cost, frozen, w, x, samples, dt), velocity)
    return Optimum(value, residual, velocity, outputs, steps)


def action(
    cost: Cost,
    network: Any,
    samples: Sample,
    velocity: Params,
    *,
    dt: Any,
    x0: PyTree = None,
) -> Scalar:
    """J(v) of `two_point`, for a given path of the weights."""
    network = as_network(network, x0)
    x = network.initial_state() if x0 is None else jax.tree.map(jnp.asarray, x0)
    w, frozen = split(network)
    dt = jnp.asarray(dt, jnp.result_type(*w.values()))
    return _action((cost, frozen, w, x, samples, dt), velocity)[0]


class Gap(eqx.Module):
    """The action of a causal law, that of the optimum, and their ratio."""

    law: Scalar
    optimum: Optimum

    @property
    def ratio(self) -> float:
        """How many times the optimum the law costs."""
        return float(self.law / self.optimum.value)


def gap(
    rule: Any,
    network: Any,
    samples: Sample,
    *,
    dt: Any,
    settle: int = 0,
    cost: Cost | None = None,
    x0: PyTree = None,
    key: Array | None = None,
    find: Callable[..., Optimum] | None = None,
    **options: Any,
) -> Gap:
    """The cost of a causal law over the optimum of the same problem.

    **Arguments:** `settle`: how many first samples only the law sees. The optimum then
    starts from the state and weights it has reached: a settled law. With 0 both start
    cold. `cost`: what both are judged by, by default the law's own without
    dissipation, which is a device of the law. `find`: what finds the optimum, by
    default `two_point`; `options`: for it.

    **Returns:** a `Gap`; the weights of a law move in jumps, v_k = (w_{k+1} - w_k)/dt.
    """
    judge = undamped(rule.cost) if cost is None else cost
    law, (start, x, after) = law_action(
        rule, network, samples, dt=dt, settle=settle, cost=judge, x0=x0, key=key
    )
    find = two_point if find is None else find
    return Gap(law, find(judge, start, after, dt=dt, x0=x, **options))


def law_action(
    rule: Any,
    network: Any,
    samples: Sample,
    *,
    dt: Any,
    settle: int = 0,
    cost: Cost | None = None,
    x0: PyTree = None,
    key: Array | None = None,
) -> tuple[Scalar, tuple[Any, PyTree, Sample]]:
    """(J of a causal law after it has settled, the problem that it then faced).

    Arguments as for `gap`; the problem is (network, its state, the samples left).
    """
    judge = undamped(rule.cost) if cost is None else cost
    state = rule.init(network, x0=x0, key=key)
    dt = jnp.asarray(dt, jnp.result_type(*split(state.network)[0].values()))
    before = jax.tree.map(lambda leaf: leaf[:settle], samples)
    after = jax.tree.map(lambda leaf: leaf[settle:], samples)
    state, _ = _weights(rule, state, before, dt)
    start, x = state.network, _state_of(state)
    _, path = _weights(rule, state, after, dt)
    first = jax.tree.map(lambda leaf: leaf[None], split(start)[0])
    v = jax.tree.map(
        lambda a, b: jnp.diff(jnp.concatenate([a, b]), axis=0) / dt, first, path
    )
    return action(judge, start, after, v, dt=dt, x0=x), (start, x, after)


def undamped(cost: Cost) -> Cost:
    """`cost` without dissipation."""
    zero = jnp.zeros_like(cost.dissipation)
    return eqx.tree_at(lambda c: c.dissipation, cost, zero)


@eqx.filter_jit
def _weights(rule, state, samples, dt):
    moving, still = eqx.partition(state, eqx.is_array)

    def body(moving, sample):
        state, _ = rule.step(eqx.combine(moving, still), sample, dt)
        return eqx.filter(state, eqx.is_array), split(state.network)[0]

    moving, path = jax.lax.scan(body, moving, samples)
    return eqx.combine(moving, still), path


def _state_of(state: Any) -> PyTree:
    """x of any law's state: its own field or that of its flow."""
    names = getattr(type(state), "__dataclass_fields__", {})
    return state.x if "x" in names else state.flow.x


def _action(problem: Any, v: Params) -> tuple[Scalar, Array]:
    """(J, outputs)."""
    cost, frozen, w, x, samples, dt = problem
    steps = samples.target.shape[0]
    growth = jnp.exp(cost.dissipation * dt * jnp.arange(steps).astype(dt.dtype))

    def body(carry, now):
        (x, w), (sample, v, weight) = carry, now
        network = join(w, frozen)
        part = weight * lagrangian(cost, network, x, v, sample)
        output = network.readout(x, sample.input)
        x = transition(network, x, sample, dt)
        w = jax.tree.map(lambda w, v: w + dt * v, w, v)
        return (x, w), (part, output)

    _, (parts, outputs) = jax.lax.scan(body, (x, w), (samples, v, growth))
    return dt * jnp.sum(parts), outputs


@eqx.filter_jit
def _report(problem: Any, v: Params) -> tuple[Scalar, Array, Scalar]:
    cost, dt = problem[0], problem[-1]
    (value, outputs), g = jax.value_and_grad(
        lambda v: _action(problem, v), has_aux=True
    )(v)
    return value, outputs, _residual(cost, dt, v, g)


def _residual(cost: Cost, dt: Scalar, v: Params, g: Params) -> Scalar:
    """|r v + p_w| / |p_w|: the gradient of J by v_k is dt e^{theta t_k} (r v + p_w)."""
    steps = jax.tree.leaves(v)[0].shape[0]
    growth = dt * jnp.exp(cost.dissipation * dt * jnp.arange(steps).astype(dt.dtype))
    wide = lambda leaf: growth.reshape(-1, *[1] * (leaf.ndim - 1))
    off = jax.tree.map(lambda g: g / wide(g), g)
    p_w = jax.tree.map(lambda a, v: a - cost.inertia * v, off, v)
    size = squared_norm(p_w)
    return jnp.sqrt(squared_norm(off) / jnp.where(size > 0, size, 1))


@eqx.filter_jit
def _descend(problem, v, tolerance, max_steps):
    cost, dt = problem[0], problem[-1]
    J = lambda v: _action(problem, v)[0]
    solver = optax.lbfgs(memory_size=20)
    value_and_grad = optax.value_and_grad_from_state(J)

    def body(carry):
        v, _, memory, count, _ = carry
        g: Any
        value, g = value_and_grad(v, state=memory)  # pyright: ignore[reportAssignmentType]
        step, memory = solver.update(g, memory, v, value=value, grad=g, value_fn=J)
        after = optax.apply_updates(v, step)
        return after, v, memory, count + 1, _residual(cost, dt, v, g)

    def going(carry):
        *_, count, residual = carry
        return (count < max_steps) & (residual > tolerance)

    worst = jnp.full((), jnp.inf, dt.dtype)
    start = (v, v, solver.init(v), jnp.zeros((), jnp.int32), worst)
    # A step may worsen the residual: what comes back is where it was measured.
    _, v, _, count, _ = jax.lax.while_loop(going, body, start)
    return v, count
