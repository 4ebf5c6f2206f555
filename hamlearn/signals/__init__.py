"""Samples and signals: what a network hears and what it should answer."""

from .held import Held as Held
from .held import Mollified as Mollified
from .mollify import mollify as mollify
from .signal import Sample as Sample
from .signal import Signal as Signal
