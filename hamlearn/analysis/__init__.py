"""Instruments that judge a law: exact gradients, true optima, audits."""

from ..run.tables import Table as Table
from .alignment import alignment as alignment
from .alignment import directions as directions
from .conformance import Conformance as Conformance
from .conformance import conformance as conformance
from .energy import EnergyBalance as EnergyBalance
from .energy import energy_balance as energy_balance
from .laws import audited_laws as audited_laws
from .laws import compared_laws as compared_laws
from .locality import Audited as Audited
from .locality import locality as locality
from .locality import storage as storage
