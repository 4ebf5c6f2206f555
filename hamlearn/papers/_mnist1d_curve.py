"""MNIST-1D from its committed curve, for those who cannot wait for the run."""

import json
from pathlib import Path

from . import mnist1d
from ._claim import Claim

_NAME = "mnist1d_gle.json"


def run(out: Path) -> list[Claim]:
    """Draw the curve into `out` and say what it reached; nothing is trained.

    **Raises:** `FileNotFoundError` where the curve was not installed.
    """
    rows = json.loads(_curve().read_text())["epochs"]
    mnist1d.draw(out, rows)
    reached, epochs = float(rows[-1]["test"]), len(rows)
    verdict = f"does not hold: {reached} % after {epochs} epochs"
    if reached >= 85:
        verdict = f"holds if {epochs} epochs may reach less than 150: {reached} %"
    if reached >= 90.9:
        verdict = f"holds: {reached} % after {epochs} epochs"
    return [Claim("mnist1d test accuracy (%)", reached, 85.0, None, verdict)]


def _curve() -> Path:
    """In the package where it was built, beside it in a checkout."""
    package = Path(__file__).parents[1]
    places = (
        package / "data" / _NAME,
        package.parent / "benchmarks" / "results" / _NAME,
    )
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(
        f"`{_NAME}` is neither in {' nor in '.join(map(str, places))}"
    )
