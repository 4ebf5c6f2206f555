"""The jobs of the command line, in Python: `hl.compare`, `hl.track`."""

from .comparison import Comparison as Comparison
from .comparison import Entry as Entry
from .comparison import trivial_floor as trivial_floor
from .contenders import Contender as Contender
from .contenders import contenders as contenders
from .track import Settings as Settings
from .track import tracker as tracker
