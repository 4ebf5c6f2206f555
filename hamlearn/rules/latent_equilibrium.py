"""Generalised latent equilibrium: local, causal errors from the prospective energy."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from .. import _checks
from .._types import Array, Float, Params, PyTree, Scalar
from ..action.cost import Cost, output_loss
from ..action.prospective import multiplier_energy
from ..costates.filters import (
    AbstractClosure,
    AbstractLeak,
    EulerLeak,
    Instantaneous,
    NeuronTimes,
    Prospective,
)
from ..costates.schedule import AbstractSchedule, LayerParallel
from ..mechanics.solvers import in_turn
from ..networks.base import AbstractNetwork
from ..networks.dynamics import as_network
from ..networks.partition import join, split
from ._base import AbstractRule, descend
from ._guards import check_network, check_no_lag, check_step
from ._streams import checked_voltage, over_streams, single, stream_samples


class NeuronState(eqx.Module):
    """Voltages, errors and what their filters remember; a batch has a leading axis."""

    u: Float[Array, "*batch neurons"]
    before: tuple[Float[Array, "*batch neurons"], Float[Array, "*batch neurons"]]
    error: Float[Array, "*batch neurons"]
    memory: PyTree


class GLEState(eqx.Module):
    """The neurons, what learns, the optimizer's memory and the rest of the network."""

    neurons: NeuronState
    w: Params
    memory: optax.OptState
    frozen: PyTree

    @property
    def network(self) -> AbstractNetwork:
        """The network with its present weights."""
        return join(self.w, self.frozen)


class Moment(eqx.Module):
    """What the neurons did in one step, and what they heard: (u, v) that made rates."""

    u: Float[Array, "*batch neurons"]
    v: Float[Array, "*batch neurons"]
    heard: tuple[Float[Array, "*batch neurons"], Float[Array, "*batch neurons"]]
    error: Float[Array, "*batch neurons"]
    output: Float[Array, "*batch outputs"]


class GLEInfo(eqx.Module):
    """Output and loss."""

    output: Float[Array, "*time_batch outputs"]
    loss: Float[Array, "*time"]


class GLE(AbstractRule):
    """Generalised latent equilibrium: online, local, with errors that look ahead.

    The exact law of the prospective energy E is (1 - tau_m d/dt) E_um +
    (1 - tau_r d/dt) E_ur = 0, the adjoint method, with filters of the future. Here
    the closure replaces them by causal ones:

        tau_m du/dt = -u + W r + b x + bias + beta lam,   r = phi(u + tau_r du/dt)
        s = phi'(u_r) (W^T lam) - dC/du_r,                lam = closure(s)
        dw/dt ~ -dM/dw at fixed u, du/dt, lam

    with the scalar M of `multiplier_energy`: dM/dW = -lam r^T, dM/dbias = -lam,
    dM/dtau_m = lam du/dt, dM/dtau_r = -s du/dt. Three passes over the edges a step,
    constant memory. lam estimates minus the derivative of the loss by the current
    into each neuron; an optimizer is given dM/dw once a step, so that `optax.sgd(eta
    dt)` is the gradient flow of rate eta.

    Phases are exact at every frequency, gains are not: credit grows by
    (1 + w^2 tau_m^2)/(1 + w^2 tau_r^2) a layer. It is a law for feed-forward nets of
    slow neurons: with recurrence stronger than tau_r/tau_m its errors are unstable,
    about which `init` warns.

    **Arguments:**

    - `cost`: what is minimised; `optimizer`: any of optax, by default `sgd(1e-3)`.
    - `closure`: how errors are made causal; `Prospective` is GLE, the others are for
      comparison.
    - `schedule`: `LayerParallel` (as published) or `Sweeps`; `leak`: how leaky states
      step.
    - `nudging`: beta >= 0, how strongly errors push the voltages (a step later).

    Ellenberger et al. (2024), "Backpropagation through space, time and the brain".
    """

    cost: Cost
    optimizer: optax.GradientTransformation = eqx.field(static=True)
    closure: AbstractClosure
    schedule: AbstractSchedule
    leak: AbstractLeak
    nudging: Scalar

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        closure: AbstractClosure | None = None,
        schedule: AbstractSchedule | None = None,
        leak: AbstractLeak | None = None,
        nudging: Any = 0.0,
    ):
        self.cost = Cost() if cost is None else cost
        self.optimizer = optax.sgd(1e-3) if optimizer is None else optimizer
        self.closure = Prospective() if closure is None else closure
        self.schedule = LayerParallel() if schedule is None else schedule
        self.leak = EulerLeak() if leak is None else leak
        _checks.instance("cost", self.cost, Cost)
        _checks.instance("closure", self.closure, AbstractClosure)
        _checks.instance("schedule", self.schedule, AbstractSchedule)
        _checks.instance("leak", self.leak, AbstractLeak)
        _checks.non_negative("nudging", nudging)
        self.nudging = jnp.asarray(nudging)

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> GLEState:
        network = as_network(network, x0)
        checked_voltage(network)
        check_network(single(network), self.closure)
        u = network.initial_state() if x0 is None else jnp.asarray(x0)
        zeros, memory = jnp.zeros_like(u), self.closure.init(u)
        w, frozen = split(network)
        neurons = NeuronState(u, (u, zeros), zeros, memory)
        return GLEState(neurons, w, self.optimizer.init(w), frozen)

    def check(self, network: Any, dt: Any) -> None:
        check_step(single(network), dt, self.leak)

    def step(self, state, sample, dt):
        network = state.network
        sample = stream_samples(network, sample)
        move = lambda neurons, sample: self._move(single(network), neurons, sample, dt)
        neurons, moment = over_streams(network, move)(state.neurons, sample)
        info = GLEInfo(moment.output, output_loss(self.cost, moment.output, sample))
        gradient = jax.grad(self._energy)(state.w, state.frozen, moment, sample)
        w, memory = descend(self.optimizer, gradient, state.memory, state.w)
        (w,) = in_turn(neurons.u, (w, state.w))
        return GLEState(neurons, w, memory, state.frozen), info

    def _move(self, network, neurons: NeuronState, sample, dt):
        """One stream: (the neurons after the step, what they did in it)."""
        u, tau_m, tau_r = neurons.u, network.tau_m, network.tau_r
        times = NeuronTimes(tau_m, tau_r, dt)
        push = self.nudging.astype(u.dtype) * neurons.error
        v, heard = self.schedule.forward(network, u, neurons.before, sample.input, push)
        um, ur = u + tau_m * v, u + tau_r * v

        def arrive(error):
            M = lambda ur: multiplier_energy(self.cost, network, um, ur, error, sample)
            return -jax.grad(M)(ur)

        filtered = lambda s: self.closure.error(s, neurons.memory, times)
        s, error = self.schedule.backward(network, ur, neurons.error, arrive, filtered)
        error = network.graph.once(error)
        memory = self.closure.advance(s, neurons.memory, times, self.leak)
        after = NeuronState(self.leak(u, um, tau_m, dt), (u, v), error, memory)
        return after, Moment(u, v, heard, error, network.output(ur))

    def _energy(self, w: Params, frozen: PyTree, moment: Moment, sample) -> Scalar:
        """M at fixed u, v and lam, averaged over the streams, as a function of w."""
        network = join(w, frozen)
        inside = single(network)

        def one(moment, sample):
            um = moment.u + inside.tau_m * moment.v
            ur = moment.u + inside.tau_r * moment.v
            u, v = moment.heard
            received = u + inside.tau_r * v
            return multiplier_energy(
                self.cost, inside, um, ur, moment.error, sample, received=received
            )

        return jnp.mean(over_streams(network, one)(moment, sample))


class LE(AbstractRule):
    """Latent equilibrium: neurons without a lag, errors at each instant.

    With tau_r = tau_m every neuron undoes its own slowness, the filters of the exact
    law cancel, and instantaneous backpropagation is the adjoint method:

        tau du/dt = -u + W phi(u + tau du/dt) + b x + bias + beta lam
        lam = phi'(u + tau du/dt) (W^T lam) - dC/d(u + tau du/dt)
        dW/dt ~ lam r^T

    **Arguments:** as for `GLE`, of which this is the case of a network with
    tau_r = tau_m and the closure `Instantaneous`.

    **Raises:** `ValueError` at `init` for a network with another tau_r, or whose
    time constants learn: they have no effect here that could be learned.

    Haider et al. (2021), "Latent equilibrium", NeurIPS.
    """

    cost: Cost
    law: GLE

    def __init__(
        self,
        cost: Cost | None = None,
        optimizer: optax.GradientTransformation | None = None,
        *,
        schedule: AbstractSchedule | None = None,
        leak: AbstractLeak | None = None,
        nudging: Any = 0.0,
    ):
        self.law = GLE(
            cost,
            optimizer,
            closure=Instantaneous(),
            schedule=schedule,
            leak=leak,
            nudging=nudging,
        )
        self.cost = self.law.cost

    def init(
        self, network: Any, *, x0: PyTree = None, key: Array | None = None
    ) -> GLEState:
        network = as_network(network, x0)
        checked_voltage(network)
        check_no_lag(single(network))
        return self.law.init(network, x0=x0, key=key)

    def check(self, network: Any, dt: Any) -> None:
        self.law.check(network, dt)

    def step(self, state, sample, dt):
        return self.law.step(state, sample, dt)
