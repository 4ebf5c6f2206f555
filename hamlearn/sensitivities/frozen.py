"""The controls: no trace at all."""

from .base import AbstractSensitivity


class Immediate(AbstractSensitivity):
    """g = ell_w at fixed x: only what acts on the output at once learns.

    Zero for all but a readout, so the recurrence stays as it was drawn.
    """

    def prepare(self, network, x, key):
        return None

    def start(self, network, x, fixed):
        return None

    def step(self, instant, fixed, memory):
        return instant.ell_w, None
