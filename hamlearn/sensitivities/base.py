"""One answer to "how is dx/dw carried forward?": what all of them look like."""

from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx

from .. import _checks
from .._types import Array, Params, PyTree
from ..action.action import Instant


class AbstractSensitivity(eqx.Module):
    """Estimates g_k ~ d ell_k / dw from what it carries of dx/dw.

    `draws`: whether `step` needs a fresh random key in every instant.
    """

    draws: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, network: Any, x: PyTree, key: Array | None) -> PyTree:
        """What never changes and all streams share: tables, feedback weights."""

    @abstractmethod
    def start(self, network: Any, x: PyTree, fixed: PyTree) -> PyTree:
        """The memory at the start of a stream or an episode."""

    @abstractmethod
    def step(
        self, instant: Instant, fixed: PyTree, memory: PyTree
    ) -> tuple[Params, PyTree]:
        """(the estimate of d ell_k / dw, the memory at x_{k+1})."""


class AbstractSensitivityFlow(AbstractSensitivity):
    """A sensitivity that obeys a differential equation."""

    @abstractmethod
    def rates(
        self, instant: Instant, fixed: PyTree, memory: PyTree
    ) -> tuple[Params, PyTree]:
        """(the estimate, d memory/dt)."""


def carried(law: str, need: int) -> None:
    """**Raises:** `ValueError` where a law would carry more bytes than there are.

    What it needs is said before any of it is made, with laws that need less.
    """
    others = "`SnAp1`, `EProp` and `HamiltonianLearning` carry a number per weight"
    _checks.affordable("network", f"small enough for {law} ({others})", need)


def with_state_part(instant: Instant, part: Params) -> Params:
    """ell_w, and `part`, what comes through the state, added by name."""
    ell_w = instant.ell_w
    return ell_w | {name: ell_w[name] + part[name] for name in part}
