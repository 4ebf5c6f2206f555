"""Units in which columns of a recording are told to a network."""

from typing import NamedTuple

import numpy as np

from .._types import Bool, Float


class Units(NamedTuple):
    """Of every column, the value that counts as 0, and how much counts as 1."""

    zero: tuple[float, ...]
    one: tuple[float, ...]

    @classmethod
    def of(
        cls,
        values: Float[np.ndarray, "time columns"],
        known: Bool[np.ndarray, "time columns"],
    ) -> "Units":
        """Mean and standard deviation of what was recorded; 1 where it is constant."""
        columns = [v[k] for v, k in zip(values.T, known.T, strict=True)]
        found = [(float(c.mean()), float(c.std())) for c in columns]
        zero, one = zip(*found, strict=True)
        return cls(zero, tuple(size or 1.0 for size in one))

    def scaled(self, values: Float[np.ndarray, "time columns"]) -> np.ndarray:
        """Values of the recording, in these units."""
        return (values - np.array(self.zero)) / np.array(self.one)

    def last(self, count: int) -> "Units":
        """Those of the last columns."""
        return Units(self.zero[-count:], self.one[-count:])

    def unscaled(self, values: Float[np.ndarray, "time columns"]) -> np.ndarray:
        """The same in the units of the recording."""
        return values * np.array(self.one) + np.array(self.zero)
