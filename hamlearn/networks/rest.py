"""Networks at rest: every neuron is what its parents make of it."""

import equinox as eqx
import jax
from jax.core import Tracer

from .._types import Array, Float, PyTree
from ..graph.levels import Levels, levels_of
from .base import AbstractNetwork
from .rate import RateNetwork

_SHALLOW = 16  # levels whose sweeps take no longer than to compile a loop over them


class Settling(eqx.Module):
    """How a network comes to rest under a held input: x = sigma(a(x, w, u)).

    Rate neurons without a cycle level by level, every edge used once; others by
    `sweeps` of all neurons at once.
    """

    levels: Levels | None
    sweeps: int = eqx.field(static=True)

    @classmethod
    def of(cls, network: AbstractNetwork, sweeps: int) -> "Settling":
        """The quickest way for a network, which `sweeps` are enough for."""
        deep = network.depth()
        if not isinstance(network, RateNetwork) or deep is None or deep <= _SHALLOW:
            return cls(None, sweeps)
        if isinstance(network.graph.senders, Tracer):
            return cls(None, sweeps)
        with jax.ensure_compile_time_eval():  # a graph is known, also inside `jit`
            return cls(levels_of(network.graph), sweeps)

    def __call__(
        self, network: AbstractNetwork, x: PyTree, u: Float[Array, "..."]
    ) -> PyTree:
        """The state at rest, from a state `x`."""
        if self.levels is not None and isinstance(network, RateNetwork):
            return network.rested(self.levels, u)
        sweep = lambda _, x: network.settled(x, u)
        return jax.lax.fori_loop(0, self.sweeps, sweep, x)
