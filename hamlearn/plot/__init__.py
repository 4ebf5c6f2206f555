"""Pictures of runs, graphs and analyses. Needs matplotlib: `hamlearn[plot]`.

Each function makes one figure on white, in colours that colour-blind readers tell
apart, whatever style is in force. A law has one colour and one mark everywhere.
"""

from ._analyses import audit as audit
from ._analyses import energies as energies
from ._analyses import learning_curves as learning_curves
from ._analyses import spectra as spectra
from ._graphs import graph as graph
from ._graphs import waves as waves
from ._laws import comparison as comparison
from ._looks import Look as Look
from ._looks import looks as looks
from ._map import landscape as landscape
from ._runs import outputs as outputs
from ._runs import run as run
from ._runs import tracked as tracked
from ._runs import trajectories as trajectories
from ._runs import weights as weights
from ._style import COLOURS as COLOURS
from ._style import STYLE as STYLE
from ._style import styled as styled
