"""One page from the committed records: what they found, pictures, tables.

python -m benchmarks.report [--results DIR] [--device cpu] [--out FILE.md]

By default it writes `docs/benchmarks.md` of the runs on a CPU, and
`docs/benchmarks-gpu.md` of those on a GPU; figures go to `figures/` beside it.
"""

import argparse
from pathlib import Path

from . import _numbers, _page

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description=__doc__
    )
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    name = "benchmarks.md" if options.device == "cpu" else "benchmarks-gpu.md"
    out = options.out or HERE.parent / "docs" / name
    records = _page.read(options.results, options.device)
    out.write_text(_page.page(records, options.device))
    _page.draw(records, out.parent / "figures", options.device)
    print(f"wrote {out}")
    for page in _numbers.pages() if options.device == "cpu" else ():
        page.write_text(_numbers.written(page.read_text()))
        print(f"wrote {page}")


if __name__ == "__main__":
    main()
