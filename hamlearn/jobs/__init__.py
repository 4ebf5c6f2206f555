"""The jobs of the command line, in Python: `hl.compare`, `hl.track`."""

from .comparison import Comparison as Comparison
from .comparison import Entry as Entry
from .comparison import trivial_floor as trivial_floor
from .contenders import Contender as Contender
from .contenders import contenders as contenders
from .live import RunningScale as RunningScale
from .live import track_live as track_live
from .track import by_sample as by_sample
from .tracker import NormalisedDrive as NormalisedDrive
from .tracker import Settings as Settings
from .tracker import Stability as Stability
from .tracker import tracker as tracker
