"""Traces through stacks of memories that are not exact: how layers are linked."""

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from .. import _checks
from .._types import Array, Float, Scalar
from ..networks.filters import Filters, complex_of, held
from .base import AbstractSensitivity
from .layers import why_not_passed
from .units import carried, no_traces


class AbstractLink(eqx.Module):
    """What lower sensitivities are filtered by, in place of the poles above."""

    @property
    @abstractmethod
    def number(self) -> int:
        """How many filters each lower weight has."""

    @abstractmethod
    def poles(
        self, filters: Filters, q: Float[Array, "2 units"], dt: Scalar
    ) -> tuple[Float[Array, "2 number"], Float[Array, "2 number inputs"]]:
        """(what a step leaves in every filter, r of every filter and lower output)."""


class AtOnce(AbstractLink):
    """Error sent down at the same step: exact within a layer, instantaneous between.

    What an output of the lower layer did to the state above counts for one step, as if
    it were forgotten after: the rule for stacks of Zucchet et al. (2023), section 4.
    It drops what matters where something has to happen before the memory.
    """

    @property
    def number(self):
        return 1

    def poles(self, filters, q, dt):
        asked = jnp.sum(filters.asked(q, dt), axis=1, keepdims=True)
        return jnp.zeros((2, 1), q.dtype), asked


class FittedPoles(AbstractLink):
    """Each pole a_i of the layer above by a sum of fixed filters alpha_kappa.

        a_i^s ~ sum_kappa c_{i kappa} alpha_kappa^s,   c_i = G^{-1} v_i
        G_{kappa lam} = 1/(1 - conj(alpha_kappa) alpha_lam)
        v_{i kappa} = 1/(1 - conj(alpha_kappa) a_i)

    least squares over all s >= 0. For layers whose modes have poles of their own; good
    while these turn by less than about pi in their time constant.

    **Arguments:** `filters`: how many, evenly over the logarithm of their time
    constants between the two of `time_constant`; `phase`: radians per time constant
    over pi.
    """

    filters: int = eqx.field(static=True)
    time_constant: tuple[float, float] = eqx.field(static=True, default=(1.0, 100.0))
    phase: float = eqx.field(static=True, default=0.25)

    def __check_init__(self):
        _checks.at_least("filters", self.filters, 1)
        _checks.shape("time_constant", self.time_constant, (2,))
        _checks.positive("time_constant", self.time_constant)
        _checks.non_negative("phase", self.phase)

    @property
    def number(self):
        return self.filters

    def poles(self, filters, q, dt):
        shortest, longest = self.time_constant
        tau = np.geomspace(longest, shortest, self.filters)
        fixed = jnp.asarray(np.stack([-1 / tau, np.pi * self.phase / tau]), q.dtype)
        alpha, _ = held(fixed, dt)
        units, own = filters.alone(), complex_of(alpha)
        v = 1 / (1 - own[:, None].conj() * complex_of(units.passed(dt)))
        c = jnp.linalg.solve(1 / (1 - own[:, None].conj() * own), v)
        r = c @ complex_of(units.asked(q, dt))
        return alpha, jnp.stack([r.real, r.imag])


class PassedTraces(AbstractSensitivity):
    """`UnitTraces` of stacks of any depth, with layers linked by an approximation.

        E_{kappa,jk}' = alpha_kappa E_{kappa,jk} + dy_j/dw_jk
        g_jk = (direct path) + Re sum_kappa r_{kappa,j} E_{kappa,jk}

    Each layer hears of the error in the states of the one above it; what goes on from
    there through a third memory is dropped.

    **Arguments:** `link`: alpha and r, by default `AtOnce`.

    **Raises:** `ValueError` for a lower layer that mixes its units before the
    nonlinearity, or an upper one that is no linear filter of what it hears.
    """

    link: AbstractLink = AtOnce()

    def __check_init__(self):
        _checks.instance("link", self.link, AbstractLink)

    def prepare(self, network, x, key):
        why = why_not_passed(network)
        if why is not None:
            _checks.reject("network", "one through which traces can pass", why)

    def start(self, network, x, fixed):
        layers = list(network.units().values())
        classes = [self.link.number] * (len(layers) - 1)
        return no_traces(layers, jax.tree.leaves(x), classes)

    def step(self, instant, fixed, memory):
        step = lambda layer, x, u: layer.transition(x, u, instant.dt)
        links = lambda filters, q: self.link.poles(filters, q, instant.dt)
        return carried(instant, memory, step, links)
