"""One of each law, as audits and reports need them."""

from typing import Any

import optax

from ..action.cost import Cost
from ..costates.riccati import TimeReversal
from ..mechanics.gram import ConjugateGradients, GramSolve, RepeatedSweeps, Sweeps
from ..mechanics.stabilisation import Baumgarte
from ..networks.base import AbstractNetwork
from ..networks.rate import RateNetwork
from ..networks.voltage import VoltageNetwork
from ..rules import (
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
    AbstractRule,
    EProp,
    FeedbackAlignment,
    HamiltonianLearning,
    Instantaneous,
    RecurrentBackprop,
    RTRLFlow,
    SnAp,
    SnAp1,
    SymmetricFeedback,
)
from ._places import voltage_chain
from .locality import Audited


def audited_laws() -> dict[str, Audited]:
    """Every law for `locality`, with plain SGD."""
    cost, sgd = Cost(dissipation=1.0), optax.sgd(0.1)
    laws: dict[str, AbstractRule] = {
        "BPTT": BPTT(cost, sgd, window=3),
        "RTRL": RTRL(cost, sgd),
        "RTRL, as a flow": RTRLFlow(cost, rate=0.1),
        "SnAp-1": SnAp1(cost, sgd),
        "SnAp-2": SnAp(cost, sgd, order=2),
        "RFLO": RFLO(cost, sgd),
        "RFLO, symmetric feedback": RFLO(cost, sgd, feedback=SymmetricFeedback()),
        "e-prop": EProp(cost, sgd),
        "UORO": UORO(cost, sgd),
        "KF-RTRL": KFRTRL(cost, sgd),
        "instantaneous, 1 sweep": Instantaneous(cost, sgd, sweeps=1),
        "feedback alignment, 1 sweep": FeedbackAlignment(cost, sgd, sweeps=1),
        "recurrent backprop": RecurrentBackprop(cost, sgd),
        "Hamiltonian, sign flip": HamiltonianLearning(cost),
        "Hamiltonian, time reversal": HamiltonianLearning(cost, TimeReversal()),
        "VLE": VLE(cost, sgd, window=3),
        "NLA": NLA(cost),
        "LE": LE(cost, sgd),
        "STLP": _stlp(cost, GramSolve()),
        "STLP, 2 CG steps": _stlp(cost, ConjugateGradients(max_steps=2)),
    }
    found = {name: Audited(rule) for name, rule in laws.items()}
    found["GLE"] = Audited(GLE(cost, sgd), voltage_chain(0.75))
    local = _stlp(cost, RepeatedSweeps(Sweeps(1)))
    found["STLP, 2 local exchanges"] = Audited(local, exchanges=2)
    return found


def compared_laws(
    network: AbstractNetwork, inputs: int, *, steps: int = 60, dt: float = 0.1
) -> dict[str, AbstractRule]:
    """Every law for `conformance` but BPTT, so that its steps sum to a gradient.

    `VLE`, which takes the mean over a window, gets one as long as the stream and that
    rate; `RTRLFlow` a rate of 1/dt. `NLA` is not among them: its credit is the slope of
    an energy at its minimum, where voltages are only if samples carry their rates, and
    those of the comparison jump.

    **Arguments:** `network`, `inputs`, `steps`, `dt`: as for `conformance`.
    """
    cost, sgd = Cost(), optax.sgd(1.0)
    sweeps = None if _is_acyclic(network) else 1
    back = "to the inputs" if sweeps is None else "1 sweep"
    return {
        "RTRL": RTRL(cost, sgd),
        "RTRL, as a flow": RTRLFlow(cost, rate=1 / dt),
        "SnAp-1": SnAp1(cost, sgd, inputs=inputs),
        "SnAp-2": SnAp(cost, sgd, order=2, inputs=inputs),
        "RFLO": RFLO(cost, sgd),
        "e-prop": EProp(cost, sgd),
        "UORO": UORO(cost, sgd),
        "KF-RTRL": KFRTRL(cost, sgd),
        f"instantaneous, {back}": Instantaneous(cost, sgd, sweeps=sweeps),
        f"feedback alignment, {back}": FeedbackAlignment(cost, sgd, sweeps=sweeps),
        "recurrent backprop": RecurrentBackprop(cost, sgd),
        "Hamiltonian, sign flip": HamiltonianLearning(cost),
        "Hamiltonian, time reversal": HamiltonianLearning(cost, TimeReversal()),
        "VLE": VLE(cost, optax.sgd(float(steps)), window=steps),
        "GLE": GLE(cost, sgd),
        "LE": LE(cost, sgd),
        "STLP": STLP(cost),
    }


def _is_acyclic(network: AbstractNetwork) -> bool:
    neurons = isinstance(network, RateNetwork | VoltageNetwork)
    return neurons and network.graph.levels() is not None


def _stlp(cost: Cost, gram: Any) -> STLP:
    # A projection would solve the Gram system a second time.
    return STLP(cost, neuron_mass=0.1, gram=gram, stabilisation=Baumgarte(1.0, 1.0))
