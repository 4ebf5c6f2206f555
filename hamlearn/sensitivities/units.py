"""Exact traces of units that do not hear each other, alone and in stacks of two."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Params
from ..action.action import Instant
from ..networks.base import AbstractUnits
from ..networks.filters import times
from ..networks.partition import split
from .base import AbstractSensitivityFlow
from .layers import (
    Place,
    conjugate,
    merged,
    over_units,
    places,
    summed,
    why_not_exact,
)

Step = Callable[[Any, Array, Array], Array]
Links = Callable[[Any, Array], tuple[Array, Array]]


class Traces(eqx.Module):
    """Per layer, by name: dx/dw of every weight at its own unit, numbers first; and of
    all layers but the last dy/dw, filtered by each pole of the layer above.

    Complex ones are z S with |z| = 1: z, one for a unit or a pole, takes the turning,
    and what is kept is S, whose parts then only decay, each by itself and in place.

    `passed`, `turned`: S and z of the filters; `own`, `turn`: of dx/dw, with None for z
    of layers whose states are no complex numbers. Filters come first, for they read
    dx/dw: see `hamlearn.run.order`.
    """

    passed: tuple[Params, ...]
    own: tuple[Params, ...]
    turned: tuple[Float[Array, "2 _"], ...]
    turn: tuple[Float[Array, "2 _"] | None, ...]


class UnitTraces(AbstractSensitivityFlow):
    """dx/dw of units that do not hear each other: exact, at the cost of the network.

    One layer (plain or gated by its input), T of a weight at its own unit alone:

        T' = (dx_i'/dx_i) T + dx_i'/dw,   g = ell_w + ell_{x_i} T

    Two layers, y_j the outputs of the lower one, each with weights w_jk of its own, and
    h' = a h + M y the upper one, its poles shared in K classes:

        E_{kappa,jk}' = a_kappa E_{kappa,jk} + dy_j/dw_jk
        r_{kappa,j} = sum over i in kappa of q_i M_ij,   q = d ell/dRe h - i d ell/dIm h
        g_jk = (direct path) + Re sum_kappa r_{kappa,j} E_{kappa,jk}

    The true error of the lower layer, adj_i = q_i + a_i adj_i', is a filter against
    time; the same filter along time on dy/dw gives the same sum, and it depends on i
    through the pole alone. So K numbers per lower weight are exact RTRL of the two
    layers. M enters with its present value.

    With the weights held the sum of g over samples is the gradient of BPTT. Memory is
    constant in time: one complex number per weight, and K more per lower weight.

    **Raises:** `ValueError` for a network on which it would not be exact: more layers,
    a lower layer that mixes its units before the nonlinearity, an upper one whose gate
    hears the lower one. `RTRL` takes these traces by itself where they are exact.

    One layer: Zucchet, Meier, Schug, Mujika, Sacramento (2023), "Online learning of
    long-range dependencies". Filtering the sensitivities of lower weights: Liu et al.
    (2022), "Biologically-plausible backpropagation through arbitrary timespans via
    local neuromodulators" (with fixed taps), and filtered-x LMS.
    """

    def prepare(self, network, x, key):
        why = why_not_exact(network)
        if why is not None:
            _checks.reject("network", "one whose traces are exact", why)

    def start(self, network, x, fixed):
        layers = list(network.units().values())
        classes = [layer.filters().poles.shape[1] for layer in layers[1:]]
        return no_traces(layers, jax.tree.leaves(x), classes)

    def step(self, instant, fixed, memory):
        step = lambda layer, x, u: layer.transition(x, u, instant.dt)
        return carried(instant, memory, step, links_at(instant.dt))

    def rates(self, instant, fixed, memory):
        drift = lambda layer, x, u: layer(x, u)
        return carried(instant, memory, drift, links_at(None), flow=True)


def links_at(dt: Any) -> Links:
    """The poles of a layer and what they ask for, over a step or as rates."""
    return lambda filters, q: (filters.passed(dt), filters.asked(q, dt))


def carried(
    instant: Instant, memory: Traces, step: Step, links: Links, *, flow: bool = False
) -> tuple[Params, Traces]:
    """(the estimate, traces a step later, or their rates, in which no z turns)."""
    credits, after = carried_credits(instant, memory, step, links, flow=flow)
    return summed(instant, places(instant), credits), after


def carried_credits(
    instant: Instant, memory: Traces, step: Step, links: Links, *, flow: bool = False
) -> tuple[list[Params], Traces]:
    """The same with the estimate layer by layer."""
    here = places(instant)
    each = list(zip(here, memory.own, memory.turn, strict=True))
    credits = [own_credit(*one) for one in each]
    passed = []
    for k, (E, z) in enumerate(zip(memory.passed, memory.turned, strict=True)):
        below, above = here[k], here[k + 1]
        left, asked = links(above.layer.filters(), conjugate(above.ell_x))
        r = times(z[:, :, None], asked)
        credits[k] = merged(credits[k], passed_credit(below.layer, E, r))
        rise = rises(below, memory.own[k], memory.turn[k])
        passed.append(filtered(E, z, left, rise, flow))
    own = [advanced(*one, step, flow) for one in each]
    (E, turned), (S, turn) = apart(passed), apart(own)
    return credits, Traces(E, S, turned, turn)


def apart(pairs: Sequence[tuple[Any, Any]]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The first of every pair, and the second."""
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


def no_traces(layers: list[Any], states: list[Array], classes: list[int]) -> Traces:
    """Traces of a start that no weight moves."""
    own, turn = [], []
    for layer, x in zip(layers, states, strict=True):
        w = layer.apart(split(layer)[0])
        half = lambda k, v, layer=layer: v[0] if k in layer.holomorphic else v
        moving = {k: half(k, v) for k, v in w.items() if layer.moves_state(k)}
        lead = x.shape[0]
        own.append({k: _none((lead, *v.shape), x) for k, v in moving.items()})
        turn.append(unturned(x.shape[1], x) if layer.spirals else None)
    passed = [
        no_filters(layer, x, (number,))
        for layer, x, number in zip(layers, states, classes, strict=False)
    ]
    turned = [unturned(number, states[0]) for number in classes]
    return Traces(tuple(passed), tuple(own), tuple(turned), tuple(turn))


def no_filters(layer: Any, x: Array, lead: tuple[int, ...]) -> Params:
    """Filters of dy/dw at rest, complex, `lead` of them for every weight."""
    w = layer.apart(split(layer)[0])
    return {name: _none((2, *lead, *v.shape), x) for name, v in w.items()}


def unturned(number: int, x: Array) -> Float[Array, "2 number"]:
    """z = 1."""
    return _none((2, number), x).at[0].set(1)


def _none(shape: tuple[int, ...], like: Array) -> Array:
    return jnp.zeros(shape, like.dtype)


def advanced(
    place: Place, S: Params, z: Array | None, step: Step, flow: bool
) -> tuple[Params, Array | None]:
    """z' S' = (dx_i'/dx_i) z S + dx_i'/dw, a row of numbers for each one of a unit."""
    still = None if z is None else jnp.zeros_like(z)
    if not S:
        return {}, still if flow else z
    moving = place.moving
    _, back = jax.vjp(lambda w: step(place.at(w), place.x, place.u), moving)
    _, along = jax.linearize(lambda x: step(place.layer, x, place.u), place.x)
    ones = [jnp.zeros_like(place.x).at[k].set(1) for k in range(place.x.shape[0])]
    if z is None or flow:
        J = [along(one) for one in ones]
        keep = lambda T: sum(
            over_units(a, t[None]) * t for a, t in zip(J, T, strict=True)
        )
    else:
        size, z = spiralled(z, along(ones[0]))
        keep = lambda T: over_units(size[None], T) * T
    rows = jnp.stack(ones if z is None else [z, jnp.stack([-z[1], z[0]])])
    # All rows at once: taken apart and put together they would cost copies of S.
    fresh = jax.vmap(back)(rows)[0]
    for name in place.layer.holomorphic:
        fresh |= {name: fresh[name][:, 0]} if name in fresh else {}
    after = {name: keep(T) + fresh[name] for name, T in S.items()}
    return after, still if flow else z


def spiralled(
    z: Float[Array, "2 *n"], a: Float[Array, "2 *n"]
) -> tuple[Float[Array, "*n"], Float[Array, "2 *n"]]:
    """(|a|, z turned by the phase of a): what a step by the factor a does."""
    square = a[0] ** 2 + a[1] ** 2
    some = square > 0
    size = jnp.sqrt(jnp.where(some, square, 1))
    one = jnp.zeros_like(a).at[0].set(1)
    z = times(z, jnp.where(some, a / size, one))
    # Rounding would let |z| drift over the millions of steps of a long stream.
    z = z / jnp.sqrt(z[0] ** 2 + z[1] ** 2)
    return jnp.where(some, size, 0), z


def own_credit(place: Place, S: Params, z: Array | None) -> Params:
    """ell_x T of a layer."""
    return {name: against(place, name, place.ell_x, z, T) for name, T in S.items()}


def against(place: Place, name: str, by_x: Array, z: Array | None, S: Array) -> Array:
    """by_x . z S for every weight; for both parts of a complex one by the same S."""
    by_x = by_x if z is None else times(conjugate(z), by_x)
    if name not in place.layer.holomorphic:
        return sum(over_units(q, T) * T for q, T in zip(by_x, S, strict=True))  # pyright: ignore[reportReturnType]
    both = jnp.stack([by_x, jnp.stack([by_x[1], -by_x[0]])], axis=1)
    return sum(over_units(q, T[None]) * T for q, T in zip(both, S, strict=True))  # pyright: ignore[reportReturnType]


def rises(below: Place, S: Params, z: Array | None) -> Params:
    """dy_j/dw of every weight of a layer whose outputs are units' own."""
    y, by_x = jax.vjp(lambda x: below.layer.readout(x, below.u), below.x)
    slope = by_x(jnp.ones_like(y))[0]
    _, back = jax.vjp(lambda w: below.at(w).readout(below.x, below.u), below.w)
    direct = below.layer.apart(back(jnp.ones_like(y))[0])
    return {
        name: against(below, name, slope, z, S[name]) if name in S else leaf
        for name, leaf in direct.items()
    }


def filtered(
    E: Params, z: Array, left: Float[Array, "2 poles"], rise: Params, flow: bool = False
) -> tuple[Params, Array]:
    """z' E' = left z E + rise, for every pole."""
    if flow:
        by = (left, jnp.stack([-left[1], left[0]]))
        keep = lambda e: sum(_wide(a, e) * one for a, one in zip(by, e, strict=True))
    else:
        size, z = spiralled(z, left)
        keep = lambda e: _wide(size[None], e) * e
    into = conjugate(z)
    after = {name: keep(e) + _wide(into, e) * rise[name] for name, e in E.items()}
    return after, jnp.zeros_like(z) if flow else z


def passed_credit(
    layer: AbstractUnits, E: Params, asked: Float[Array, "2 poles units"]
) -> Params:
    """Re sum_kappa r_{kappa,j} E_{kappa,jk}, with r turned by z."""

    def each(name: str, e: Array) -> Array:
        pair = name in layer.holomorphic
        shape = (2, asked.shape[1], *[1] * pair, asked.shape[2])
        r = asked.reshape(*shape, *[1] * (e.ndim - len(shape)))
        return jnp.sum(r[0] * e[0] - r[1] * e[1], axis=0)

    return {name: each(name, e) for name, e in E.items()}


def _wide(at: Array, like: Array) -> Array:
    """Numbers for every pole, parts first, to go with filters."""
    return at.reshape(*at.shape, *[1] * (like.ndim - 2))
