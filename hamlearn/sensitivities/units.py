"""Exact traces of units that do not hear each other, alone and in stacks of two."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp

from .. import _checks
from .._types import Array, Float, Params, PyTree
from ..action.action import Instant
from ..networks.base import AbstractNetwork, AbstractUnits
from ..networks.partition import join, split
from .base import AbstractSensitivityFlow, with_state_part

Step = Callable[[Any, Array, Array], Array]
Links = Callable[[Any, Array], tuple[Array, Array]]


class Traces(eqx.Module):
    """Per layer, by name: dx/dw of every weight at its own unit, numbers first; and of
    all layers but the last dy/dw, filtered by each pole of the layer above."""

    own: tuple[Params, ...]
    passed: tuple[Params, ...]


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
        return carried(instant, memory, lambda layer, x, u: layer(x, u), links_at(None))


def links_at(dt: Any) -> Links:
    """The poles of a layer and what they ask for, over a step or as rates."""
    return lambda filters, q: (filters.passed(dt), filters.asked(q, dt))


def carried(
    instant: Instant, memory: Traces, step: Step, links: Links
) -> tuple[Params, Traces]:
    """(the estimate, traces a step later or their rates: only derivatives differ)."""
    here = places(instant)
    credits, passed = list(own_credits(here, memory)), []
    for k, E in enumerate(memory.passed):
        below, above = here[k], here[k + 1]
        left, asked = links(above.layer.filters(), conjugate(above.ell_x))
        credits[k] = merged(credits[k], passed_credit(below.layer, E, asked))
        passed.append(filtered(E, left, rises(below, memory.own[k])))
    each = zip(here, memory.own, strict=True)
    own = tuple(advanced(place, step, T) for place, T in each)
    return summed(instant, here, credits), Traces(own, tuple(passed))


def why_not_exact(network: AbstractNetwork) -> str | None:
    """None where `UnitTraces` is exact, else what of the network breaks it."""
    why, units = why_not_passed(network), network.units() or {}
    if why is None and len(units) > 2:
        return f"a stack of {len(units)} layers; exact traces pass through two"
    return why


def why_not_passed(network: AbstractNetwork) -> str | None:
    """None where traces can pass from every layer into the one above it."""
    units = network.units()
    if units is None:
        return f"a {network.name}, whose units hear each other"
    layers = list(units.values())
    if not all(layer.own_outputs() for layer in layers[:-1]):
        return "a lower layer that mixes its modes before the nonlinearity"
    if any(layer.filters() is None for layer in layers[1:]):
        return "an upper layer that is no linear filter of what it hears"
    return None


def one_layer(network: AbstractNetwork) -> bool:
    """Whether it is a single layer of units, whose own traces are everything."""
    units = network.units()
    return units is not None and len(units) == 1


class Place(NamedTuple):
    """One layer at one sample: its weights by their names in it, split off."""

    prefix: str
    layer: AbstractUnits
    w: Params
    frozen: PyTree
    x: Array
    u: Array
    ell_x: Array

    @property
    def moving(self) -> Params:
        """The weights that move its state, shared ones once for every unit."""
        w = {k: v for k, v in self.w.items() if self.layer.moves_state(k)}
        return self.layer.apart(w)

    def at(self, w: Params) -> Any:
        """The layer with some weights changed."""
        return join(self.w | w, self.frozen)


def places(instant: Instant) -> list[Place]:
    """All layers of units, with what they hear."""
    network = instant.network
    units, states = network.units(), jax.tree.leaves(instant.x)
    errors, u, found = jax.tree.leaves(instant.ell_x), instant.u, []
    for (prefix, layer), x, ell_x in zip(units.items(), states, errors, strict=True):
        found.append(Place(prefix, layer, *split(layer), x, u, ell_x))
        u = layer.readout(x, u) if len(found) < len(units) else u
    return found


def no_traces(layers: list[Any], states: list[Array], classes: list[int]) -> Traces:
    """Traces of a start that no weight moves."""
    own, passed = [], []
    for k, (layer, x) in enumerate(zip(layers, states, strict=True)):
        w = layer.apart(split(layer)[0])
        moving = {name: leaf for name, leaf in w.items() if layer.moves_state(name)}
        zeros = lambda lead, leaf, dtype=x.dtype: jnp.zeros((*lead, *leaf.shape), dtype)
        half = lambda k, v, layer=layer: v[0] if k in layer.holomorphic else v
        own.append({k: zeros((x.shape[0],), half(k, v)) for k, v in moving.items()})
        if k < len(classes):
            passed.append({n: zeros((2, classes[k]), v) for n, v in w.items()})
    return Traces(tuple(own), tuple(passed))


def advanced(place: Place, step: Step, traces: Params) -> Params:
    """(dx_i'/dx_i) T + dx_i'/dw, a row of numbers for each number of a unit."""
    if not traces:
        return {}
    numbers = range(place.x.shape[0])
    ones = [jnp.zeros_like(place.x).at[k].set(1) for k in numbers]
    _, along = jax.linearize(lambda x: step(place.layer, x, place.u), place.x)
    J = [along(one) for one in ones]
    moving = place.moving
    _, back = jax.vjp(lambda w: step(place.at(w), place.x, place.u), moving)
    fresh = [back(one)[0] for one in ones]

    def after(name: str, T: Array) -> Array:
        one = (lambda leaf: leaf[0]) if name in place.layer.holomorphic else _same
        through = lambda k: sum(over_units(J[j][k], T[j]) * T[j] for j in numbers)
        return jnp.stack([through(k) + one(fresh[k][name]) for k in numbers])

    return {name: after(name, T) for name, T in traces.items()}


def own_credits(here: list[Place], memory: Traces) -> tuple[Params, ...]:
    """ell_x T of every layer."""
    return tuple(
        {name: against(p, name, p.ell_x, T) for name, T in traces.items()}
        for p, traces in zip(here, memory.own, strict=True)
    )


def against(place: Place, name: str, by_x: Array, T: Array) -> Array:
    """by_x . T for every weight; for both parts of a complex one by the same trace."""

    def product(q: Any, T: Array) -> Any:
        return sum(over_units(q, T) * T for q, T in zip(q, T, strict=True))

    if name not in place.layer.holomorphic:
        return product(by_x, T)
    return jnp.stack([product(by_x, T), product((by_x[1], -by_x[0]), T)])


def rises(below: Place, traces: Params) -> Params:
    """dy_j/dw of every weight of a layer whose outputs are units' own."""
    y, by_x = jax.vjp(lambda x: below.layer.readout(x, below.u), below.x)
    slope = by_x(jnp.ones_like(y))[0]
    _, back = jax.vjp(lambda w: below.at(w).readout(below.x, below.u), below.w)
    direct = below.layer.apart(back(jnp.ones_like(y))[0])
    return {
        name: against(below, name, slope, traces[name]) if name in traces else leaf
        for name, leaf in direct.items()
    }


def filtered(E: Params, left: Array, rise: Params) -> Params:
    """left E + rise, for every pole."""
    (a, b), out = left, {}
    for name, e in E.items():
        shape = (-1, *[1] * (e.ndim - 2))
        a_, b_ = a.reshape(shape), b.reshape(shape)
        out[name] = jnp.stack(
            [a_ * e[0] - b_ * e[1] + rise[name], a_ * e[1] + b_ * e[0]]
        )
    return out


def passed_credit(
    layer: AbstractUnits, E: Params, asked: Float[Array, "2 classes units"]
) -> Params:
    """Re sum_kappa r_{kappa,j} E_{kappa,jk}."""

    def each(name: str, e: Array) -> Array:
        pair = name in layer.holomorphic
        shape = (2, asked.shape[1], *[1] * pair, asked.shape[2])
        r = asked.reshape(*shape, *[1] * (e.ndim - len(shape)))
        return jnp.sum(r[0] * e[0] - r[1] * e[1], axis=0)

    return {name: each(name, e) for name, e in E.items()}


def merged(a: Params, b: Params) -> Params:
    """The sum of two, by name."""
    return b | {name: leaf + b[name] if name in b else leaf for name, leaf in a.items()}


def summed(instant: Instant, here: list[Place], credits: Sequence[Params]) -> Params:
    """ell_w and the credits, of units that share a weight together."""
    part = {}
    for place, credit in zip(here, credits, strict=True):
        w = {name: place.w[name] for name in credit}
        _, together = jax.vjp(place.layer.apart, w)
        part |= {place.prefix + k: v for k, v in together(credit)[0].items()}
    return with_state_part(instant, part)


def conjugate(pair: Float[Array, "2 *a"]) -> Float[Array, "2 *a"]:
    """q = d ell/dh_r - i d ell/dh_i of the derivatives by real and imaginary part."""
    return jnp.stack([pair[0], -pair[1]])


def over_units(at: Array, like: Array) -> Array:
    """One number per unit, to go with arrays that have units first."""
    return at.reshape(-1, *[1] * (like.ndim - 1))


def _same(leaf: Array) -> Array:
    return leaf
