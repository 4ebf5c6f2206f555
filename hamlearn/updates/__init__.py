"""How weights move: inertia, gradient flow, any optimizer of optax."""

from .base import AbstractUpdate as AbstractUpdate
from .base import AbstractUpdateFlow as AbstractUpdateFlow
from .inertia import GradientFlow as GradientFlow
from .inertia import Inertia as Inertia
from .optimizer import Optax as Optax
from .optimizer import Ready as Ready
from .optimizer import as_update as as_update
