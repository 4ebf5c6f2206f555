"""The optimum as a boundary value problem: state at the start, costate at the end."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from .. import _checks
from .._types import Array, Float, Number, Params, PyTree, Scalar
from ..action.action import hamiltonian
from ..action.cost import Cost
from ..action.trees import scaled
from ..networks.base import NetworkLike
from ..networks.partition import join
from ..run.patience import Patience
from ..signals.signal import Sample
from .two_point import Horizon, Optimum, appraise, two_point


class Path(eqx.Module):
    """q_0 ... q_N with q = (x, w), and the costates p_1 ... p_N."""

    q: Float[Array, "times size"]
    p: Float[Array, "steps size"]


class Problem(eqx.Module):
    """H(q, p, sample) of a `Horizon` on flat vectors."""

    horizon: Horizon

    @property
    def like(self) -> PyTree:
        """q at the start."""
        return self.horizon.x, self.horizon.w

    @property
    def dt(self) -> Scalar:
        """The time between samples."""
        return self.horizon.dt

    @property
    def samples(self) -> Sample:
        """The samples, with time as leading axis."""
        return self.horizon.samples

    def H(self, q: Array, p: Array, sample: Sample) -> Scalar:
        """The one scalar that the system is generated from."""
        unravel = ravel_pytree(self.like)[1]
        (x, w), (p_x, p_w) = unravel(q), unravel(p)
        known, network = self.horizon, join(w, self.horizon.frozen)
        return hamiltonian(
            known.cost, network, x, p_x, p_w, sample, inertia=known.inertia
        )

    @property
    def growth(self) -> Scalar:
        """e^{theta dt}: costates are normalised, and lose their factor each step."""
        return jnp.exp(self.horizon.dissipation * self.dt)

    def after(self, q: Array, p: Array, sample: Sample) -> Array:
        """q_{k+1} = q_k + dt H_p(q_k, p_{k+1})."""
        return q + self.dt * jax.grad(self.H, argnums=1)(q, p, sample)

    def before(self, q: Array, p: Array, sample: Sample) -> Array:
        """p_k = e^{theta dt} (p_{k+1} + dt H_q(q_k, p_{k+1}))."""
        return self.growth * (p + self.dt * jax.grad(self.H)(q, p, sample))


def boundary_value(
    cost: Cost,
    network: NetworkLike,
    samples: Sample,
    *,
    dt: Number,
    inertia: Number = 1.0,
    dissipation: Number = 0.0,
    x0: PyTree = None,
    velocity: Params | None = None,
    tolerance: float = 1e-9,
    max_steps: int = 50,
    progress: bool = True,
) -> Optimum:
    """Solve Hamilton's equations with both ends given, all times at once.

        q_{k+1} = q_k + dt H_p(q_k, p_{k+1}),            q_0 given
        p_k = e^{theta dt} (p_{k+1} + dt H_q(q_k, p_{k+1})),   p_N = 0

    with q = (x, w) and H the library's `hamiltonian`, differentiated automatically.
    This symplectic Euler scheme is exactly where the action of `two_point` is
    stationary. Newton's method on all times together; its linear system is block
    tridiagonal and solved by a backward Riccati sweep, O(N size^3) for size numbers
    in q: for small networks. Steps are halved while the equations do not come closer.

    Newton finds a stationary point near its guess, or none; the guess chooses which.

    **Arguments:** as for `two_point`; `velocity`: the guess, by default a rough
    `two_point`, which comes near a minimum; `tolerance`: on the equations, relative
    to the costates; `max_steps`: of Newton;
    `progress`: a word on standard error after two seconds.

    **Returns:** an `Optimum`, whose residual is measured by running dw/dt = -p_w/r
    forward and its exact gradient back, not by the equations that were solved.
    """
    _checks.positive("tolerance", tolerance)
    action = {"dt": dt, "inertia": inertia, "dissipation": dissipation, "x0": x0}
    horizon = Horizon.of(cost, network, samples, **action)
    guess = velocity
    if guess is None:
        rough = {"tolerance": 1e-5, "progress": progress}
        guess = two_point(cost, network, samples, **action, **rough).velocity
    enough = jnp.asarray(tolerance, horizon.dt.dtype)
    with Patience("boundary_value", progress=progress):
        v, count = _newton(Problem(horizon), guess, enough, max_steps)
        return appraise(horizon, v, steps=int(count))


@eqx.filter_jit
def _newton(problem: Problem, velocity: Params, tolerance: Scalar, max_steps: int):
    """(dw/dt at every step, iterations)."""

    def body(carry):
        path, _, count = carry
        step = _linear_solve(problem, path)
        lengths = 0.5 ** jnp.arange(12, dtype=tolerance.dtype)
        tried = jax.vmap(lambda a: _miss(problem, _moved(path, step, a)))(lengths)
        best = jnp.nanargmin(tried)
        return _moved(path, step, lengths[best]), tried[best], count + 1

    def going(carry):
        _, miss, count = carry
        return (count < max_steps) & (miss > tolerance)

    start = _guess(problem, velocity)
    carry = start, _miss(problem, start), jnp.zeros((), jnp.int32)
    path, _, count = jax.lax.while_loop(going, body, carry)
    unravel = ravel_pytree(problem.like)[1]
    p_w = jax.vmap(lambda p: unravel(p)[1])(path.p)
    return scaled(-1 / problem.horizon.inertia, p_w), count


def _guess(problem: Problem, velocity: Params) -> Path:
    """The states under the given velocities, and the costates along them."""
    x, w = problem.like
    zero = jax.tree.map(jnp.zeros_like, x)

    def forward(q, now):
        sample, v = now
        # With p_w = -r v the weights move as they are told to.
        p = ravel_pytree((zero, scaled(-problem.horizon.inertia, v)))[0]
        return problem.after(q, p, sample), q

    q_0 = ravel_pytree((x, w))[0]
    last, q = jax.lax.scan(forward, q_0, (problem.samples, velocity))

    def backward(p, now):
        return problem.before(now[0], p, now[1]), p

    _, p = jax.lax.scan(
        backward, jnp.zeros_like(q_0), (q, problem.samples), reverse=True
    )
    return Path(jnp.concatenate([q, last[None]]), p)


def _mismatch(problem: Problem, path: Path) -> tuple[Array, Array]:
    """By how much each step misses: a_0 ... a_{N-1} of q, b_0 ... b_{N-1} of p.

    b_0 is zero: nothing is asked of p_0.
    """
    now = path.q[:-1], path.p, problem.samples
    a = jax.vmap(problem.after)(*now) - path.q[1:]
    b = jax.vmap(problem.before)(*now)
    return a, b.at[1:].add(-path.p[:-1]).at[0].set(0)


def _miss(problem: Problem, path: Path) -> Scalar:
    """The norm of the mismatch over that of the costates."""
    a, b = _mismatch(problem, path)
    size = jnp.linalg.norm(path.p)
    off = jnp.sqrt(jnp.sum(a * a) + jnp.sum(b * b))
    return off / jnp.where(size > 0, size, 1)


def _moved(path: Path, step: Path, length: Scalar) -> Path:
    return jax.tree.map(lambda y, d: y + length * d, path, step)


def _linear_solve(problem: Problem, path: Path) -> Path:
    """Newton's step: dq' = A dq + B dp' + a, dp = g (A^T dp' + Q dq) + b.

    With dp' = S' dq' + s' known behind, one step back is
    dq' = M (A dq + B s' + a), M = (1 - B S')^-1, which gives S and s.
    """
    a, b = _mismatch(problem, path)
    growth, size = problem.growth, path.p.shape[1]
    one = jnp.eye(size, dtype=a.dtype)

    def backward(behind, now):
        S, s = behind
        q, p, sample, a, b = now
        A, B = jax.jacfwd(problem.after, argnums=(0, 1))(q, p, sample)
        Q = jax.jacfwd(problem.before)(q, p, sample) / growth
        both = jnp.concatenate([A, (B @ s + a)[:, None]], axis=1)
        solved = jnp.linalg.solve(one - B @ S, both)
        forth = solved[:, :-1], solved[:, -1]
        ahead = growth * (A.T @ S @ forth[0] + Q)
        return (ahead, growth * A.T @ (S @ forth[1] + s) + b), (*forth, S, s)

    end = jnp.zeros_like(one), jnp.zeros_like(a[0])
    now = path.q[:-1], path.p, problem.samples, a, b
    _, maps = jax.lax.scan(backward, end, now, reverse=True)

    def forward(dq, now):
        matrix, shift, S, s = now
        dq = matrix @ dq + shift
        return dq, (dq, S @ dq + s)

    start = jnp.zeros_like(a[0])
    _, (dq, dp) = jax.lax.scan(forward, start, maps)
    return Path(jnp.concatenate([start[None], dq]), dp)
