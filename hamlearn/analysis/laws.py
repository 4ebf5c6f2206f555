"""One of each law, as audits and reports need them."""

from typing import Any

import optax

from ..costates.riccati import TimeReversal
from ..laws import (
    BPTT,
    GLE,
    KFRTRL,
    LE,
    NLA,
    RFLO,
    RTRL,
    STLP,
    UORO,
    VLE,
    AbstractLaw,
    DiagonalRTRL,
    Echo,
    EProp,
    FeedbackAlignment,
    HamiltonianLearning,
    Hops,
    Instantaneous,
    MeanSlopeRTRL,
    RecurrentBackprop,
    SlidingBPTT,
    SnAp,
    SnAp1,
    SpatialTrace,
    SpikingEProp,
)
from ..mechanics.gram import GramSolve
from ..mechanics.iterations import (
    ConjugateGradients,
    NeumannSweeps,
    RepeatedSweeps,
)
from ..mechanics.solvers import Euler
from ..mechanics.stabilisation import Baumgarte
from ..networks.base import AbstractNetwork
from ..sensitivities.eligibility import SymmetricFeedback
from ..updates import GradientFlow, Optax
from ._places import chain, modes, ring, springs, voltage_chain
from .locality import Audited


def audited_laws() -> dict[str, Audited]:
    """Every law for `locality`, with plain SGD."""
    sgd = Optax(optax.sgd, learning_rate=0.1)
    laws: dict[str, AbstractLaw] = {
        "BPTT": BPTT(update=sgd, window=3),
        "sliding BPTT": SlidingBPTT(update=sgd, window=3),
        "RTRL": RTRL(update=sgd),
        "RTRL, as a flow": RTRL(update=GradientFlow(0.1), solver=Euler()),
        "RTRL, blocks of 3": RTRL(update=sgd, block=3),
        "SnAp-1": SnAp1(update=sgd),
        "SnAp-2": SnAp(update=sgd, order=2),
        "RFLO": RFLO(update=sgd),
        "RFLO, symmetric feedback": RFLO(update=sgd, feedback=SymmetricFeedback()),
        "e-prop": EProp(update=sgd),
        "spatial trace, 1 sweep": SpatialTrace(update=sgd, sweeps=1),
        "UORO": UORO(update=sgd),
        "KF-RTRL": KFRTRL(update=sgd),
        "instantaneous, 1 sweep": Instantaneous(update=sgd, sweeps=1),
        "feedback alignment, 1 sweep": FeedbackAlignment(update=sgd, sweeps=1),
        "recurrent backprop": RecurrentBackprop(update=sgd),
        "Hamiltonian, sign flip": HamiltonianLearning(dissipation=1.0),
        "Hamiltonian, time reversal": HamiltonianLearning(
            policy=TimeReversal(), dissipation=1.0
        ),
        "VLE": VLE(update=sgd, window=3),
        "NLA": NLA(),
        "LE": LE(update=sgd),
        "STLP": _stlp(GramSolve()),
        "STLP, 2 CG steps": _stlp(ConjugateGradients(max_steps=2)),
    }
    found = {name: Audited(law) for name, law in laws.items()}
    # Hops, and parts of complex numbers, are no past samples.
    for name, cap in {"hops, 2": 1.0, "hops, 2, no cap": None}.items():
        found[name] = Audited(Hops(update=sgd, order=2, cap=cap), kinds=(1, 2))
    found["diagonal RTRL"] = Audited(
        DiagonalRTRL(update=sgd), modes, graph=chain(), kinds=(2,)
    )
    found["GLE"] = Audited(GLE(update=sgd), voltage_chain(0.75))
    # Its default eps is chosen for the whole network, which would not be local.
    echo = Echo(update=sgd, window=3, epsilon=1e-3)
    found["echo"] = Audited(echo, springs, graph=ring())
    local = _stlp(RepeatedSweeps(NeumannSweeps(1)))
    found["STLP, 2 local exchanges"] = Audited(local, exchanges=2)
    return found


def compared_laws(
    network: AbstractNetwork, inputs: int, *, steps: int = 60
) -> dict[str, AbstractLaw]:
    """Every law for `conformance` but BPTT.

    `VLE`, whose credit is a mean over its window, has one as long as the stream and
    counts every loss as many times.

    **Arguments:** `network`, `inputs`, `steps`: as for `conformance`.
    """
    sweeps = None if network.depth() is not None else 1
    back = "to the inputs" if sweeps is None else "1 sweep"
    flow = GradientFlow(1.0)
    return {
        "sliding BPTT": SlidingBPTT(window=steps, inputs=inputs),
        "RTRL": RTRL(),
        "RTRL, as a flow": RTRL(update=flow, solver=Euler()),
        "diagonal RTRL": DiagonalRTRL(),
        "mean-slope RTRL": MeanSlopeRTRL(),
        "SnAp-1": SnAp1(inputs=inputs),
        "SnAp-2": SnAp(order=2, inputs=inputs),
        "RFLO": RFLO(),
        "e-prop": EProp(),
        "e-prop, spiking": SpikingEProp(),
        "hops, 4": Hops(),
        f"spatial trace, {back}": SpatialTrace(sweeps=sweeps),
        "UORO": UORO(),
        "KF-RTRL": KFRTRL(),
        f"instantaneous, {back}": Instantaneous(sweeps=sweeps),
        f"feedback alignment, {back}": FeedbackAlignment(sweeps=sweeps),
        "recurrent backprop": RecurrentBackprop(),
        "Hamiltonian, sign flip": HamiltonianLearning(dissipation=0.0),
        "Hamiltonian, time reversal": HamiltonianLearning(
            policy=TimeReversal(), dissipation=0.0
        ),
        "echo": Echo(window=steps),
        "VLE": VLE(window=steps),
        "GLE": GLE(),
        "LE": LE(),
        "NLA": NLA(),
        "STLP": STLP(),
    }


def _stlp(gram: Any) -> STLP:
    # A projection would solve the Gram system a second time.
    return STLP(neuron_mass=0.1, gram=gram, stabilisation=Baumgarte(1.0, 1.0))
