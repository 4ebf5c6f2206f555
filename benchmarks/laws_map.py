"""The map of laws: its record, its picture and its table in the texts.

python -m benchmarks.laws_map           # what `hamlearn compare` does, kept
python -m benchmarks.laws_map --draw    # picture and tables from the record
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from hamlearn.jobs.grounds import ROWS
from hamlearn.jobs.landscape import Landscape, Spot, landscape

from ._record import RESULTS, write

ROOT = Path(__file__).parents[1]
NAME = "laws_map"
#: Where the table stands, between two marks; in the README without what is said below.
TEXTS = {"README.md": False, "docs/choosing.md": True}


def recorded() -> Landscape:
    """The map that is in the record."""
    record = json.loads((RESULTS / f"{NAME}.json").read_text())
    spots = {}
    for row in record["rows"]:
        found: dict[str, Any] = {
            k: math.inf if v is None else v for k, v in row.items()
        }
        key = found.pop("law"), found.pop("ground")
        spots[key] = Spot(**found)
    floors = record["floors"]
    return Landscape(
        spots, floors, tuple(floors), ROWS, record["seeds"], record["seconds"]
    )


def table(found: Landscape, *, whole: bool) -> str:
    """The map in words, with what is said below it or without."""
    text = found.text(100)
    return text if whole else text.rpartition("\n\n")[0]


def put(found: Landscape) -> None:
    """The tables into the texts, and the picture beside them."""
    first, last = "<!-- map -->\n", "<!-- /map -->"
    for name, whole in TEXTS.items():
        path = ROOT / name
        before, _, rest = path.read_text().partition(first)
        after = rest.partition(last)[2]
        block = f"```text\n{table(found, whole=whole)}\n```\n"
        path.write_text(before + first + block + last + after)
    found.plot().savefig(ROOT / "docs" / "compare-map.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draw", action="store_true")
    if not parser.parse_args().draw:
        made = landscape()
        more: dict[str, Any] = {"floors": made.floors, "seeds": made.seeds}
        write(NAME, made.rows(), seconds=made.seconds, **more)
    found = recorded()
    put(found)
    print(found.text(100))


if __name__ == "__main__":
    main()
