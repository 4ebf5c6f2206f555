"""Data frames and recordings, where a job asks for something made of them."""

import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from ..tasks import Recording, read
from ..tasks.recording import is_frame


def made_of(data: Any, make: Callable[[Recording], Any], *, progress: bool) -> Any:
    """`make` of a recording or of the one that a data frame is; the rest as it is.

    How a frame was understood is shown where progress is, as commands do of a file.
    """
    if is_frame(data):
        data = read(data)
        if progress:
            tqdm.write(repr(data), file=sys.stderr)
    return make(data) if isinstance(data, Recording) else data
