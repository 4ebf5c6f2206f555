"""What can be known before a run of latent equilibrium to go wrong in it."""

import warnings
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks
from ..networks.neurons import slope_at
from ..networks.voltage import VoltageNetwork
from .filters import AbstractClosure, Prospective
from .times import AbstractLeak, EulerLeak

_LARGEST = 1024  # beyond this many nodes eigenvalues are not computed


class StabilityWarning(UserWarning):
    """Errors of a law are likely to grow without bound or to be much too large."""


def check_network(network: VoltageNetwork, closure: AbstractClosure) -> None:
    """Warn of unstable error loops on a cycle, of large amplification without one."""
    if isinstance(network.weight, Tracer) or not isinstance(closure, Prospective):
        return
    tau_m, tau_r = _times(network)
    level = network.graph.levels()
    if level is None:
        _check_loop(network, tau_m, tau_r)
        return
    gain = amplification(network)
    if gain > 1e4:
        _warn(
            f"a step of the output error reaches the first level up to {gain:.2g} "
            "times as large, the product of tau_m/tau_r along the deepest path. Raise "
            "`prospective_time_constant`, smooth inputs and targets, or use the "
            "closure `ProspectiveGain`."
        )


def amplification(network: VoltageNetwork) -> float:
    """The largest product of tau_m/tau_r on any path through an acyclic network.

    By this a step of the output error is amplified on its way to the first level
    (weights and slopes aside). Neurons with tau_r = 0 count 1: their lag is the step.
    """
    tau_m, tau_r = _times(network)
    logs = np.where(tau_r > 0, np.log(tau_m / np.where(tau_r > 0, tau_r, 1)), 0.0)
    level = network.graph.levels()
    if level is None:
        _checks.reject("network", "without cycles", network.graph)
    best, reach = np.maximum(logs, 0), np.zeros(level.size)
    senders = np.asarray(network.graph.senders)
    receivers = np.asarray(network.graph.receivers)
    # Edges by the level that they lead to: each is looked at once.
    goal = level[receivers]
    order = np.argsort(goal, kind="stable")
    bounds = np.searchsorted(goal[order], np.arange(1, int(level.max()) + 2))
    for first, last in pairwise(bounds):
        here = order[first:last]
        np.maximum.at(reach, receivers[here], best[senders[here]])
        there = np.unique(receivers[here])
        best[there] += reach[there]
    return float(np.exp(best.max()))


def error_loop(network: VoltageNetwork) -> tuple[float, float]:
    """(fastest growth rate of the GLE errors, spectral radius of their delayed loop).

    With A = phi' W^T at rest and K = diag(tau_m/tau_r) the error neurons obey
    tau_r dz/dt = (A (1 - K A)^-1 (1 - K) - 1) z, for one neuron the pole
    (mu - 1)/(tau_r - mu tau_m). Sweeps and one-step delays iterate K A on top.
    """
    tau_m, tau_r = _times(network)
    n = tau_m.size
    with jax.ensure_compile_time_eval():
        rest = jnp.zeros_like(network.bias)
        slope = slope_at(network.rate, rest)
    W = np.zeros((n, n))
    graph = network.graph
    edges = np.asarray(graph.receivers), np.asarray(graph.senders)
    W[edges] = np.asarray(network.weight).reshape(-1)
    A = np.asarray(slope)[:, None] * W.T
    K = tau_m / tau_r
    radius = np.abs(np.linalg.eigvals(K[:, None] * A)).max()
    loop = A @ np.linalg.solve(np.eye(n) - K[:, None] * A, np.diag(1 - K)) - np.eye(n)
    return float(np.linalg.eigvals(loop / tau_r[:, None]).real.max()), float(radius)


def check_step(network: VoltageNetwork, dt: Any, leak: AbstractLeak) -> None:
    """Reject steps with which Euler is unstable, warn of those that blur lags.

    **Raises:** `ValueError` where dt >= 2 tau_m.
    """
    if not isinstance(leak, EulerLeak) or isinstance(network.bias, Tracer):
        return
    tau_m, tau_r = _times(network)
    if float(dt) >= 2 * tau_m.min():
        limit = f"less than 2 min(tau_m) = {2 * tau_m.min():g} for `EulerLeak`"
        _checks.reject("dt", limit, float(dt))
    blurred = (tau_r > 0) & (tau_r < 0.999 * float(dt))
    if blurred.any():
        _warn(
            f"`prospective_time_constant` is {tau_r[blurred].min():g} at its smallest, "
            f"below dt = {float(dt):g}; error neurons use dt in its place."
        )


def check_no_lag(network: VoltageNetwork) -> None:
    """tau_r = tau_m, and neither learns.

    **Raises:** `ValueError` where that is not so.
    """
    if isinstance(network.membrane_time_constant, Tracer):
        return  # inside a transformation no numbers are known
    tau_m, tau_r = _times(network)
    if not np.allclose(tau_m, tau_r, rtol=1e-6, atol=0):
        k = int(np.argmax(np.abs(tau_m - tau_r)))
        wanted = f"equal to `membrane_time_constant` = {tau_m[k]:g} for `LE`"
        got = f"{tau_r[k]:g} at index {k}"
        _checks.reject("prospective_time_constant", wanted, got)
    taught = {"membrane_time_constant", "prospective_time_constant"}
    if taught & set(network.learn):
        got = list(network.learn)
        _checks.reject("learn", "without time constants, which do nothing in `LE`", got)


def _check_loop(network: VoltageNetwork, tau_m: np.ndarray, tau_r: np.ndarray) -> None:
    if np.any(tau_r == 0):
        _warn(
            "the network has cycles and neurons with tau_r = 0, whose error filter "
            "amplifies by tau_m/dt: its error loop is stable only for recurrent "
            "weights below dt/tau_m. Give `prospective_time_constant` a value, or use "
            "`VLE`."
        )
        return
    if tau_m.size > _LARGEST:
        return
    growth, radius = error_loop(network)
    if growth > 0:
        _warn(
            f"the error neurons are unstable, growing at up to {growth:.3g} per unit "
            "of time: a real eigenvalue of phi' W^T lies between tau_r/tau_m and 1. "
            "Weaken the recurrence, raise `prospective_time_constant`, or use `VLE`."
        )
    elif radius >= 1:
        _warn(
            "the loop of the errors does not converge: "
            f"|mu| tau_m/tau_r = {radius:.3g} for the largest eigenvalue mu of "
            "phi' W^T, but must be below 1. Weaken the recurrence, raise "
            "`prospective_time_constant`, or use `VLE`."
        )


def _times(network: VoltageNetwork) -> tuple[np.ndarray, np.ndarray]:
    """tau_m and tau_r as numbers, also while a program around is being traced."""
    tau_m = np.maximum(network.membrane_time_constant, network.floor)
    return np.asarray(tau_m), np.maximum(network.prospective_time_constant, 0)


def _warn(text: str) -> None:
    warnings.warn(text[0].upper() + text[1:], StabilityWarning, stacklevel=4)
