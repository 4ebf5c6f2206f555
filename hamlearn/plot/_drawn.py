"""What is drawn, as far as a picture needs to know: nothing here imports it."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Titled(Protocol):
    """A law, by its title."""

    @property
    def title(self) -> str: ...


@runtime_checkable
class Run(Protocol):
    """What came out of a run, such as a `Result`."""

    @property
    def law(self) -> Titled: ...
    @property
    def times(self) -> np.ndarray: ...
    @property
    def info(self) -> dict[str, np.ndarray]: ...
    @property
    def losses(self) -> dict[str, float]: ...
    @property
    def output(self) -> np.ndarray: ...
    @property
    def target(self) -> np.ndarray: ...
    @property
    def loss(self) -> np.ndarray: ...


@runtime_checkable
class Tracked(Protocol):
    """A signal that was tracked, such as `hl.tasks.Tracking`."""

    @property
    def name(self) -> str: ...
    @property
    def values(self) -> np.ndarray: ...
    @property
    def unit(self) -> str: ...
    @property
    def time_unit(self) -> str: ...
    def unscaled(self, output: np.ndarray) -> np.ndarray: ...
    def errors(self, output: np.ndarray) -> dict[str, float]: ...


@runtime_checkable
class Balance(Protocol):
    """Scalars along a run and the powers that change H: an energy balance."""

    @property
    def hamiltonian(self) -> Any: ...
    @property
    def lagrangian(self) -> Any: ...
    @property
    def exchanged(self) -> Any: ...
    @property
    def dissipated(self) -> Any: ...
    @property
    def work(self) -> Any: ...


@runtime_checkable
class Tabled(Protocol):
    """Rows of values under named columns, and how the values are written."""

    @property
    def title(self) -> str: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def values(self) -> tuple[tuple[Any, ...], ...]: ...
    def cells(self) -> list[tuple[str, ...]]: ...


@runtime_checkable
class Asked(Protocol):
    """A task, in words."""

    @property
    def name(self) -> str: ...
    @property
    def length(self) -> int: ...
    def describe(self) -> str: ...


@runtime_checkable
class Compared(Protocol):
    """One law of a comparison: losses by seed, and along the stream, a row per seed."""

    @property
    def law(self) -> str: ...
    @property
    def loss(self) -> float: ...
    @property
    def losses(self) -> tuple[float, ...]: ...
    @property
    def curve(self) -> np.ndarray: ...
    @property
    def us_per_sample(self) -> float: ...


@runtime_checkable
class Comparing(Protocol):
    """Laws side by side on one task, and predictors without a network."""

    @property
    def task(self) -> Asked: ...
    @property
    def floors(self) -> dict[str, float]: ...
    @property
    def trivial(self) -> float: ...
    @property
    def trivial_name(self) -> str: ...
    def ranked(self) -> Sequence[Compared]: ...


@runtime_checkable
class Linked(Protocol):
    """A directed graph: its edges, and its levels where it has no cycle."""

    @property
    def num_nodes(self) -> int: ...
    @property
    def senders(self) -> Any: ...
    @property
    def receivers(self) -> Any: ...
    def levels(self) -> Any: ...
