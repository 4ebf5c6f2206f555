"""Streams with targets, made here or shipped; nothing is downloaded."""

from ._csv import from_csv as from_csv
from ._tracking import Tracking as Tracking
from ._tracking import heartbeat as heartbeat
from ._tracking import held as held
from ._tracking import patched as patched
from ._tracking import sine as sine
from .digits import DigitRows as DigitRows
from .digits import digit_floors as digit_floors
from .digits import digit_rows as digit_rows
from .floors import autoregression as autoregression
from .floors import constant as constant
from .floors import floors_of as floors_of
from .floors import frozen_recurrence as frozen_recurrence
from .floors import persistence as persistence
from .floors import readout_only as readout_only
from .forecast import Forecast as Forecast
from .forecast import forecast as forecast
from .lorenz import Lorenz as Lorenz
from .mackey_glass import MackeyGlass as MackeyGlass
from .recorded import Heartbeat as Heartbeat
from .sequences import Add as Add
from .sequences import Adding as Adding
from .sequences import Copy as Copy
from .sequences import DelayedXOR as DelayedXOR
from .sequences import EvidenceAccumulation as EvidenceAccumulation
from .teacher import TeacherStudent as TeacherStudent
