"""Networks: parametric vector fields that answer for themselves."""

from .base import AbstractNetwork as AbstractNetwork
from .base import AbstractUnits as AbstractUnits
from .batch import Batch as Batch
from .diagonal import DiagonalNetwork as DiagonalNetwork
from .dynamics import Dynamics as Dynamics
from .hamiltonian import HamiltonianNetwork as HamiltonianNetwork
from .hamiltonian import Harmonic as Harmonic
from .hamiltonian import LogCosh as LogCosh
from .hamiltonian import oscillations as oscillations
from .heads import AbstractHead as AbstractHead
from .heads import AbstractOwnHead as AbstractOwnHead
from .heads import MixedHead as MixedHead
from .heads import OwnHead as OwnHead
from .heads import ProductHead as ProductHead
from .rate import RateNetwork as RateNetwork
from .saved import load as load
from .saved import save as save
from .spiking import SpikingNetwork as SpikingNetwork
from .spiking import spike as spike
from .stack import Memoryless as Memoryless
from .stack import Stack as Stack
from .trace_units import TraceUnits as TraceUnits
from .voltage import VoltageNetwork as VoltageNetwork
