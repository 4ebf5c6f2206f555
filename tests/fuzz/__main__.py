"""Ten times as many inputs: `python -m tests.fuzz [--times 10] [--out FILE.json]`."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import pytest


class Tally:
    """What became of every test, and of how many inputs."""

    def __init__(self):
        self.passed, self.failed = 0, []

    def pytest_runtest_logreport(self, report):
        if report.when == "call" and report.passed:
            self.passed += 1
        if report.failed:
            self.failed.append(report.nodeid)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ["HAMLEARN_FUZZ"] = str(options.times)
    tally, began, core = Tally(), time.perf_counter(), time.process_time()
    here = str(Path(__file__).parent)
    status = pytest.main(["-q", "-p", "no:cacheprovider", here], plugins=[tally])
    from benchmarks._record import command, environment

    here = environment()
    here["command"] = command().replace("benchmarks", "tests.fuzz", 1)
    found = {
        "environment": here,
        "times": options.times,
        **sys.modules["fuzz.wrong"].TRIED,  # as pytest calls it
        "tests": tally.passed,
        "failed": tally.failed,
        "seconds": round(time.perf_counter() - began),
        "core_seconds": round(time.process_time() - core),
    }
    print({name: value for name, value in found.items() if name != "environment"})
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
