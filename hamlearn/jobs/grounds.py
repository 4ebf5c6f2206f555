"""Where laws are put side by side: tasks of which it is known who should win."""

from dataclasses import dataclass

import equinox as eqx
import jax

from .._types import Array
from ..graph.digraph import Digraph
from ..laws.hops import SpatialTrace
from ..laws.rtrl import RTRL
from ..networks.diagonal import DiagonalNetwork
from ..networks.rate import RateNetwork
from ..tasks import AbstractTask, DelayedCue, TeacherStudent
from .contenders import Contender, MakeNetwork, adam, contenders

#: Laws in the order of the rows; the last two are controls.
ROWS = (
    "rtrl", "diagonal", "bptt", "snap1", "rflo", "instantaneous", "spatial", "flip",
    "frozen", "immediate",
)  # fmt: skip
CONTROLS = ("frozen", "immediate")


@dataclass(frozen=True)
class Ground:
    """A task, its networks, and how long it is learned.

    **Attributes:** `name`: the head of its column; `samples`; `laws`: which are tried,
    by name.
    """

    name: str
    task: AbstractTask
    samples: int
    laws: dict[str, Contender]


def grounds() -> tuple[Ground, ...]:
    """Where laws are tried: a cue after 2, 8 and 32 samples, a recurrent network to
    mimic, a chain of slow layers to mimic."""
    known = contenders(adam)
    dense = {name: known[name] for name in ROWS if name in known}
    law = lambda cost, rate: RTRL(cost, adam(rate))
    modes = {"diagonal": Contender(law, _modes, "diagonal modes")}
    few = {name: dense[name] for name in ("rflo", *CONTROLS)}
    cue = lambda lag, often: DelayedCue(lag, probability=often)
    teacher = TeacherStudent(dt=0.5)
    chain = TeacherStudent(2, 24, 4, depth=3, gain=2.0, dt=0.1)
    several = ("rtrl", "snap1", "rflo", "flip", *CONTROLS)
    slow = {name: _on(dense[name], _chain) for name in several}
    slow["spatial"] = Contender(
        lambda cost, rate: SpatialTrace(cost, adam(rate)), _chain, "slow chain"
    )
    return (
        Ground("cue_2", cue(2, 1.0), 12_000, dense | modes),
        Ground("cue_8", cue(8, 1.0), 12_000, dense | modes),
        Ground("cue_32", cue(32, 0.25), 40_000, few | modes),
        Ground("teacher", teacher, 8_000, dense),
        Ground("slow_chain", chain, 8_000, slow),
    )


def _modes(key: Array, neurons: int, inputs: int, outputs: int) -> DiagonalNetwork:
    """Modes that remember from a sample to two hundred."""
    return DiagonalNetwork(
        neurons, inputs=inputs, outputs=outputs, time_constant=(1.0, 200.0), phase=0.3,
        key=key,
    )  # fmt: skip


def _chain(key: Array, neurons: int, inputs: int, outputs: int) -> RateNetwork:
    """Three slow layers with a linear readout: what the teacher is made of."""
    a, b = jax.random.split(key)
    return RateNetwork(
        Digraph.layered([8, 8, 8]),
        inputs=inputs,
        outputs=8,
        time_constant=10.0,
        readout=eqx.nn.Linear(8, outputs, key=a),
        key=b,
    )


def _on(contender: Contender, network: MakeNetwork) -> Contender:
    """The same law on another network."""
    return Contender(
        contender.law,
        network,
        "slow chain",
        control=contender.control,
        steps=contender.steps,
    )
