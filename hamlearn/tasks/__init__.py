"""Streams with answers, made here or shipped; nothing is downloaded.

One protocol for all, `AbstractTask`: `samples`, `floors`, and what is asked. Classes
are tasks; lower-case functions make ready ones, or work on any.
"""

from ._lines import values_of as values_of
from ._units import Units as Units
from .conditioning import TraceConditioning as TraceConditioning
from .decisions import DelayedXOR as DelayedXOR
from .decisions import EvidenceAccumulation as EvidenceAccumulation
from .digit_rows import DigitRows as DigitRows
from .digits import AbstractDigits as AbstractDigits
from .digits import Digits as Digits
from .endless import AbstractEndless as AbstractEndless
from .floors import floors_of as floors_of
from .forecast import Forecast as Forecast
from .frozen import frozen_recurrence as frozen_recurrence
from .frozen import immediate_derivative as immediate_derivative
from .frozen import readout_only as readout_only
from .lorenz import Lorenz as Lorenz
from .mackey_glass import MackeyGlass as MackeyGlass
from .memory import DelayedCue as DelayedCue
from .memory import Flag as Flag
from .memory import MatchToSample as MatchToSample
from .mnist1d import MNIST1D as MNIST1D
from .paired import Paired as Paired
from .ready import comparable as comparable
from .ready import heartbeat as heartbeat
from .ready import patched as patched
from .ready import sine as sine
from .recording import Recording as Recording
from .recording import from_csv as from_csv
from .recording import from_frame as from_frame
from .recording import read as read
from .sequences import Add as Add
from .sequences import Adding as Adding
from .sequences import Copy as Copy
from .shaping import halves as halves
from .shaping import shaped as shaped
from .task import AbstractTask as AbstractTask
from .task import Facts as Facts
from .task import accuracy as accuracy
from .task import drawn as drawn
from .teacher import TeacherStudent as TeacherStudent
from .tracking import Tracking as Tracking
from .tracking import recorded as recorded
