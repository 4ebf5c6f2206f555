"""How dx/dw is carried forward: one answer a file."""

from .base import AbstractSensitivity as AbstractSensitivity
from .base import AbstractSensitivityFlow as AbstractSensitivityFlow
from .blocks import ExactBlocks as ExactBlocks
from .deep import MeanSlopes as MeanSlopes
from .eligibility import AbstractFeedback as AbstractFeedback
from .eligibility import DrawnFeedback as DrawnFeedback
from .eligibility import OwnLeak as OwnLeak
from .eligibility import SpatialFeedback as SpatialFeedback
from .eligibility import SymmetricFeedback as SymmetricFeedback
from .exact import Exact as Exact
from .filtered import FilteredTraces as FilteredTraces
from .filtered import SplitTraces as SplitTraces
from .frozen import Immediate as Immediate
from .hops import HopTraces as HopTraces
from .snap import Diagonal as Diagonal
from .snap import Sparse as Sparse
from .spikes import SpikeTraces as SpikeTraces
from .stacked import AbstractLink as AbstractLink
from .stacked import AtOnce as AtOnce
from .stacked import FittedPoles as FittedPoles
from .stacked import PassedTraces as PassedTraces
from .stochastic import KroneckerTrace as KroneckerTrace
from .stochastic import RankOneTrace as RankOneTrace
from .synthetic import SyntheticGradients as SyntheticGradients
from .units import UnitTraces as UnitTraces
