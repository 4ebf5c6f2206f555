"""Eligibility traces of spiking neurons, as published with e-prop."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float
from ..networks.partition import split
from ..networks.spiking import SpikingNetwork, spike, surrogate
from .base import AbstractSensitivity, with_state_part


class SpikeMemory(eqx.Module):
    """Of every weight: how voltage, adaptation and the trace of spikes hang on it."""

    voltage: Float[Array, "neurons senders"]
    adaptation: Float[Array, "neurons senders"]
    trace: Float[Array, "neurons senders"]


class SpikeTraces(AbstractSensitivity):
    """The derivative of a neuron's state by its weights, all other spikes held.

        e = psi (E_v - beta theta' E_a)       psi = d spike/dv
        E_v' = e^{-dt/tau_m} E_v + (z, u)     E_a' = e^{-dt/tau_a} E_a + e
        E_r' = e^{-dt/tau_r} E_r + e          g_ij = (d ell/dr_i) E_r,ij

    with z the spikes and u the inputs that arrive, beta theta' the adaptation in units
    of voltage. Three numbers per weight. It leaves out what a spike does to other
    neurons and through them; the learning signal d ell/dr is the error at the readout
    by its transposed weights. For `SpikingNetwork`.

    Bellec et al. (2020), equations 4, 23 to 25 and 28.
    """

    def prepare(self, network, x, key):
        _spiking(network)

    def start(self, network, x, fixed):
        arrives = jnp.concatenate([network.weight, network.input_weight], axis=1)
        none = jnp.zeros_like(arrives)
        return SpikeMemory(none, none, none)

    def step(self, instant, fixed, memory):
        network, x = instant.network, instant.x
        above, keep = network.above(x), network.leaks(instant.dt)
        n = network.weight.shape[0]
        heard = instant.ell_x["trace"][:, None] * memory.trace
        found = {
            "weight": jnp.where(jnp.eye(n, dtype=bool), 0, heard[:, :n]),
            "input_weight": heard[:, n:],
        }
        part = {name: found[name] for name in found if name in instant.w}
        over = memory.voltage / network.threshold
        over = over - network.beta[:, None] * memory.adaptation
        e = surrogate(above)[:, None] * over
        memory = SpikeMemory(
            keep["voltage"] * memory.voltage
            + jnp.concatenate([spike(above), instant.u]),
            keep["adaptation"] * memory.adaptation + e,
            keep["trace"] * memory.trace + e,
        )
        return with_state_part(instant, part), memory


def _spiking(network: Any) -> None:
    """**Raises:** `ValueError` for another network, or weights that have no trace."""
    if not isinstance(network, SpikingNetwork):
        wanted = "a SpikingNetwork, whose neurons have these traces (or take `OwnLeak`)"
        _checks.reject("network", wanted, f"a {network.name}")
    known = ("weight", "input_weight", "readout_map")
    for name in split(network)[0]:
        if not name.startswith(known):
            _checks.reject("learn", f"among {', '.join(known)}", repr(name))
