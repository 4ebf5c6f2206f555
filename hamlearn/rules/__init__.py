"""Learning laws, one a file."""

from ._base import AbstractFlow as AbstractFlow
from ._base import AbstractRule as AbstractRule
from .hamiltonian import HamiltonianLearning as HamiltonianLearning
