"""The prospective energy, written once: exact and local laws are derived from it.

Notation: u voltage, v = du/dt, um = u + tau_m v, ur = u + tau_r v, x input, y target.
"""

from typing import Any

from .._types import Array, Float, Neurons, Scalar
from ..networks.partition import split
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample
from .cost import Cost, decay_cost, output_loss
from .trees import inner, squared_norm


def mismatch(
    network: VoltageNetwork, um: Neurons, ur: Neurons, x: Float[Array, "inputs"]
) -> Neurons:
    """e_i = um_i - sum_j w_ij phi(ur_j) - sum_k b_ik x_k - b_i."""
    return um - network.current(ur, x)


def prospective_cost(
    cost: Cost, network: VoltageNetwork, ur: Neurons, sample: Sample
) -> Scalar:
    """C = q loss(phi(ur) at the outputs, y) + r_w/2 |w|^2."""
    loss = output_loss(cost, network.output(ur), sample)
    return cost.accuracy * loss + decay_cost(cost, split(network)[0])


def prospective_energy(
    cost: Cost,
    network: VoltageNetwork,
    um: Neurons,
    ur: Neurons,
    sample: Sample,
    *,
    nudging: Any = 1.0,
) -> Scalar:
    """E(um, ur) = 1/2 |e|^2 + beta C(phi(ur), y), with the `mismatch` e.

    **Arguments:** `um`, `ur`: the prospective coordinates u + tau_m du/dt and
    u + tau_r du/dt; `nudging`: beta.

    Ellenberger et al. (2024), section 2.
    """
    e = mismatch(network, um, ur, sample.input)
    return squared_norm(e) / 2 + nudging * prospective_cost(cost, network, ur, sample)


def multiplier_energy(
    cost: Cost,
    network: VoltageNetwork,
    um: Neurons,
    ur: Neurons,
    error: Neurons,
    sample: Sample,
    *,
    nudging: Any = 0.0,
    received: Neurons | None = None,
) -> Scalar:
    """M = lam.e(um, ur) + C - beta/2 |lam|^2, the energy with multipliers lam.

    Its maximum over lam, at lam = e/beta, is E/beta. beta > 0 is the soft constraint,
    under which errors push the neurons; beta = 0 the hard one, of the adjoint method.

    **Arguments:** `error`: lam; `received`: the prospective voltages as the
    neurons' targets hear them, where that is not `ur` itself but delayed.
    """
    e = mismatch(network, um, ur if received is None else received, sample.input)
    soft = nudging / 2 * squared_norm(error)
    return inner(error, e) + prospective_cost(cost, network, ur, sample) - soft


def prospective_lagrangian(
    cost: Cost,
    network: VoltageNetwork,
    u: Neurons,
    v: Neurons,
    error: Neurons,
    sample: Sample,
    *,
    nudging: Any = 0.0,
) -> Scalar:
    """L(u, v, lam) = M(u + tau_m v, u + tau_r v, lam); the action is its integral.

    At a fixed trajectory its derivative by the parameters, time constants included,
    is what they contribute to the gradient of the cost.
    """
    um, ur = u + network.tau_m * v, u + network.tau_r * v
    return multiplier_energy(cost, network, um, ur, error, sample, nudging=nudging)
