"""Streams with targets, made here or shipped; nothing is downloaded."""

from .digits import digit_floors as digit_floors
from .digits import digit_rows as digit_rows
from .floors import autoregression as autoregression
from .floors import constant as constant
from .floors import persistence as persistence
from .floors import readout_only as readout_only
from .lorenz import Lorenz as Lorenz
from .sequences import Add as Add
from .sequences import Adding as Adding
from .sequences import Copy as Copy
from .sequences import DelayedXOR as DelayedXOR
from .sequences import EvidenceAccumulation as EvidenceAccumulation
