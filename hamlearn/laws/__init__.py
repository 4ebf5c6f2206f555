"""The named laws: each a docstring with its equation and its three answers."""

from .base import AbstractFlow as AbstractFlow
from .base import AbstractLaw as AbstractLaw
from .base import Info as Info
from .base import State as State
from .bptt import BPTT as BPTT
from .bptt import SlidingBPTT as SlidingBPTT
from .diagonal import DiagonalRTRL as DiagonalRTRL
from .eligibility import RFLO as RFLO
from .eligibility import EProp as EProp
from .hamiltonian import HamiltonianLearning as HamiltonianLearning
from .hamiltonian_flow import HamiltonianFlow as HamiltonianFlow
from .instantaneous import FeedbackAlignment as FeedbackAlignment
from .instantaneous import Instantaneous as Instantaneous
from .instantaneous import RecurrentBackprop as RecurrentBackprop
from .latent_equilibrium import GLE as GLE
from .latent_equilibrium import LE as LE
from .latent_equilibrium import VLE as VLE
from .law import Law as Law
from .nla import NLA as NLA
from .rtrl import RTRL as RTRL
from .snap import SnAp as SnAp
from .snap import SnAp1 as SnAp1
from .stlp import STLP as STLP
from .stlp import phase as phase
from .stochastic import KFRTRL as KFRTRL
from .stochastic import UORO as UORO
