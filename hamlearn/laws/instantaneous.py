"""Laws that treat every sample as if the network had come to rest at it."""

import lineax as lx

from ..action.cost import Cost
from ..costates.instantaneous import AtRest, FixedPoint, RandomFeedback
from ..updates.base import UpdateLike
from .law import Law


def Instantaneous(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    sweeps: int | None = None,
) -> Law:
    """Backprop through the network at each sample, as if it had come to rest there.

        p <- h ell_x + (1 + h f_x)^T p,   p_0 = h ell_x,   g = ell_w + f_w^T p

    for a number of sweeps, each of which carries credit one edge back. h is the time
    constant of every neuron; on rate neurons, with p_i = tau_i delta_i, that is

        delta_i = ell_{x_i} + sum_k sigma'_k w_ki delta_k,   g_ij = delta_i sigma'_i x_j

    On an acyclic graph it is exact Backprop of the resting network after as many
    sweeps as the longest path; with cycles it is the start of the series whose limit
    `RecurrentBackprop` finds. A module that is no network of neurons has no time
    constants of its own: h is the step dt, and s sweeps are the credit of s + 1 steps
    under the present derivatives. `sweeps=0` is the vjp of one step and the readout.

    Imposed as dynamics; costate `AtRest`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `sweeps`: by default the length of
    the longest path, so needed for a graph with cycles and for other modules.
    """
    return Law(cost, AtRest(sweeps), update, title="instantaneous")


def FeedbackAlignment(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    sweeps: int | None = None,
) -> Law:
    """`Instantaneous` with fixed random weights B on the way back: no weight transport.

        delta_i = ell_{x_i} + sum_k sigma'_k b_ki delta_k,   g_ij = delta_i sigma'_i x_j

    Imposed as dynamics; costate `RandomFeedback`, drawn with the `key` of `init`; any
    update.

    **Arguments:** as for `Instantaneous`.

    Lillicrap, Cownden, Tweed, Akerman (2016), "Random synaptic feedback weights
    support error backpropagation for deep learning".
    """
    return Law(cost, RandomFeedback(sweeps), update, title="feedback alignment")


def RecurrentBackprop(
    cost: Cost | None = None,
    update: UpdateLike | None = None,
    *,
    linear_solver: lx.AbstractLinearSolver | None = None,
) -> Law:
    """Recurrent backpropagation: the exact gradient of a network at rest.

        f_x^T p = -ell_x,   g = ell_w + f_w^T p

    Exact where dx/dt = f = 0 holds at the sample; it ignores slowness.

    Imposed as dynamics; costate `FixedPoint`; any update.

    **Arguments:** `cost`, `update`: as for `RTRL`; `linear_solver`: any of lineax; the
    default is direct. A singular f_x gives NaN.

    Almeida (1987), "A learning rule for asynchronous perceptrons with feedback in a
    combinatorial environment"; Pineda (1987), "Generalization of back-propagation to
    recurrent neural networks".
    """
    solver = lx.LU() if linear_solver is None else linear_solver
    return Law(cost, FixedPoint(solver), update, title="recurrent backprop")
