"""The scalars of learning, each written once; every law is derived from them."""

from .action import Instant as Instant
from .action import augmented_cost as augmented_cost
from .action import hamiltonian as hamiltonian
from .action import lagrangian as lagrangian
from .cognitive import Coordinates as Coordinates
from .cognitive import Slack as Slack
from .cognitive import cognitive_lagrangian as cognitive_lagrangian
from .cost import Cost as Cost
from .cost import cross_entropy as cross_entropy
from .cost import squared_error as squared_error
from .prospective import prospective_energy as prospective_energy
from .residual import AbstractResidual as AbstractResidual
from .residual import Dynamical as Dynamical
from .residual import Holonomic as Holonomic
from .residual import Mismatch as Mismatch
