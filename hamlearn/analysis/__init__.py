"""Instruments that judge a law: exact gradients, true optima, audits."""

from ..run.tables import Table as Table
from .alignment import alignment as alignment
from .alignment import directions as directions
from .boundary_value import boundary_value as boundary_value
from .ceiling import best_filter as best_filter
from .ceiling import filter_alignment as filter_alignment
from .conformance import ConformanceReport as ConformanceReport
from .conformance import conformance as conformance
from .energy import EnergyBalance as EnergyBalance
from .energy import energy_balance as energy_balance
from .filter_picture import alignment_by_frequency as alignment_by_frequency
from .gap import ActionGap as ActionGap
from .gap import gap as gap
from .gap import law_action as law_action
from .laws import audited_laws as audited_laws
from .laws import compared_laws as compared_laws
from .locality import Audited as Audited
from .locality import locality as locality
from .locality import storage as storage
from .two_point import Optimum as Optimum
from .two_point import action as action
from .two_point import two_point as two_point
