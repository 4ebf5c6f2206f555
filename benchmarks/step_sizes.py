"""Step sizes of the map of laws: `python -m benchmarks.step_sizes` finds them anew.

The least loss with weights held, on fresh samples, on a seed of its own that the map
does not use.
"""

import json
from pathlib import Path

from hamlearn.jobs.landscape import landscape

PATH = Path(__file__).parents[1] / "hamlearn" / "data" / "step_sizes.json"


def main() -> None:
    found = landscape(seeds=1, tune=True)
    sizes: dict[str, dict[str, float]] = {}
    for (law, ground), spot in found.spots.items():
        sizes.setdefault(ground, {})[law] = spot.step_size
    PATH.write_text(json.dumps(sizes, indent=1) + "\n")
    print(found)


if __name__ == "__main__":
    main()
