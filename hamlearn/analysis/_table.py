"""The table of `run.tables`, until analyses import it from there."""

from ..run.tables import Table as Table
from ..run.tables import heads as heads
from ..run.tables import lines as lines
from ..run.tables import plain as plain
