"""Where laws are put side by side: tasks of which it is known who should win."""

from dataclasses import dataclass, replace
from typing import Any

from ..action.cost import Cost
from ..laws.base import AbstractLaw
from ..laws.hops import Hops, SpatialTrace
from ..tasks import AbstractTask, DelayedCue, Flag, TeacherStudent
from .contenders import Contender, adam, contenders
from .kinds import (
    MakeNetwork,
    gated_modes,
    modes,
    prospective_chain,
    slow_chain,
    stacked,
)

#: What laws have to beat, in the order of the rows.
CONTROLS = ("frozen", "immediate")
#: Laws whose credit is exact; the best of them is the ceiling.
EXACT = ("rtrl", "diagonal", "stack")
#: Rows, from the top.
ROWS = (
    *CONTROLS, *EXACT, "at-once", "bptt", "hops", "snap1", "rflo", "spatial", "gle",
    "flip",
)  # fmt: skip


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
    """Where laws are tried: a cue after 8, 32 and 128 samples among distractors, a
    value that a flag pointed at three samples before, a recurrent network to mimic, a
    chain of slow layers to mimic."""
    known = contenders(adam)
    some = lambda *names: {name: known[name] for name in names}
    cue = lambda lag, often: DelayedCue(lag, probability=often)
    short = some("rtrl", "diagonal", "bptt", "hops", "snap1", "rflo", "flip", *CONTROLS)
    long = some("diagonal", "rflo") | _all_on(modes, some(*CONTROLS))
    flag = some("stack", "at-once", "rtrl")
    flag |= _all_on(gated_modes, some("diagonal")) | _all_on(stacked, some(*CONTROLS))
    recurrent = some("rtrl", "bptt", "snap1", "rflo", "flip", *CONTROLS)
    chain = _all_on(slow_chain, some("rtrl", "rflo", "flip", *CONTROLS))
    chain |= {
        "hops": Contender(_hops, slow_chain),
        "spatial": Contender(_spatial, slow_chain),
        "gle": replace(known["gle"], network=prospective_chain),
    }
    slow = TeacherStudent(2, 24, 4, depth=3, gain=2.0, dt=0.1)
    return (
        Ground("cue_lag_8", cue(8, 1.0), 12_000, short),
        Ground("cue_lag_32", cue(32, 0.25), 50_000, long),
        Ground("cue_lag_128", cue(128, 0.0625), 50_000, long),
        Ground("late_flag", Flag(8, 3, 0), 50_000, flag),
        Ground("teacher", TeacherStudent(dt=0.5), 8_000, recurrent),
        Ground("slow_chain", slow, 8_000, chain),
    )


def _all_on(network: MakeNetwork, laws: dict[str, Contender]) -> dict[str, Contender]:
    """The same laws on another network."""
    return {name: replace(law, network=network) for name, law in laws.items()}


def _hops(cost: Cost, rate: Any) -> AbstractLaw:
    return Hops(cost, adam(rate), order=5)


def _spatial(cost: Cost, rate: Any) -> AbstractLaw:
    return SpatialTrace(cost, adam(rate))
