"""Where each law looks and what it stores, measured by perturbation, in float64."""

from collections.abc import Sequence
from typing import Any

import jax

from hamlearn.analysis.laws import audited_laws
from hamlearn.analysis.locality import COLUMNS, locality


def measure(asked: Sequence[str] | None, *, quick: bool, say: Any):
    """The rows of `hamlearn audit`, of laws whose name starts like one of `asked`."""
    starts = tuple(name.lower() for name in asked) if asked else ("",)
    rows = []
    # The process keeps its precision: the other parts are in float32.
    with jax.enable_x64(True):
        laws = audited_laws()
        names = [name for name in laws if name.lower().startswith(starts)]
        for name in names[:4] if quick else names:
            rows += locality({name: laws[name]}).only(*COLUMNS).rows()
            say(rows[-1])
    return rows
