"""How the state moves over one step, beside the residual that says what it obeys."""

from abc import abstractmethod

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._types import Number, PyTree, Scalar
from ..action.cost import as_number
from ..networks.base import Network
from ..signals.signal import Sample
from .guards import check_step
from .schedule import AbstractSchedule, LayerParallel
from .times import AbstractLeak, EulerLeak


class AbstractMotion(eqx.Module):
    """The rate of the state, and the state one step later."""

    @abstractmethod
    def start(self, network: Network, x: PyTree) -> PyTree:
        """The memory at the start."""

    @abstractmethod
    def rate(
        self, network: Network, x: PyTree, sample: Sample, memory: PyTree
    ) -> tuple[PyTree, PyTree]:
        """(v = dx/dt, what the neurons heard; None for x and v themselves)."""

    @abstractmethod
    def step(
        self, network: Network, x: PyTree, v: PyTree, multiplier: PyTree,
        sample: Sample, memory: PyTree, dt: Scalar,
    ) -> tuple[PyTree, PyTree]:  # fmt: skip
        """(the state after `dt`, the memory)."""

    @abstractmethod
    def check(self, network: Network, dt: Number) -> None:
        """Warn of, or reject, a step that does not suit the network."""


class Transition(AbstractMotion):
    """The network's own `transition`: x + dt f(x, u) for most."""

    def start(self, network, x):
        return None

    def rate(self, network, x, sample, memory):
        return network(x, sample.input), None

    def step(self, network, x, v, multiplier, sample, memory, dt):
        return network.transition(x, sample.input, dt), None

    def check(self, network, dt):
        return None


class Latent(AbstractMotion):
    """Voltage neurons that hear each other on a schedule and are pushed by errors.

        tau_m du/dt = -u + W r + b x + bias + beta lam,   r = phi(u + tau_r du/dt)

    **Arguments:** `schedule`: when neurons hear each other, `LayerParallel` (as
    published) or `Sweeps`; `leak`: how leaky states step; `nudging`: beta >= 0, how
    strongly errors push the voltages (a step later).
    """

    schedule: AbstractSchedule
    leak: AbstractLeak
    nudging: Scalar | float

    def __init__(
        self,
        schedule: AbstractSchedule | None = None,
        leak: AbstractLeak | None = None,
        nudging: Number = 0.0,
    ):
        self.schedule = LayerParallel() if schedule is None else schedule
        self.leak = EulerLeak() if leak is None else leak
        _checks.instance("schedule", self.schedule, AbstractSchedule)
        _checks.instance("leak", self.leak, AbstractLeak)
        _checks.non_negative("nudging", nudging)
        # No nudging stays a Python zero, and the errors need not be kept for it.
        none = isinstance(nudging, int | float) and nudging == 0
        self.nudging = 0.0 if none else as_number(nudging)

    def start(self, network, x):
        zeros = jnp.zeros_like(x)
        return (x, zeros), self._kept(zeros)

    def rate(self, network, x, sample, memory):
        before, error = memory
        push = jnp.zeros_like(x)
        if not isinstance(self.nudging, float):
            push = jnp.asarray(self.nudging, x.dtype) * error
        return self.schedule.forward(network, x, before, sample.input, push)

    def step(self, network, x, v, multiplier, sample, memory, dt):
        tau_m = network.tau_m
        after = self.leak(x, x + tau_m * v, tau_m, dt)
        return after, ((x, v), self._kept(multiplier))

    def check(self, network, dt):
        check_step(network, dt, self.leak)

    def _kept(self, error):
        return None if isinstance(self.nudging, float) else error
