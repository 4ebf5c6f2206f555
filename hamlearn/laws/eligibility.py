"""RFLO and e-prop: a trace of the neuron's own leak times a learning signal."""

from ..action.cost import Cost
from ..sensitivities.eligibility import (
    AbstractFeedback,
    DrawnFeedback,
    OwnLeak,
    SymmetricFeedback,
)
from ..sensitivities.spikes import SpikeTraces
from ..updates.base import UpdateLike
from .law import Law


def RFLO(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    feedback: AbstractFeedback | None = None,
) -> Law:
    """Random feedback local online learning.

        s_ij' = leak_i s_ij + slope_i x_j,   g_ij = (B e)_i s_ij

    with leak_i = 1 - dt/tau_i and slope_i = dt/tau_i sigma'(a_i): the trace of a weight
    fades with its neuron's own leak. Under `SymmetricFeedback` it is `EProp`, exact
    when the recurrent weights are zero. For networks whose weights act on one neuron
    each.

    Imposed as dynamics; sensitivity `OwnLeak`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `feedback`: by default
    `DrawnFeedback()`, which takes a `key` at `init` and a network with a readout that
    learns.

    Murray (2019), "Local online learning in recurrent networks with random feedback".
    """
    feedback = DrawnFeedback() if feedback is None else feedback
    return Law(cost, OwnLeak(feedback), update, title="RFLO")


def EProp(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    feedback: AbstractFeedback | None = None,
) -> Law:
    """e-prop: an eligibility trace of each neuron's own dynamics, and learning signals.

        s_ij' = (dx_i'/dx_i with all signals between neurons held) s_ij + dx_i'/dw_ij
        g_ij = L_i s_ij

    L is the error at the readout carried back, by its transposed weights (symmetric)
    or random ones. A signal between neurons includes that of a neuron to itself, so
    on rate neurons, whose own dynamics are their leak, the trace is that of `RFLO`.

    Imposed as dynamics; sensitivity `OwnLeak`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `feedback`: by default
    `SymmetricFeedback()`.

    Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein, Maass (2020), "A solution to
    the learning dilemma for recurrent networks of spiking neurons".
    """
    feedback = SymmetricFeedback() if feedback is None else feedback
    return Law(cost, OwnLeak(feedback), update, title="e-prop")


def SpikingEProp(cost: Cost | None = None, update: UpdateLike | None = None) -> Law:
    """e-prop of spiking neurons, as published: `EProp` for a `SpikingNetwork`.

        g_ij = L_i E_r,ij,   L = V^T (y - target)

    with E_r the filtered eligibility trace of a neuron's voltage and adaptation, and
    symmetric feedback. Exact where no neuron hears another.

    Imposed as dynamics; sensitivity `SpikeTraces`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`.

    Bellec et al. (2020).
    """
    return Law(cost, SpikeTraces(), update, title="e-prop, spiking")
