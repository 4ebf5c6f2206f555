"""A network as a constrained mechanical system: one Lagrangian, one residual.

Neurons x and weights w are coordinates with masses; that every neuron be what its
parents make of it is a holonomic constraint. All equations of motion of
Spatiotemporal Local Propagation follow from the two functions here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Number, Params, PyTree, Scalar
from ..networks.base import AbstractNetwork, Network
from ..networks.partition import join
from ..networks.rest import Settling
from ..signals.signal import Sample
from .cost import Cost, as_number, running_cost
from .residual import Holonomic
from .trees import inner, scaled, squared_norm

Potential = Callable[[AbstractNetwork, PyTree, Sample], Scalar]
OwnLagrangian = Callable[[Network, PyTree, PyTree, Sample], Scalar]
OwnConstraint = Callable[[Network, PyTree, Sample], PyTree]


class Coordinates(NamedTuple):
    """Neurons x, weights w by name, and one slack per neuron (or None)."""

    x: PyTree
    w: Params
    slack: PyTree = None


class Phase(NamedTuple):
    """Coordinates and their velocities."""

    q: Coordinates
    v: Coordinates


class Slack(eqx.Module):
    """Room around the constraints, x - sigma(a) = s, at a price: graphs with cycles.

    The action gets mass/2 |ds/dt|^2 - stiffness/2 |s|^2. As the stiffness grows the
    gradient tends to that of recurrent backpropagation, with an error of the order
    of its reciprocal; without stiffness the slack absorbs every error and nothing is
    learned.

    **Arguments:** `mass` > 0, between the mass of a neuron and that of a weight;
    `stiffness`: kappa >= 0; `sweeps`: of the network towards its fixed point before
    the start.
    """

    mass: Scalar
    stiffness: Scalar
    sweeps: int = eqx.field(static=True)

    def __init__(
        self, *, mass: Number = 0.03, stiffness: Number = 100.0, sweeps: int = 100
    ):
        _checks.positive("mass", mass)
        _checks.non_negative("stiffness", stiffness)
        _checks.at_least("sweeps", sweeps, 1)
        self.mass, self.stiffness = as_number(mass), as_number(stiffness)
        self.sweeps = sweeps


def constraint(
    network: AbstractNetwork, q: Coordinates, u: Float[Array, "..."]
) -> PyTree:
    """G - s: the residual `Holonomic` less the slack, zero on the motion."""
    gap = Holonomic()(network, q.x, None, u, None)
    return gap if q.slack is None else jax.tree.map(jnp.subtract, gap, q.slack)


def cognitive_lagrangian(
    cost: Cost,
    network: AbstractNetwork,
    q: Coordinates,
    v: Coordinates,
    masses: Coordinates,
    sample: Sample,
    *,
    slack: Slack | None = None,
    potential: Potential | None = None,
) -> Scalar:
    """L = T - V of learning as mechanics; its action carries the weight e^{theta t}.

        T = m_x/2 |dx/dt|^2 + m_w/2 |dw/dt|^2 + m_s/2 |ds/dt|^2
        V = q loss(y(x), target) + r_w/2 |w|^2 + kappa/2 |s|^2 + U(network, x, sample)

    **Arguments:** `network` holds w; `masses`: one number or array for each entry of
    the velocities; `potential`: U, of the user.

    Betti & Gori (2019), section 3.2.
    """
    return kinetic(masses, v) - potential_energy(
        cost, network, q, sample, slack=slack, potential=potential
    )


def kinetic(masses: Coordinates, v: Coordinates) -> Scalar:
    """T, the sum of m/2 v^2 over all coordinates."""
    momenta = jax.tree.map(lambda m, v: jnp.asarray(m, v.dtype) * v, masses, v)
    return inner(momenta, v) / 2


def potential_energy(
    cost: Cost,
    network: AbstractNetwork,
    q: Coordinates,
    sample: Sample,
    *,
    slack: Slack | None = None,
    potential: Potential | None = None,
) -> Scalar:
    """V: what learning goes down on."""
    V = running_cost(cost, network, q.x, sample)
    if slack is not None:
        V = V + scaled(slack.stiffness, squared_norm(q.slack)) / 2
    return V if potential is None else V + potential(network, q.x, sample)


def consistent_start(
    frozen: PyTree,
    flow: Phase,
    t: Number,
    signal: Callable[[Scalar], Sample],
    settle: Settling,
) -> Phase:
    """The forward pass and its derivative along (1, dw/dt): G = 0 and dG/dt = 0.

    With slack the network is brought near its fixed point and the rest is slack.
    """
    q, v = flow

    def start(t, w):
        network, u = join(w, frozen), signal(t).input
        x = settle(network, q.x, u)
        room = None if q.slack is None else constraint(network, Coordinates(x, w), u)
        return Coordinates(x, w, room)

    at, along = jax.jvp(start, (t, q.w), (jnp.ones_like(t), v.w))
    return Phase(at, along)


def sweeps_needed(network: AbstractNetwork, slack: Slack | None) -> int:
    """Sweeps after which an acyclic network is exactly what its input makes of it."""
    if slack is not None:
        return slack.sweeps
    deep = network.depth()
    if deep is None:
        wanted = "a Slack for a network that is not known to be acyclic"
        _checks.reject("slack", wanted, None)
    return deep + 1


def require_rates(sample: Any) -> None:
    """A held sample will not do: the motion needs u, du/dt and d^2u/dt^2."""
    if not isinstance(sample, Sample) or sample.input.size == 0:
        return
    for name in ("input_rate", "input_acceleration"):
        if getattr(sample, name) is None:
            wanted = "given (`mollify` and `Signal.jets` make such samples)"
            _checks.reject(f"sample.{name}", wanted, None)
