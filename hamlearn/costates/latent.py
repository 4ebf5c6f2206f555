"""Errors of voltage neurons, instant or made causal by a filter of their own."""

from collections.abc import Callable
from typing import ClassVar

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Neurons
from ..action.action import Instant, augmented_cost
from ..action.residual import AbstractResidual, Mismatch
from ..action.trees import added, negative
from .base import AbstractCostate
from .filters import AbstractClosure, Prospective
from .guards import check_network, check_no_lag
from .prospective import require_voltages
from .schedule import AbstractSchedule, LayerParallel
from .times import AbstractLeak, EulerLeak, NeuronTimes


class Errors(AbstractCostate):
    """s = phi'(u_r) (W^T lam) - dC/du_r,   lam = closure(s).

    With the residual G = um - I(ur) the exact lam obeys an anticausal filter; the
    closure is a causal one in its place.

    **Arguments:** `closure`: by default `Prospective`; `schedule`, `leak`: as for
    the motion of the neurons.

    Ellenberger et al. (2024), "Backpropagation through space, time and the brain".
    """

    residual: ClassVar[type[AbstractResidual]] = Mismatch
    closure: AbstractClosure = Prospective()
    schedule: AbstractSchedule = LayerParallel()
    leak: AbstractLeak = EulerLeak()

    def __check_init__(self):
        _checks.instance("closure", self.closure, AbstractClosure)
        _checks.instance("schedule", self.schedule, AbstractSchedule)
        _checks.instance("leak", self.leak, AbstractLeak)

    def prepare(self, network, x, key):
        require_voltages(network)
        check_network(network, self.closure)

    def start(self, network, x, fixed):
        return jnp.zeros_like(x), self.closure.init(x)

    def step(self, instant, fixed, memory):
        network, (before, inside) = instant.network, memory
        times = NeuronTimes(
            tau_m=network.tau_m, tau_r=network.tau_r, dt=instant.dt, state=instant.x
        )
        filtered = lambda s: self.closure.error(s, inside, times)
        s, error = _errors(instant, self.schedule, before, filtered)
        return error, (error, self.closure.advance(s, inside, times, self.leak))


class InstantErrors(AbstractCostate):
    """lam = phi'(u_r) (W^T lam) - dC/du_r: exact where tau_r = tau_m.

    **Arguments:** `schedule`: as for the motion of the neurons.

    Haider et al. (2021), "Latent equilibrium", NeurIPS.
    """

    residual: ClassVar[type[AbstractResidual]] = Mismatch
    schedule: AbstractSchedule = LayerParallel()

    def __check_init__(self):
        _checks.instance("schedule", self.schedule, AbstractSchedule)

    def prepare(self, network, x, key):
        require_voltages(network)
        check_no_lag(network)

    def start(self, network, x, fixed):
        return jnp.zeros_like(x)

    def step(self, instant, fixed, memory):
        _, error = _errors(instant, self.schedule, memory, lambda s: s)
        return error, error


def _errors(
    instant: Instant,
    schedule: AbstractSchedule,
    before: Neurons,
    filtered: Callable[[Neurons], Neurons],
) -> tuple[Neurons, Neurons]:
    """(s, lam), given lam one step `before` and the filter from s to lam."""
    network = instant.network
    ur, zeros = instant.x + network.tau_r * instant.v, jnp.zeros_like(before)
    force = instant.ell_x

    def arrive(error):
        """-dM/du_r at fixed um: what G passes on, and the cost."""
        M = lambda heard: augmented_cost(
            instant.cost, instant.residual, network, instant.x, instant.v, error,
            instant.sample, (heard, zeros),
        )  # fmt: skip
        return negative(added(jax.grad(M)(ur), force))

    s, error = schedule.backward(network, ur, before, arrive, filtered)
    return s, network.graph.once(error)
