"""Learning as dynamics: laws generated from one Lagrangian or Hamiltonian.

>>> import hamlearn as hl
>>> target = hl.tasks.sine(duration=12.0)
>>> result = hl.track(target, accuracy=100.0, dissipation=20.0, progress=False)
>>> errors = target.errors(result.output)
>>> errors["rmse"] < 0.1 * errors["rmse_zero"]
True
"""

from . import tasks as tasks
from .action.action import hamiltonian as hamiltonian
from .action.action import lagrangian as lagrangian
from .action.cognitive import Slack as Slack
from .action.cognitive import cognitive_lagrangian as cognitive_lagrangian
from .action.cost import Cost as Cost
from .action.cost import cross_entropy as cross_entropy
from .action.cost import squared_error as squared_error
from .action.prospective import mismatch as mismatch
from .action.prospective import multiplier_energy as multiplier_energy
from .action.prospective import prospective_energy as prospective_energy
from .action.prospective import prospective_lagrangian as prospective_lagrangian
from .costates import filters
from .costates import schedule as schedule
from .costates.adjoint import midpoint_gradient as midpoint_gradient
from .costates.adjoint import reversed_stream_gradient as reversed_stream_gradient
from .costates.bounded import CostateBox as CostateBox
from .costates.bounded import CostateReset as CostateReset
from .costates.riccati import TimeReversal as TimeReversal
from .costates.sign import HamiltonianSign as HamiltonianSign
from .costates.sign import HysteresisSign as HysteresisSign
from .costates.sign import NoFlip as NoFlip
from .costates.sign import SignFlip as SignFlip
from .costates.sign import SmoothSign as SmoothSign
from .graph.digraph import Digraph as Digraph
from .jobs.compare import compare as compare
from .jobs.comparison import Comparison as Comparison
from .jobs.contenders import Contender as Contender
from .jobs.contenders import contenders as contenders
from .jobs.track import track as track
from .jobs.track import tracker as tracker
from .mechanics import gram as gram
from .mechanics import stabilisation
from .mechanics.causal import AbstractPolicy as AbstractPolicy
from .mechanics.causal import Motion as Motion
from .mechanics.causal import causal_hamilton as causal_hamilton
from .mechanics.constrained import (
    constrained_euler_lagrange as constrained_euler_lagrange,
)
from .mechanics.damping import ExponentialDamping as ExponentialDamping
from .mechanics.damping import Projected as Projected
from .mechanics.equations import DiagonalMass as DiagonalMass
from .mechanics.equations import energy as energy
from .mechanics.equations import euler_lagrange as euler_lagrange
from .mechanics.equations import hamilton as hamilton
from .mechanics.legendre import legendre as legendre
from .mechanics.solvers import Euler as Euler
from .mechanics.solvers import Heun as Heun
from .mechanics.solvers import RungeKutta4 as RungeKutta4
from .mechanics.solvers import SemiImplicitEuler as SemiImplicitEuler
from .networks.base import AbstractNetwork as AbstractNetwork
from .networks.batch import Batch as Batch
from .networks.dynamics import Dynamics as Dynamics
from .networks.partition import join as join
from .networks.partition import split as split
from .networks.rate import RateNetwork as RateNetwork
from .networks.voltage import VoltageNetwork as VoltageNetwork
from .rules import BPTT as BPTT
from .rules import GLE as GLE
from .rules import LE as LE
from .rules import NLA as NLA
from .rules import RTRL as RTRL
from .rules import STLP as STLP
from .rules import VLE as VLE
from .rules import AbstractFlow as AbstractFlow
from .rules import AbstractRule as AbstractRule
from .rules import HamiltonianLearning as HamiltonianLearning
from .rules import prospective_costate as prospective_costate
from .rules import vle_gradient as vle_gradient
from .rules._guards import StabilityWarning as StabilityWarning
from .run.result import DivergenceWarning as DivergenceWarning
from .run.result import Result as Result
from .run.solve import solve as solve
from .run.stream import resume as resume
from .run.stream import stream as stream
from .signals.held import Held as Held
from .signals.held import Mollified as Mollified
from .signals.mollify import mollify as mollify
from .signals.signal import Sample as Sample
from .signals.signal import Signal as Signal

closure = filters
drift = stabilisation
