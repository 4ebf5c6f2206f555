"""Learning as dynamics (temporary roof)."""

from . import updates as updates
from . import laws as laws
from .action.cost import Cost as Cost
from .action.cost import cross_entropy as cross_entropy
from .action.cost import squared_error as squared_error
from .graph.digraph import Digraph as Digraph
from .networks.batch import Batch as Batch
from .networks.dynamics import Dynamics as Dynamics
from .networks.partition import join as join
from .networks.partition import split as split
from .networks.rate import RateNetwork as RateNetwork
from .networks.voltage import VoltageNetwork as VoltageNetwork
from .signals.signal import Sample as Sample
from .signals.signal import Signal as Signal
from .laws import *
from .run.scan import scan as scan
