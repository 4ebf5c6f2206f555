"""Learning as dynamics: laws generated from one Lagrangian or Hamiltonian.

>>> import hamlearn as hl
>>> target = hl.tasks.sine(duration=12.0)
>>> result = hl.track(target, accuracy=100.0, dissipation=20.0, progress=False)
>>> errors = target.errors(result.output)
>>> errors["rmse"] < 0.1 * errors["rmse_zero"]
True
"""

from . import closure as closure
from . import drift as drift
from . import gram as gram
from . import schedule as schedule
from . import tasks as tasks
from ._action import Cost as Cost
from ._action import cross_entropy as cross_entropy
from ._action import hamiltonian as hamiltonian
from ._action import lagrangian as lagrangian
from ._action import legendre as legendre
from ._action import squared_error as squared_error
from ._adjoint import midpoint_gradient as midpoint_gradient
from ._adjoint import reversed_stream_gradient as reversed_stream_gradient
from ._cognitive import Slack as Slack
from ._cognitive import cognitive_lagrangian as cognitive_lagrangian
from ._compare import compare as compare
from ._comparison import Comparison as Comparison
from ._constraint import constrained_euler_lagrange as constrained_euler_lagrange
from ._contenders import Contender as Contender
from ._contenders import contenders as contenders
from ._damping import ExponentialDamping as ExponentialDamping
from ._damping import Projected as Projected
from ._graph import Digraph as Digraph
from ._mechanics import DiagonalMass as DiagonalMass
from ._mechanics import energy as energy
from ._mechanics import euler_lagrange as euler_lagrange
from ._mechanics import hamilton as hamilton
from ._mollify import mollify as mollify
from ._network import AbstractNetwork as AbstractNetwork
from ._network import Batch as Batch
from ._network import Dynamics as Dynamics
from ._network import RateNetwork as RateNetwork
from ._network import join as join
from ._network import split as split
from ._policy import AbstractPolicy as AbstractPolicy
from ._policy import CostateBox as CostateBox
from ._policy import CostateReset as CostateReset
from ._policy import HamiltonianSign as HamiltonianSign
from ._policy import HysteresisSign as HysteresisSign
from ._policy import Motion as Motion
from ._policy import NoFlip as NoFlip
from ._policy import SignFlip as SignFlip
from ._policy import SmoothSign as SmoothSign
from ._policy import causal_hamilton as causal_hamilton
from ._prospective import mismatch as mismatch
from ._prospective import multiplier_energy as multiplier_energy
from ._prospective import prospective_energy as prospective_energy
from ._prospective import prospective_lagrangian as prospective_lagrangian
from ._result import DivergenceWarning as DivergenceWarning
from ._result import Result as Result
from ._reversal import TimeReversal as TimeReversal
from ._signal import Held as Held
from ._signal import Mollified as Mollified
from ._signal import Sample as Sample
from ._signal import Signal as Signal
from ._solve import solve as solve
from ._solver import Euler as Euler
from ._solver import Heun as Heun
from ._solver import RungeKutta4 as RungeKutta4
from ._solver import SemiImplicitEuler as SemiImplicitEuler
from ._stream import resume as resume
from ._stream import stream as stream
from ._track import track as track
from ._track import tracker as tracker
from ._voltage import VoltageNetwork as VoltageNetwork
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
