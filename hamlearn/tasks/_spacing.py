"""Recorded times as places on an even grid, and what is missing between them."""

import numpy as np

from .._types import Float, Int

#: So many samples of a grid, per recorded one, may be held over gaps.
MOST = 50
#: Steps of a grid that are too many for any recording.
FAR = 2**40


def spacing(times: Float[np.ndarray, "time"]) -> tuple[float, Int[np.ndarray, "time"]]:
    """(interval, place): where each of rising times stands on an even grid.

    Every step is rounded to a number of median steps, one at the least: months and
    stamps written with few digits stay next to each other, and rounding does not add
    up. The interval is the mean time from place to place.
    """
    steps = np.diff(times)
    if len(steps) == 0:
        return 1.0, np.zeros(len(times), int)
    typical = np.sort(steps)[(len(steps) - 1) // 2]
    with np.errstate(over="ignore"):
        counts = np.clip(np.rint(steps / typical), 1, FAR).astype(int)
    place = np.concatenate([[0], np.cumsum(counts)])
    return float((times[-1] - times[0]) / place[-1]), place
