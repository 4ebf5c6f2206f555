"""Recurrent Hamiltonian echo learning: exact to O(eps^2), not causal."""

from .._types import Number
from ..action.cost import Cost
from ..costates.echo import Echoes
from ..updates.base import UpdateLike
from .law import Law


def Echo(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    window: int,
    epsilon: Number | None = None,
) -> Law:
    """The action played back: `BPTT` of oscillators without a stored state.

        g = -dt/2 eps sum_k d/dw [V(q'^+_k, c_k) - V(q'^-_k, c_k)]

    with q'^+ and q'^- the positions of two copies of the network that run the window
    backward, from p reversed, while the errors push their momenta up and down. What a
    synapse needs is at its two ends; what a sample needs is the end of its window: it
    is local in space, not causal, and stores inputs and targets of the window, its
    first state and its last. In a stack dJ/du of each layer pushes the one below.

    Imposed as dynamics; costate `Echoes`, over a window; any update. The info says by
    how much at most the last window missed its start (`retrace`).

    **Arguments:** `cost`, `update`: as for `RTRL`; `window`: in samples; `epsilon`:
    eps, by default chosen from the window.

    **Raises:** `ValueError` where e^{theta window dt} is above 1e-2 over the unit
    roundoff: damping is gain on the way back.

    Pourcel & Ernoult (2025), "Learning long range dependencies through time reversal
    symmetry breaking".
    """
    return Law(cost, Echoes(window, epsilon), update, title="echo")
