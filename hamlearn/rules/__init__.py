"""Learning laws, one a file."""

from ._base import AbstractConstrained as AbstractConstrained
from ._base import AbstractFlow as AbstractFlow
from ._base import AbstractRule as AbstractRule
from .hamiltonian import HamiltonianLearning as HamiltonianLearning
from .stlp import STLP as STLP
