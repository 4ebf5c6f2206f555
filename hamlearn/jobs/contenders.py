"""What `compare` compares: laws, each on a network that suits it."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax
import optax

from .._types import Array, PyTree
from ..action.cost import Cost
from ..costates.schedule import Sweeps
from ..graph.digraph import Digraph
from ..mechanics.gram import LocalCholesky
from ..networks.base import AbstractNetwork
from ..networks.rate import RateNetwork
from ..networks.voltage import VoltageNetwork
from ..rules import (
    BPTT,
    GLE,
    KFRTRL,
    LE,
    RFLO,
    RTRL,
    STLP,
    UORO,
    AbstractOnlineRule,
    AbstractRule,
    EProp,
    HamiltonianLearning,
    Instantaneous,
    SnAp1,
    SymmetricFeedback,
)

#: Time constant of neurons, in samples.
SLOWNESS = 2.0
#: Steps a sample of the laws that are differential equations.
STEPS = 4


@dataclasses.dataclass(frozen=True)
class Contender:
    """A law with the network that it teaches.

    **Attributes:**

    - `rule`: from a step size, the law. A step size is the change of a weight a
      sample per unit of its gradient.
    - `network`: from (key, neurons, inputs, outputs), the network; time is counted in
      samples.
    - `note`: what kind of network, in a word.
    - `immediate`: whether its output at a step depends on the input of that step.
    - `steps`: of the network a sample; 1, or 4 and more for laws that are differential
      equations, or need a smooth input.
    """

    rule: Callable[[Any], AbstractRule]
    network: Callable[[Array, int, int, int], AbstractNetwork]
    note: str = "recurrent"
    immediate: bool = False
    steps: int = 1


class FrozenRecurrence(AbstractOnlineRule):
    """The control: only what acts on the output at once learns, by its own gradient.

        g = ell_w at fixed x

    which is zero for all but the readout.
    """

    draws: ClassVar[bool] = False
    cost: Cost
    optimizer: optax.GradientTransformation

    def start(self, network: Any, x: PyTree, key: Array | None):
        return None, None

    def credit(self, moment: Any, fixed: PyTree, trace: PyTree):
        return moment.c_w, None


def recurrent(key: Array, neurons: int, inputs: int, outputs: int) -> RateNetwork:
    """Fully connected rate neurons that remember about two samples, linear readout."""
    a, b = jax.random.split(key)
    return RateNetwork(
        Digraph.complete(neurons, self_loops=True),
        inputs=inputs,
        outputs=neurons,
        time_constant=SLOWNESS,
        readout=eqx.nn.Linear(neurons, outputs, key=a),
        key=b,
    )


def resting(key: Array, neurons: int, inputs: int, outputs: int) -> RateNetwork:
    """Two layers without memory: neurons come to rest within one step."""
    a, b = jax.random.split(key)
    half = neurons // 2
    return RateNetwork(
        Digraph.layered([neurons - half, half]),
        inputs=inputs,
        outputs=half,
        time_constant=1 / STEPS,
        readout=eqx.nn.Linear(half, outputs, key=a),
        key=b,
    )


def slow_layers(advance: float) -> Callable[..., VoltageNetwork]:
    """Two layers of leaky neurons and linear outputs, with tau_r/tau_m = `advance`."""

    def build(key: Array, neurons: int, inputs: int, outputs: int) -> VoltageNetwork:
        half = neurons // 2
        return VoltageNetwork(
            Digraph.layered([neurons - half, half, outputs]),
            inputs=inputs,
            outputs=outputs,
            linear=list(range(neurons, neurons + outputs)),
            membrane_time_constant=SLOWNESS,
            prospective_time_constant=advance * SLOWNESS,
            key=key,
        )

    return build


def contenders() -> dict[str, Contender]:
    """Every law that `compare` knows by name.

    BPTT looks 16 samples back and updates every fourth. `frozen` is the control: the
    recurrence stays as drawn, the readout alone learns.
    """
    sgd, cost = optax.sgd, Cost()
    on = lambda rule: Contender(rule, recurrent)
    layers = lambda rule, advance: Contender(
        rule, slow_layers(advance), "layers, slow", immediate=True
    )
    return {
        "flip": Contender(_sign_flip, recurrent, steps=STEPS),
        "gle": layers(lambda rate: GLE(cost, sgd(rate), schedule=Sweeps()), 0.5),
        "le": layers(lambda rate: LE(cost, sgd(rate), schedule=Sweeps()), 1.0),
        "stlp": Contender(
            _stlp, resting, "layers, resting", immediate=True, steps=STEPS
        ),
        "bptt": on(lambda rate: BPTT(cost, sgd(rate), window=4, overlap=12)),
        "rtrl": on(lambda rate: RTRL(cost, sgd(rate))),
        "snap1": on(lambda rate: SnAp1(cost, sgd(rate))),
        "rflo": on(lambda rate: RFLO(cost, sgd(rate), feedback=SymmetricFeedback())),
        "eprop": on(lambda rate: EProp(cost, sgd(rate))),
        "uoro": on(lambda rate: UORO(cost, sgd(rate))),
        "kfrtrl": on(lambda rate: KFRTRL(cost, sgd(rate))),
        "instantaneous": on(lambda rate: Instantaneous(cost, sgd(rate), sweeps=1)),
        "frozen": on(lambda rate: FrozenRecurrence(cost, sgd(rate))),
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
    "instantaneous",
    "frozen",
)


def _sign_flip(rate: Any) -> HamiltonianLearning:
    """A gradient that acts for one step moves a weight by `rate` times it in all."""
    return HamiltonianLearning(_overdamped(rate, 1.0))


def _stlp(rate: Any) -> STLP:
    cost = _overdamped(rate, 4.0)
    return STLP(cost, neuron_mass=1e-5 * cost.inertia, gram=LocalCholesky())


def _overdamped(rate: Any, dissipation: float) -> Cost:
    return Cost(inertia=1 / (STEPS * rate * dissipation), dissipation=dissipation)
