"""Variational latent equilibrium: the exact law, the adjoint of the energy."""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._types import Array, Float, Int, Neurons, Params, PyTree, Scalar
from ..action.cost import Cost, output_loss
from ..action.prospective import multiplier_energy, prospective_lagrangian
from ..networks.base import AbstractNetwork
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample
from ._base import AbstractRule, descend
from ._streams import checked_voltage, over_streams, single, stream_samples


def prospective_costate(
    cost: Cost,
    network: VoltageNetwork,
    u: Neurons,
    v: Neurons,
    p: Neurons,
    sample: Sample,
) -> tuple[Neurons, Neurons]:
    """(lam, dL/du) at canonical momentum p = dL/dv, for beta = 0.

        lam = (p + tau_r s)/tau_m,   s = phi'(u_r) W^T lam - dC/du_r
        dp/dt = dL/du = lam - s,     p(T) = 0

    The Euler-Lagrange equation of `prospective_lagrangian`, d/dt dL/dv = dL/du, in
    which no signal has to be differentiated in time. -p is the costate, the
    derivative of the total cost by u(t).

    **Arguments:** `u`, `v`: voltage and its rate; `p`: momentum.
    """
    tau_m, tau_r = network.tau_m, network.tau_r
    um, ur = u + tau_m * v, u + tau_r * v
    M = lambda ur: multiplier_energy(cost, network, um, ur, jnp.zeros_like(u), sample)
    force = -jax.grad(M)(ur)
    s, error = network.errors(ur, force, lambda s: (p + tau_r * s) / tau_m)
    return error, error - s


def vle_gradient(
    cost: Cost,
    network: AbstractNetwork,
    samples: Sample,
    dt: Any,
    *,
    x0: PyTree = None,
    discount: Any = 0.0,
) -> tuple[Scalar, Params]:
    """The mean cost over some samples and its exact gradient by all that learns.

        A = sum_k d^k C_k / N,   d = e^{(theta - rho) dt},   u_{k+1} = u_k + dt v_k
        p_{k-1} = d (p_k - dt dL/du_k),   p_{N-1} = 0
        dA/dw = sum_k d^k dL/dw (u_k, v_k, lam_k) / N

    The discrete Euler-Lagrange equations of the action of `prospective_lagrangian`,
    run backward; equal to backpropagation through the same Euler steps to rounding
    error. O(edges) a step in time, O(neurons) in memory.

    **Arguments:**

    - `network`: a `VoltageNetwork`, or a `Batch` of one; `x0`: its voltages at the
      start.
    - `samples`: with time as leading axis; `dt`: between them.
    - `discount`: rho >= 0, in 1/time; theta is the dissipation of `cost`.

    **Returns:** the cost A, and dA/dw by name.
    """
    checked_voltage(network)
    _checks.positive("dt", dt)
    _checks.non_negative("discount", discount)
    x = network.initial_state() if x0 is None else jnp.asarray(x0)
    w, frozen = split(network)
    samples = stream_samples(network, samples, time=1)
    return _gradient(cost, w, frozen, x, samples, jnp.asarray(dt, x.dtype), discount)


def _gradient(cost, w, frozen, x, samples, dt, discount) -> tuple[Scalar, Params]:
    network = join(w, frozen)
    keep = jnp.exp((cost.dissipation - discount) * dt).astype(x.dtype)
    costate = partial(prospective_costate, cost, single(network))

    def forward(u, sample):
        v = network(u, sample.input)
        return u + dt * v, (u, v)

    def backward(carry, moment):
        p, *sums = carry
        u, v, sample = moment
        error, rate = over_streams(network, costate)(u, v, p, sample)
        terms = jax.value_and_grad(_lagrangian)(w, frozen, cost, u, v, error, sample)
        sums = jax.tree.map(lambda total, term: term + keep * total, tuple(sums), terms)
        return (keep * (p - dt * rate), *sums), None

    _, (us, vs) = jax.lax.scan(forward, x, samples)
    zeros = jnp.zeros((), x.dtype), jax.tree.map(jnp.zeros_like, w)
    start = (jnp.zeros_like(x), *zeros)
    (_, *sums), _ = jax.lax.scan(backward, start, (us, vs, samples), reverse=True)
    number = samples.target.shape[0]
    total, gradient = jax.tree.map(lambda leaf: leaf / number, tuple(sums))
    return total, gradient


def _lagrangian(w: Params, frozen: PyTree, cost: Cost, u, v, error, sample) -> Scalar:
    """L at a fixed trajectory, averaged over the streams, as a function of w."""
    network = join(w, frozen)
    inside = single(network)
    one = lambda u, v, error, sample: prospective_lagrangian(
        cost, inside, u, v, error, sample
    )
    return jnp.mean(over_streams(network, one)(u, v, error, sample))


class VLEState(eqx.Module):
    """Voltages, the samples since the last update, what learns and the rest."""

    u: Float[Array, "*batch neurons"]
    start: Float[Array, "*batch neurons"]
    samples: Sample
    count: Int[Array, ""]
    w: Params
    memory: optax.OptState
    frozen: PyTree

    @property
    def network(self) -> AbstractNetwork:
        """The network with its present weights."""
        return join(self.w, self.frozen)


class VLEInfo(eqx.Module):
    """Output and loss."""

    output: Float[Array, "*time_batch outputs"]
    loss: Float[Array, "*time"]


class VLE(AbstractRule):
    """Variational latent equilibrium: the exact law, waiting for the end of a window.

        d/dt dL/dv = dL/du,   that is   lam = D+ [phi'(u_r) W^T lam - dC/du_r]
        D+ = (1 - tau_m d/dt)^-1 (1 - tau_r d/dt), with p(T) = 0

    for L of `prospective_lagrangian`: the adjoint method, in continuous time
    backpropagation through time. Its filter integrates the future, so samples are
    kept for a window, at the end of which `vle_gradient` gives one update; the
    voltages run on. Memory is O(window), twice the forward work.

    **Arguments:** `cost`: what is minimised; `optimizer`: any of optax, by default
    `sgd(1e-3)`; `window`: samples an update; `discount`: rho >= 0, in 1/time.

    The Euler-Lagrange equations of the energy of Ellenberger et al. (2024).
    """

    cost: Cost
    optimizer: optax.GradientTransformation = eqx.field(static=True)
    discount: Scalar
    window: int = eqx.field(static=True)

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        window: int,
        discount: Any = 0.0,
    ):
        _checks.at_least("window", window, 1)
        _checks.non_negative("discount", discount)
        self.cost = Cost() if cost is None else cost
        self.optimizer = optax.sgd(1e-3) if optimizer is None else optimizer
        _checks.instance("cost", self.cost, Cost)
        self.window = window
        self.discount = jnp.asarray(discount)

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> VLEState:
        network = as_network(network, x0)
        checked_voltage(network)
        u = network.initial_state() if x0 is None else jnp.asarray(x0)
        w, frozen = split(network)
        samples = _no_samples(single(network), u, self.window)
        count = jnp.zeros((), jnp.int32)
        return VLEState(u, u, samples, count, w, self.optimizer.init(w), frozen)

    def step(self, state, sample, dt):
        network = state.network
        sample = stream_samples(network, _weighted(sample, state.u.dtype))
        inside, v = single(network), network(state.u, sample.input)
        output = over_streams(network, inside.output)(state.u + inside.tau_r * v)
        info = VLEInfo(output, output_loss(self.cost, output, sample))
        samples = jax.tree.map(
            lambda all, one: all.at[state.count].set(one), state.samples, sample
        )
        state = VLEState(
            state.u + dt * v, state.start, samples, state.count + 1,
            state.w, state.memory, state.frozen,
        )  # fmt: skip
        full = state.count == self.window
        moving, still = eqx.partition(state, eqx.is_array)
        update = lambda moving: eqx.filter(
            self._update(eqx.combine(moving, still), dt), eqx.is_array
        )
        moving = jax.lax.cond(full, update, lambda moving: moving, moving)
        return eqx.combine(moving, still), info

    def _update(self, state: VLEState, dt: Scalar) -> VLEState:
        """The weights after one update from a full window."""
        _, gradient = _gradient(
            self.cost, state.w, state.frozen, state.start, state.samples, dt,
            self.discount,
        )  # fmt: skip
        w, memory = descend(self.optimizer, gradient, state.memory, state.w)
        count = jnp.zeros_like(state.count)
        return VLEState(state.u, state.u, state.samples, count, w, memory, state.frozen)


def _no_samples(network: VoltageNetwork, u: Array, window: int) -> Sample:
    """Room for `window` samples of a network with voltages u."""
    inputs = 0 if network.input_weight is None else network.input_weight.shape[1]
    streams = u.shape[:-1]
    room = lambda *shape: jnp.zeros((window, *streams, *shape), u.dtype)
    return Sample(room(inputs), room(network.output_nodes.size), room())


def _weighted(sample: Sample, dtype: Any) -> Sample:
    """Input, target and a weight, without derivatives."""
    weight = jnp.ones((), dtype) if sample.weight is None else sample.weight
    return Sample(sample.input, sample.target, weight)
