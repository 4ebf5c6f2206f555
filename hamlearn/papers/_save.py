"""Where a figure goes."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt


def save(figure: Any, path: Path) -> None:
    """Write a figure and forget it."""
    figure.savefig(path, dpi=150)
    plt.close(figure)
