"""From one scalar to equations of motion, by automatic differentiation."""

from .causal import AbstractPolicy as AbstractPolicy
from .causal import Motion as Motion
from .causal import causal_hamilton as causal_hamilton
from .constrained import constrained_euler_lagrange as constrained_euler_lagrange
from .damping import ExponentialDamping as ExponentialDamping
from .damping import Projected as Projected
from .equations import DiagonalMass as DiagonalMass
from .equations import energy as energy
from .equations import euler_lagrange as euler_lagrange
from .equations import hamilton as hamilton
from .gram import AbstractGram as AbstractGram
from .gram import GramSolve as GramSolve
from .gram import LocalCholesky as LocalCholesky
from .iterations import Automatic as Automatic
from .iterations import ConjugateGradients as ConjugateGradients
from .iterations import NeumannSweeps as NeumannSweeps
from .iterations import RepeatedSweeps as RepeatedSweeps
from .legendre import legendre as legendre
from .solvers import Euler as Euler
from .solvers import Heun as Heun
from .solvers import RungeKutta4 as RungeKutta4
from .stabilisation import AbstractStabilisation as AbstractStabilisation
from .stabilisation import Baumgarte as Baumgarte
from .stabilisation import ConstraintForce as ConstraintForce
from .stabilisation import ConstraintPotential as ConstraintPotential
from .stabilisation import Projection as Projection
