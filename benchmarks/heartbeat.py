"""The comparison that the quick start shows, its picture and its table in one piece.

python -m benchmarks.heartbeat    # what `hamlearn compare --task heartbeat` does
"""

from pathlib import Path

from hamlearn import compare
from hamlearn.tasks import comparable

DOCS = Path(__file__).parents[1] / "docs"
#: Between which the table stands in the quick start.
FIRST, LAST = "<!-- heartbeat -->\n", "<!-- /heartbeat -->"
WIDTH = 112


def main() -> None:
    found = compare(comparable()["heartbeat"]())
    text = found.text(WIDTH)
    path = DOCS / "quickstart.md"
    before, _, rest = path.read_text().partition(FIRST)
    after = rest.partition(LAST)[2]
    path.write_text(f"{before}{FIRST}```text\n{text}\n```\n{LAST}{after}")
    found.plot().savefig(DOCS / "compare-heartbeat.png", dpi=150)
    print(text)


if __name__ == "__main__":
    main()
