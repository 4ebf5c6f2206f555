"""The prospective energy, written once: exact and local laws are derived from it.

Notation: u voltage, v = du/dt, um = u + tau_m v, ur = u + tau_r v, x input, y target.
"""

from .._types import Neurons, Number, Scalar
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample
from .cost import Cost, cost_of_output
from .residual import mismatch
from .trees import squared_norm


def prospective_energy(
    cost: Cost,
    network: VoltageNetwork,
    um: Neurons,
    ur: Neurons,
    sample: Sample,
    *,
    nudging: Number = 1.0,
) -> Scalar:
    """E(um, ur) = 1/2 |e|^2 + beta C(phi(ur), y), with the `mismatch` e.

    **Arguments:** `um`, `ur`: the prospective coordinates u + tau_m du/dt and
    u + tau_r du/dt; `nudging`: beta.

    Ellenberger et al. (2024), section 2.
    """
    e = mismatch(network, um, ur, sample.input)
    C = cost_of_output(cost, network, network.output(ur), sample)
    return squared_norm(e) / 2 + nudging * C
