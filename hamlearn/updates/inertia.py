"""Weights with mass and friction."""

from typing import Any

import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Number, Scalar
from ..action.action import kinetic_at
from ..action.cost import Cost, as_number
from ..action.trees import moved, scaled
from .base import AbstractUpdateFlow


class Inertia(AbstractUpdateFlow):
    """r (w'' + theta w') = -g, with the momentum's costate p_w = -r w' as memory.

        dp_w/dt = g - theta p_w,     dw/dt = -p_w/r

    Heavy ball: for r theta fixed and large theta gradient flow at the rate
    1/(r theta). A step moves p_w first and w with the new one, so that with
    r = dt^2/rate and theta = (1 - momentum)/dt it is gradient descent with momentum
    to rounding error.

    **Arguments:** `inertia`: r > 0, what a change of the weights costs;
    `dissipation`: theta >= 0, in 1/time.
    """

    inertia: Scalar
    dissipation: Scalar

    def __init__(self, inertia: Number = 1.0, dissipation: Number = 0.0):
        _checks.positive("inertia", inertia)
        _checks.non_negative("dissipation", dissipation)
        self.inertia = as_number(inertia)
        self.dissipation = as_number(dissipation)

    def start(self, w):
        return jax.tree.map(jnp.zeros_like, w)

    def step(self, g, w, memory, dt, loss=None):
        p_w = moved(memory, dt, self._force(g, memory))
        return moved(w, dt, self._velocity(p_w)), p_w

    def rates(self, g, w, memory):
        return self._velocity(memory), self._force(g, memory)

    def kinetic(self, memory):
        return kinetic_at(memory, self.inertia)

    def _velocity(self, p_w):
        return scaled(-1 / self.inertia, p_w)

    def _force(self, g, p_w):
        lost = lambda g, p: g - self.dissipation.astype(p.dtype) * p
        return jax.tree.map(lost, g, p_w)


class GradientFlow(AbstractUpdateFlow):
    """dw/dt = -rate g.

    **Arguments:** `rate` >= 0, in 1/time.
    """

    rate: Scalar

    def __init__(self, rate: Number = 0.01):
        _checks.non_negative("rate", rate)
        self.rate = as_number(rate)

    def start(self, w):
        return None

    def step(self, g, w, memory, dt, loss=None):
        return moved(w, dt, self.rates(g, w, memory)[0]), None

    def rates(self, g, w, memory):
        return scaled(-self.rate, g), None

    def kinetic(self, memory):
        return 0.0


def chosen(
    cost: Cost, inertia: Number | None, dissipation: Number | None, *, given: bool
) -> tuple[Any, Any]:
    """(r, theta) of a law, with what was left out.

        theta = sqrt((q + r_w)/r),   r = (q + r_w)/1000

    so that weights react within sqrt(r/(q + r_w)) = 0.03 units of time, whatever the
    cost. Where another number of the motion is `given`, r = 1.
    """
    size = cost.loss_weight + cost.weight_decay
    size = jnp.where(size > 0, size, 1.0)
    if inertia is None:
        inertia = 1.0 if given or dissipation is not None else size / 1000
    _checks.positive("inertia", inertia)
    if dissipation is None:
        dissipation = jnp.sqrt(size / jnp.asarray(inertia, size.dtype))
    _checks.non_negative("dissipation", dissipation)
    return inertia, dissipation
