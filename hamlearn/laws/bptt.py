"""Backpropagation through time: exact for the discretised dynamics, not causal."""

from .. import _checks
from ..action.cost import Cost
from ..costates.gradient import Checkpoints
from ..costates.rerun import Rerun
from ..costates.window import Adjoint
from ..updates.base import UpdateLike
from .law import Law


def BPTT(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    window: int,
    overlap: int = 0,
    memory: Checkpoints | None = None,
    inputs: int | None = None,
) -> Law:
    """Truncated backpropagation through time, one update every `window` samples.

        p_k = ell_x + (1 + dt f_x)^T p_{k+1},   lam_k = -dt p_{k+1}
        g = sum of dM_k/dw over the last `window` samples

    along the states that were met, back to `window + overlap` samples ago. A window
    as long as the stream is full BPTT; `window=1` with overlap T - 1 is an update per
    sample with T steps of credit. The state has a fixed size, O(window + overlap).

    With `memory=hl.costates.Checkpoints()` no states are kept but the first: they are
    run again at the end of the window, O(sqrt(window)) of them at a time. Samples are
    kept all the same.

    Imposed as dynamics; costate `Adjoint` or `Rerun`, over a window; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `window`, `overlap`: in samples;
    `memory`: what is kept of the states, by default all; then without overlap;
    `inputs`: how many the network has, where it does not say so itself.

    Williams & Peng (1990), "An efficient gradient-based algorithm for on-line
    training of recurrent network trajectories".
    """
    if memory is None:
        return Law(cost, Adjoint(window, overlap, inputs), update, title="BPTT")
    if overlap != 0:
        _checks.reject("overlap", "0 where states are run again", overlap)
    return Law(cost, Rerun(window, memory, inputs), update, title="BPTT, run again")


def SlidingBPTT(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    window: int,
    inputs: int | None = None,
) -> Law:
    """The exact gradient of the present loss through the last `window` samples.

        g_k = ell_w + sum_{j < window} dt p_{k-j} df_{k-j-1}/dw,   p_k = ell_x

    An update at every sample without a lag, for `window` products per edge: the rival
    of every approximation that costs as much. `BPTT` with a window of one sample.

    **Arguments:** as for `BPTT`.

    Williams & Peng (1990), who call it BPTT(h).
    """
    _checks.at_least("window", window, 1)
    return Law(cost, Adjoint(1, window - 1, inputs), update, title="sliding BPTT")
