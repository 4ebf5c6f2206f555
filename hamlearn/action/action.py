"""The scalars of learning, each written once; every law is derived from them."""

from .._types import Params, PyTree, Scalar
from ..networks.base import AbstractNetwork
from ..signals.signal import Sample
from .cost import Cost, running_cost
from .trees import inner, squared_norm


def lagrangian(
    cost: Cost, network: AbstractNetwork, x: PyTree, w_dot: Params, sample: Sample
) -> Scalar:
    """L = r/2 |dw/dt|^2 + ell(x, w), to be minimised subject to dx/dt = f(x, w, u).

    **Arguments:** `network` holds w; `w_dot` has the structure of what learns in it.

    Betti & Gori (2024), section 2.
    """
    kinetic = cost.inertia / 2 * squared_norm(w_dot)
    return kinetic + running_cost(cost, network, x, sample)


def hamiltonian(
    cost: Cost,
    network: AbstractNetwork,
    x: PyTree,
    p_x: PyTree,
    p_w: Params,
    sample: Sample,
) -> Scalar:
    """H = min over v of L(x, w, v) + p_x.f + p_w.v.

        H = ell(x, w) + p_x.f(x, w, u) - |p_w|^2/(2r)

    The minimum is at v = dw/dt = -p_w/r. Costates are the normalised ones: the true
    costates of the action divided by e^{theta t}.

    Betti & Gori (2024), theorem 1.
    """
    power = inner(p_x, network(x, sample.input))
    return running_cost(cost, network, x, sample) + power - kinetic_at(cost, p_w)


def lagrangian_at(
    cost: Cost, network: AbstractNetwork, x: PyTree, p_w: Params, sample: Sample
) -> Scalar:
    """`lagrangian` at the minimising velocity dw/dt = -p_w/r."""
    return kinetic_at(cost, p_w) + running_cost(cost, network, x, sample)


def kinetic_at(cost: Cost, p_w: Params) -> Scalar:
    """r/2 |dw/dt|^2 at dw/dt = -p_w/r, which is |p_w|^2/(2r)."""
    return squared_norm(p_w) / (2 * cost.inertia)
