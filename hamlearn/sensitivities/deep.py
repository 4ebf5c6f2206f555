"""Traces through three memories: exact but for the slopes between the upper two."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Number, Params, Scalar
from ..action.cost import as_number
from ..networks.filters import times
from .base import AbstractSensitivity
from .layers import Place, conjugate, merged, places, summed, why_not_passed
from .units import (
    Traces,
    carried_credits,
    filtered,
    links_at,
    no_filters,
    no_traces,
    passed_credit,
    rises,
    unturned,
)


class DeepTraces(eqx.Module):
    """`at_once`, `real`, `imaginary`: dy/dw of the lowest layer as it is and as the
    poles of the middle one have filtered it, each filtered by the poles of the upper
    one; `turned`: their z; `slope`: mean dy/dh of the middle layer; `pairs`: traces of
    all layers and between neighbours."""

    at_once: Params
    real: Params
    imaginary: Params
    turned: Float[Array, "2 poles"]
    slope: Float[Array, "2 units"]
    pairs: Traces


class MeanSlopes(AbstractSensitivity):
    """Three layers: the upper two exact, the lowest by mean slopes of the middle one.

    With y_j, y_i the outputs of the lower two, lam and kappa the poles of the upper
    two, E of every lower weight as in `UnitTraces`, and c_i = dy_i/dh_i of the middle:

        F_{kappa lam,jk}' = alpha_kappa F_{kappa lam,jk} + E_{lam,jk}
        r_{kappa,i} = sum over l in kappa of q_l M_li
        g_jk = (exact paths) + Re sum r_{kappa,i} Re(mean(c_i) M_ij E)_{kappa lam}

    real and imaginary part of E filtered apart, for y_i is real. The exact paths are
    those to the output through one memory, or none. On its way through two the signal
    is multiplied by the slope between them, for which its running mean stands: exact
    where the middle layer is linear. K + 2 K^2 complex numbers per lowest weight.

    **Arguments:** `leak`: of the running mean, per sample.

    **Raises:** `ValueError` for a network that is no stack of three such layers.

    Mean slopes: Liu et al. (2022), "Biologically-plausible backpropagation through
    arbitrary timespans via local neuromodulators".
    """

    leak: Scalar

    def __init__(self, leak: Number = 0.02):
        _checks.positive("leak", leak)
        if leak > 1:
            _checks.reject("leak", "at most 1", leak)
        self.leak = as_number(leak)

    def prepare(self, network, x, key):
        why = why_not_passed(network)
        if why is None and len(network.units()) != 3:
            why = f"one of {len(network.units())} layers"
        if why is not None:
            _checks.reject("network", "a stack of three layers of units", why)

    def start(self, network, x, fixed):
        layers, states = list(network.units().values()), jax.tree.leaves(x)
        low, middle, high = layers
        within, last = (one.filters().poles.shape[1] for one in (middle, high))
        rest = jnp.zeros(middle.inputs, states[1].dtype)
        return DeepTraces(
            no_filters(low, states[0], (last,)),
            no_filters(low, states[0], (last, within)),
            no_filters(low, states[0], (last, within)),
            unturned(last, states[2]),
            slope_of(middle, states[1], rest),
            no_traces(layers, states, [within, last]),
        )

    def step(self, instant, fixed, memory):
        step = lambda layer, x, u: layer.transition(x, u, instant.dt)
        links = links_at(instant.dt)
        credits, pairs = carried_credits(instant, memory.pairs, step, links)
        here = places(instant)
        left, r = links(here[2].layer.filters(), conjugate(here[2].ell_x))
        found = deep_credit(here, memory, r, instant.dt)
        credits[0] = merged(credits[0], found)
        heard = signals(here[0], memory.pairs)
        kept = (memory.at_once, memory.real, memory.imaginary)
        each = zip(kept, heard, strict=True)
        after = [filtered(F, memory.turned, left, rise) for F, rise in each]
        now = slope_of(here[1].layer, here[1].x, here[1].u)
        leak = self.leak.astype(now.dtype)
        slope = memory.slope + leak * (now - memory.slope)
        (a, turned), (b, _), (c, _) = after
        memory = DeepTraces(a, b, c, turned, slope, pairs)
        return summed(instant, here, credits), memory


def slope_of(layer: Any, x: Array, u: Array) -> Float[Array, "2 units"]:
    """dy_i/dh_i of every unit whose output is its own."""
    y, back = jax.vjp(lambda x: layer.readout(x, u), x)
    return back(jnp.ones_like(y))[0]


def signals(low: Place, pairs: Traces) -> tuple[Params, Params, Params]:
    """dy_j/dw of the lowest layer, and E, real and imaginary part."""
    z, E = pairs.turned[0], pairs.passed[0]
    (a, b), wide = z, lambda at, e: at.reshape(-1, *[1] * (e.ndim - 1))
    real = {k: wide(a, e[0]) * e[0] - wide(b, e[1]) * e[1] for k, e in E.items()}
    other = {k: wide(a, e[1]) * e[1] + wide(b, e[0]) * e[0] for k, e in E.items()}
    return rises(low, pairs.own[0], pairs.turn[0]), real, other


def deep_credit(
    here: list[Place], memory: DeepTraces, r: Float[Array, "2 poles units"], dt: Scalar
) -> Params:
    """What reaches the output from the lowest layer through the uppermost memory."""
    low, middle, _ = here
    layer: Any = middle.layer
    filters, c = layer.filters(), memory.slope
    r = times(memory.turned[:, :, None], r)
    _, back = jax.vjp(layer.own_head().shift, middle.u)
    # d(mean y_i)/dy_j by the direct path, a row at a time.
    at_once = jax.vmap(jax.vmap(lambda row: back(row * c)[0]))(r[:, :, None])
    m = times(conjugate(c)[:, :, None], filters.written(dt))
    shape = (filters.poles.shape[1], -1)
    apart = lambda a: a.reshape(*a.shape[:1], *shape, *a.shape[2:])
    r, m = r.reshape(*r.shape[:2], *shape), apart(m)
    through = jnp.einsum("pkli,qlij->qpklj", r, m)
    both = lambda a: a.reshape(2, -1, a.shape[-1])
    flat = lambda F: {k: f.reshape(2, -1, *f.shape[3:]) for k, f in F.items()}
    found = passed_credit(low.layer, memory.at_once, at_once)
    for F, asked in ((memory.real, through[0]), (memory.imaginary, -through[1])):
        found = merged(found, passed_credit(low.layer, flat(F), both(asked)))
    return found
