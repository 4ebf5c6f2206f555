"""One answer to "how is dx/dw carried forward?": what all of them look like."""

import warnings
from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax

from .. import _checks
from .._types import Array, Params, PyTree
from ..action.action import Instant
from ..networks.base import Network


class AbstractSensitivity(eqx.Module):
    """Estimates g_k ~ d ell_k / dw from what it carries of dx/dw.

    `draws`: whether `step` needs a fresh random key in every instant.
    """

    draws: ClassVar[bool] = False

    @abstractmethod
    def prepare(self, network: Network, x: PyTree, key: Array | None) -> PyTree:
        """What never changes and all streams share: tables, feedback weights."""

    @abstractmethod
    def start(self, network: Network, x: PyTree, fixed: PyTree) -> PyTree:
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


def size_of(tree: PyTree) -> int:
    """Bytes of all arrays in a tree, or of what only has their shapes."""
    kinds = jax.Array | jax.ShapeDtypeStruct
    arrays = [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, kinds)]
    return sum(leaf.size * leaf.dtype.itemsize for leaf in arrays)


LARGE = 500_000_000
"""Bytes from which on a law says beforehand what it carries."""


def affordable(law: str, need: int) -> None:
    """Say of `LARGE` bytes that a law carries, before any of it is made.

    **Raises:** as `fits` does.
    """
    fits(law, need)
    if need > LARGE:
        text = (
            f"{law} carries {need / 1e9:.3g} GB on this network and passes all of it "
            f"at every sample, in {need / 1e10:.2g} s at 10 GB/s; {_OTHERS}."
        )
        warnings.warn(text, UserWarning, stacklevel=3)


def fits(law: str, need: int) -> None:
    """**Raises:** `ValueError` where a law would carry more bytes than there are."""
    _checks.affordable("network", f"small enough for {law} ({_OTHERS})", need)


_OTHERS = "`SnAp1`, `EProp` and `HamiltonianLearning` carry a number per weight"


def with_state_part(instant: Instant, part: Params) -> Params:
    """ell_w, and `part`, what comes through the state, added by name."""
    ell_w = instant.ell_w
    return ell_w | {name: ell_w[name] + part[name] for name in part}
