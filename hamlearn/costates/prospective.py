"""The exact adjoint of the prospective energy."""

from functools import partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Neurons, Number, Scalar
from ..action.cost import Cost, as_number, cost_of_output
from ..action.residual import AbstractResidual, Mismatch
from ..networks.voltage import VoltageNetwork
from ..signals.signal import Sample
from .window import AbstractAdjoint


def prospective_costate(
    cost: Cost,
    network: VoltageNetwork,
    u: Neurons,
    v: Neurons,
    p: Neurons,
    sample: Sample,
) -> tuple[Neurons, Neurons]:
    """(lam, dL/du) at canonical momentum p = dL/dv.

        lam = (p + tau_r s)/tau_m,   s = phi'(u_r) W^T lam - dC/du_r
        dp/dt = dL/du = lam - s,     p(T) = 0

    The Euler-Lagrange equation d/dt dL/dv = dL/du of L(u, v, lam) = M with the residual
    G = um - I(ur), in which no signal has to be differentiated in time. -p is the
    costate, the derivative of the total cost by u(t).

    **Arguments:** `u`, `v`: voltage and its rate; `p`: momentum.
    """
    tau_m, tau_r = network.tau_m, network.tau_r
    ur = u + tau_r * v
    C = lambda ur: cost_of_output(cost, network, network.output(ur), sample)
    s, error = network.errors(ur, -jax.grad(C)(ur), lambda s: (p + tau_r * s) / tau_m)
    return error, error - s


class ProspectiveAdjoint(AbstractAdjoint):
    """The Euler-Lagrange equations of the prospective action, backward in a window.

        A = sum_k d^k C_k / N,   d = e^{(theta - rho) dt},   u_{k+1} = u_k + dt v_k
        p_{k-1} = d (p_k - dt dL/du_k),   p_{N-1} = 0

    equal to backpropagation through the same Euler steps to rounding error.

    **Arguments:** `window`: N samples; `dissipation`: theta >= 0, `discount`: rho >= 0,
    in 1/time.

    The Euler-Lagrange equations of the energy of Ellenberger et al. (2024).
    """

    residual: ClassVar[type[AbstractResidual]] = Mismatch
    window: int = eqx.field(static=True)
    dissipation: Scalar
    discount: Scalar
    overlap: int = eqx.field(static=True)
    inputs: int | None = eqx.field(static=True)

    def __init__(self, window: int, dissipation: Number = 0.0, discount: Number = 0.0):
        _checks.at_least("window", window, 1)
        _checks.non_negative("dissipation", dissipation)
        _checks.non_negative("discount", discount)
        self.window, self.overlap, self.inputs = window, 0, None
        self.dissipation, self.discount = as_number(dissipation), as_number(discount)

    def prepare(self, network, x, key):
        require_voltages(network)

    def adjoint(self, cost, network, x, samples, counted, begins, dt):
        keep = jnp.exp((self.dissipation - self.discount).astype(dt.dtype) * dt)
        keep = keep.astype(x.dtype)
        v = jax.vmap(lambda x, sample: network(x, sample.input))(x, samples)
        costate = partial(prospective_costate, cost, network)

        def backward(p, now):
            u, v, sample, begin = now
            error, rate = costate(u, v, p, sample)
            return jnp.where(begin, 0, keep * (p - dt * rate)), error

        zero = jnp.zeros_like(x[0])
        now = (x, v, samples, begins)
        error = jax.lax.scan(backward, zero, now, reverse=True)[1]
        steps = jnp.arange(self.window, dtype=x.dtype)
        much = counted * keep**steps / self.window
        return v, much[:, None] * error, much


def require_voltages(network: Any) -> None:
    """**Raises:** `ValueError` for a network without prospective voltages."""
    if not isinstance(network, VoltageNetwork):
        wanted = "a VoltageNetwork, or a Batch of one: the law needs its prospective"
        _checks.reject("network", f"{wanted} voltages", f"a {network.name}")
