"""What `compare` compares: laws, each on a network that suits it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import optax

from .._types import Number
from ..action.cost import Cost
from ..costates.schedule import Sweeps
from ..laws.base import AbstractLaw
from ..laws.bptt import BPTT, SlidingBPTT
from ..laws.diagonal import DiagonalRTRL
from ..laws.eligibility import RFLO, EProp
from ..laws.hamiltonian import HamiltonianLearning
from ..laws.hops import Hops
from ..laws.instantaneous import Instantaneous
from ..laws.latent_equilibrium import GLE, LE
from ..laws.law import Law
from ..laws.rtrl import RTRL
from ..laws.snap import SnAp1
from ..laws.stlp import STLP
from ..laws.stochastic import KFRTRL, UORO
from ..mechanics.gram import LocalCholesky
from ..sensitivities.eligibility import DrawnFeedback
from ..sensitivities.frozen import Immediate
from ..sensitivities.stacked import AtOnce
from ..updates import AbstractUpdate, Optax
from .kinds import (
    STEPS,
    MakeNetwork,
    modes,
    recurrent,
    resting,
    slow_layers,
    stacked,
)

MakeLaw: TypeAlias = Callable[[Cost, Number], AbstractLaw]
MakeUpdate: TypeAlias = Callable[[Number], AbstractUpdate]


@dataclass(frozen=True)
class Contender:
    """A law with the network that it teaches.

    **Attributes:**

    - `law`: from (cost, step size), the law. A step size is the change of a weight per
      sample and unit of its gradient, and has to be a leaf of the law (as in
      `hl.updates.Optax`): one program serves them all.
    - `network`: from (key, neurons, inputs, outputs), the network; time is counted in
      samples.
    - `note`: what kind of network, in a word.
    - `control`: whether it is there to be beaten.
    - `immediate`: whether its output at a step depends on the input of that step.
    - `steps`: of the network per sample; 1, or 4 and more for laws that are
      differential equations, or need a smooth input.
    """

    law: MakeLaw
    network: MakeNetwork
    note: str = "recurrent"
    control: bool = False
    immediate: bool = False
    steps: int = 1


def descent(rate: Number) -> AbstractUpdate:
    """Plain gradient descent."""
    return Optax(optax.sgd, learning_rate=rate)


def adam(rate: Number) -> AbstractUpdate:
    """Adam at a thirtieth of the step size, so that the same ones can be tried."""
    return Optax(optax.adam, learning_rate=rate / 30)


def rmsprop(rate: Number) -> AbstractUpdate:
    """RMSprop at a thirtieth of the step size."""
    return Optax(optax.rmsprop, learning_rate=rate / 30)


def contenders(update: MakeUpdate = descent) -> dict[str, Contender]:
    """Every law that `compare` knows by name.

    `rflo` hears of the error by fixed random weights, `eprop` by those of the readout;
    BPTT looks 16 samples back and updates every fourth, `hops` twelve at every sample.
    `diagonal` is RTRL of a diagonal layer and `stack` of two, exact at the cost of the
    network; `at-once` sends errors down that stack at the same sample. Two controls are
    to be beaten:
    in `frozen` the recurrence stays as drawn and the readout alone learns; `immediate`
    has credit that reaches one step back and no further, with RMSprop, without which it
    is weaker than it need be.

    **Arguments:** `update`: from a step size, how weights move: `descent`, `adam`,
    `rmsprop`, or yours. `flip` and `stlp` have inertia, overdamped, whatever it is.
    """
    recur = lambda law, control=False: Contender(law, recurrent, control=control)
    layers = lambda law, advance: Contender(
        law, slow_layers(advance), "slow layers", immediate=True
    )
    return {
        "flip": Contender(_flip, recurrent, steps=STEPS),
        "gle": layers(lambda c, rate: GLE(c, update(rate), schedule=Sweeps()), 0.5),
        "le": layers(lambda c, rate: LE(c, update(rate), schedule=Sweeps()), 1.0),
        "stlp": Contender(
            _stlp, resting, "resting layers", immediate=True, steps=STEPS
        ),
        "bptt": recur(lambda c, rate: BPTT(c, update(rate), window=4, overlap=12)),
        "rtrl": recur(lambda c, rate: RTRL(c, update(rate))),
        "snap1": recur(lambda c, rate: SnAp1(c, update(rate))),
        "rflo": recur(lambda c, rate: RFLO(c, update(rate), feedback=DrawnFeedback())),
        "eprop": recur(lambda c, rate: EProp(c, update(rate))),
        "uoro": recur(lambda c, rate: UORO(c, update(rate))),
        "kfrtrl": recur(lambda c, rate: KFRTRL(c, update(rate))),
        "hops": recur(lambda c, rate: Hops(c, update(rate), order=12, pole=1.0)),
        "instantaneous": recur(
            lambda c, rate: Instantaneous(c, update(rate), sweeps=1)
        ),
        "diagonal": Contender(
            lambda c, rate: RTRL(c, update(rate)), modes, "diagonal modes"
        ),
        "stack": Contender(
            lambda c, rate: RTRL(c, update(rate)), stacked, "diagonal stack"
        ),
        "at-once": Contender(
            lambda c, rate: DiagonalRTRL(c, update(rate), link=AtOnce()),
            stacked,
            "diagonal stack",
        ),
        "frozen": recur(
            lambda c, rate: Law(
                c, Immediate(), update(rate), title="frozen recurrence"
            ),
            control=True,
        ),
        "immediate": recur(
            lambda c, rate: SlidingBPTT(c, rmsprop(rate), window=2), control=True
        ),
    }


#: The laws that `compare` runs when it is not told which.
USUAL = (
    "flip",
    "gle",
    "le",
    "stlp",
    "bptt",
    "rtrl",
    "snap1",
    "rflo",
    "eprop",
    "instantaneous",
    "diagonal",
    "frozen",
    "immediate",
)


def _flip(cost: Cost, rate: Any) -> AbstractLaw:
    """A gradient that acts for one step moves a weight by `rate` times it in all."""
    inertia = _overdamped(rate, 1.0)
    return HamiltonianLearning(cost, inertia=inertia, dissipation=1.0)


def _stlp(cost: Cost, rate: Any) -> AbstractLaw:
    inertia = _overdamped(rate, 4.0)
    return STLP(
        cost,
        inertia=inertia,
        dissipation=4.0,
        neuron_mass=1e-5 * inertia,
        gram=LocalCholesky(),
    )


def _overdamped(rate: Any, dissipation: float) -> Any:
    """The inertia r with which weights move at `rate`, 1/(steps r theta)."""
    return 1 / (STEPS * rate * dissipation)
