"""Learning as dynamics: laws generated from one Lagrangian or Hamiltonian.

>>> import hamlearn as hl
>>> graph = hl.Digraph.complete(5, self_loops=True)
>>> target = hl.tasks.sine(duration=12.0)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import action as action
    from . import analysis as analysis
    from . import costates as costates
    from . import laws as laws
    from . import mechanics as mechanics
    from . import networks as networks
    from . import plot as plot
    from . import sensitivities as sensitivities
    from . import signals as signals
    from . import tasks as tasks
    from . import updates as updates
    from .action.cost import Cost as Cost
    from .costates.gradient import exact_gradient as exact_gradient
    from .graph.digraph import Digraph as Digraph
    from .jobs.compare import compare as compare
    from .jobs.track import track as track
    from .laws.bptt import BPTT as BPTT
    from .laws.eligibility import RFLO as RFLO
    from .laws.eligibility import EProp as EProp
    from .laws.hamiltonian import HamiltonianLearning as HamiltonianLearning
    from .laws.latent_equilibrium import GLE as GLE
    from .laws.latent_equilibrium import LE as LE
    from .laws.latent_equilibrium import VLE as VLE
    from .laws.law import Law as Law
    from .laws.rtrl import RTRL as RTRL
    from .laws.snap import SnAp as SnAp
    from .laws.snap import SnAp1 as SnAp1
    from .laws.stlp import STLP as STLP
    from .networks.batch import Batch as Batch
    from .networks.diagonal import DiagonalNetwork as DiagonalNetwork
    from .networks.dynamics import Dynamics as Dynamics
    from .networks.partition import join as join
    from .networks.partition import split as split
    from .networks.rate import RateNetwork as RateNetwork
    from .networks.stack import Stack as Stack
    from .networks.voltage import VoltageNetwork as VoltageNetwork
    from .run.checkpoint import load_state as load_state
    from .run.result import DivergenceWarning as DivergenceWarning
    from .run.result import Result as Result
    from .run.scan import scan as scan
    from .run.solve import solve as solve
    from .run.stream import resume as resume
    from .run.stream import stream as stream
    from .signals.signal import Sample as Sample
    from .signals.signal import Signal as Signal

_ROOMS = (
    "action",
    "analysis",
    "costates",
    "laws",
    "mechanics",
    "networks",
    "plot",
    "sensitivities",
    "signals",
    "tasks",
    "updates",
)
_PLACES = {
    "action.cost": ("Cost",),
    "costates.gradient": ("exact_gradient",),
    "graph.digraph": ("Digraph",),
    "jobs.compare": ("compare",),
    "jobs.track": ("track",),
    "laws.bptt": ("BPTT",),
    "laws.eligibility": ("EProp", "RFLO"),
    "laws.hamiltonian": ("HamiltonianLearning",),
    "laws.latent_equilibrium": ("GLE", "LE", "VLE"),
    "laws.law": ("Law",),
    "laws.rtrl": ("RTRL",),
    "laws.snap": ("SnAp", "SnAp1"),
    "laws.stlp": ("STLP",),
    "networks.batch": ("Batch",),
    "networks.diagonal": ("DiagonalNetwork",),
    "networks.dynamics": ("Dynamics",),
    "networks.partition": ("join", "split"),
    "networks.rate": ("RateNetwork",),
    "networks.stack": ("Stack",),
    "networks.voltage": ("VoltageNetwork",),
    "run.checkpoint": ("load_state",),
    "run.result": ("DivergenceWarning", "Result"),
    "run.scan": ("scan",),
    "run.solve": ("solve",),
    "run.stream": ("resume", "stream"),
    "signals.signal": ("Sample", "Signal"),
}
_WHERE = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted([*_ROOMS, *_WHERE])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    """A name, imported when it is first asked for."""
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name in _WHERE:
        return getattr(import_module(f".{_WHERE[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
