"""Streams with targets, made here or shipped; nothing is downloaded."""

from ._csv import from_csv as from_csv
from ._tracking import Tracking as Tracking
from ._tracking import heartbeat as heartbeat
from ._tracking import held as held
from ._tracking import patched as patched
from ._tracking import sine as sine
