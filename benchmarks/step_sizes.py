"""Step sizes of the map of laws: `python -m benchmarks.step_sizes [GROUND ...]`.

The least loss with weights held, on fresh samples, a mean over three networks; the map
uses neither them nor their stream. Those of every ground are written as they are found;
what stood there is said where it was another one.
"""

import json
import sys
from pathlib import Path

from hamlearn.jobs.grounds import grounds
from hamlearn.jobs.landscape import RATES, step_sizes, tuned

PATH = Path(__file__).parents[1] / "hamlearn" / "data" / "step_sizes.json"


def main() -> None:
    sizes, ends = step_sizes(), (min(RATES), max(RATES))
    places = grounds()
    for ground in places:
        if sys.argv[1:] and ground.name not in sys.argv[1:]:
            continue
        found, before = tuned(ground), sizes.get(ground.name, {})
        sizes[ground.name] = {name: rate for name, (rate, _) in found.items()}
        kept = {g.name: sizes[g.name] for g in places if g.name in sizes}
        PATH.write_text(json.dumps(kept, indent=1) + "\n")
        for name, (rate, tried) in found.items():
            losses = ", ".join(f"{r:g}: {loss:.3g}" for r, loss in tried.items())
            end = "  (at an end)" if rate in ends else ""
            was = before.get(name, rate)
            end += f"  (was {was:g})" if was != rate else ""
            print(f"{ground.name:12} {name:14} {rate:g}{end}   {losses}", flush=True)


if __name__ == "__main__":
    main()
