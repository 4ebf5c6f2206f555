"""Where each law looks and what it stores, measured by perturbation, in float64."""

from collections.abc import Sequence
from typing import Any

import jax

from hamlearn.analysis.laws import audited_laws
from hamlearn.analysis.locality import COLUMNS, locality


def measure(names: Sequence[str], *, quick: bool, say: Any):
    """The rows of `hamlearn audit`, of the laws of these names."""
    rows = []
    # The process keeps its precision: the other parts are in float32.
    with jax.enable_x64(True):
        laws = audited_laws()
        for name in names[:4] if quick else names:
            rows += locality({name: laws[name]}).only(*COLUMNS).rows()
            say(rows[-1])
    return rows
