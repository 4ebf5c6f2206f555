"""Learning laws, one a file."""

from ._base import AbstractFlow as AbstractFlow
from ._base import AbstractRule as AbstractRule
from .hamiltonian import HamiltonianLearning as HamiltonianLearning
from .latent_equilibrium import GLE as GLE
from .latent_equilibrium import LE as LE
from .vle import VLE as VLE
from .vle import prospective_costate as prospective_costate
from .vle import vle_gradient as vle_gradient
