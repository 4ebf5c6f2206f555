"""Learning laws, one a file."""

from ._base import AbstractConstrained as AbstractConstrained
from ._base import AbstractFlow as AbstractFlow
from ._base import AbstractRule as AbstractRule
from ._online import AbstractOnlineRule as AbstractOnlineRule
from .bptt import BPTT as BPTT
from .bptt import SqrtCheckpoints as SqrtCheckpoints
from .bptt import StoreAll as StoreAll
from .bptt import stream_gradient as stream_gradient
from .eligibility import RFLO as RFLO
from .eligibility import EProp as EProp
from .eligibility import RandomFeedback as RandomFeedback
from .eligibility import SymmetricFeedback as SymmetricFeedback
from .hamiltonian import HamiltonianLearning as HamiltonianLearning
from .instantaneous import FeedbackAlignment as FeedbackAlignment
from .instantaneous import Instantaneous as Instantaneous
from .instantaneous import RecurrentBackprop as RecurrentBackprop
from .rtrl import RTRL as RTRL
from .snap import SnAp as SnAp
from .snap import SnAp1 as SnAp1
from .stochastic import KFRTRL as KFRTRL
from .stochastic import UORO as UORO
from .stlp import STLP as STLP
