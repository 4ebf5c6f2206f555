"""Layers of units that do not hear each other, at one sample."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from .._types import Array, Float, Params, PyTree
from ..action.action import Instant
from ..networks.base import AbstractNetwork, AbstractUnits
from ..networks.partition import join, split
from .base import with_state_part


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
    if any(layer.own_head() is None for layer in layers[:-1]):
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
    """Numbers for every unit, to go with arrays whose axes begin alike."""
    return at.reshape(*at.shape, *[1] * (like.ndim - at.ndim))
