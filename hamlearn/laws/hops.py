"""Credit to neurons that reach the output through others, causally."""

from .._types import Number
from ..action.cost import Cost
from ..sensitivities.eligibility import OwnLeak, SpatialFeedback
from ..sensitivities.hops import HopTraces
from ..updates.base import UpdateLike
from .law import Law


def Hops(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    order: int = 4,
    pole: Number | None = None,
    cap: Number = 1.0,
) -> Law:
    """Experimental: a trace for the leak of every neuron on the way to the output.

        g = sum_{h <= order} m(h) s(h)

    with errors m carried back hop by hop at the present instant and traces s filtered
    once more for each hop. `order=1` is `EProp` on rate neurons, `pole=1` is
    `SlidingBPTT` with a window of order + 1. For leaks dt/tau up to .1 take the
    defaults; from .3 on `pole=1` and as many hops as samples are to be remembered.
    Credit is worst where recurrence outlasts the leak, at gains above 1.

    Imposed as dynamics; sensitivity `HopTraces`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; the others as for `HopTraces`.

    Relatives: Liu, Smith, Mihalas, Shea-Brown, Suembuel (2022), "Biologically-plausible
    backpropagation through arbitrary timespans via local neuromodulators" (eligibility
    filtered with taps, slopes held constant, weights by cell type); Liu et al. (2021),
    "Cell-type-specific neuromodulation guides synaptic credit assignment in a spiking
    neural network" (one hop).
    """
    return Law(cost, HopTraces(order, pole, cap), update, title="hop traces")


def SpatialTrace(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    sweeps: int | None = None,
) -> Law:
    """Instantaneous backpropagation through space times the trace of the own leak.

        delta <- ell_x + W^T (sigma'(a) delta),   delta = ell_x at first
        s_ij' = leak_i s_ij + dx_i'/dw_ij,   g_ij = delta_i s_ij

    Exact for neurons that send to no other; what the leaks of those that hear a neuron
    do to an error on its way is left out.

    Imposed as dynamics; sensitivity `OwnLeak` with `SpatialFeedback`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `sweeps`: how many edges back,
    by default the longest path.

    Bohnstingl, Wozniak, Pantazi, Eleftheriou (2022), "Online spatio-temporal learning
    in deep neural networks"; Xiao, Meng, Zhang, He, Lin (2022), "Online training
    through time for spiking neural networks", with a trace of what arrives.
    """
    return Law(cost, OwnLeak(SpatialFeedback(sweeps)), update, title="spatial trace")
