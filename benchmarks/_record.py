"""What every benchmark shares: careful timing, and a record of where it ran."""

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

RESULTS = Path(__file__).parent / "results"


def alternating(
    first: Callable[[], Any], second: Callable[[], Any], *, repeats: int = 9
) -> tuple[list[float], list[float]]:
    """Seconds of two functions called in turn, each waited for, after two warm-ups."""
    times: tuple[list[float], list[float]] = ([], [])
    for k in range(repeats + 2):
        for function, kept in zip((first, second), times, strict=True):
            began = time.perf_counter()
            jax.block_until_ready(function())
            if k >= 2:
                kept.append(time.perf_counter() - began)
    return times


def spread(values: Any) -> dict[str, float]:
    """Median and range."""
    array = np.asarray(values, float)
    return {
        "median": float(np.median(array)),
        "min": float(array.min()),
        "max": float(array.max()),
    }


def environment() -> dict[str, Any]:
    """Device, versions, commit, command: what a reader needs to run it again."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    packages = ("hamlearn", "jax", "jaxlib", "equinox", "diffrax", "numpy")
    return {
        "device": jax.devices()[0].device_kind,
        "platform": jax.default_backend(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "cores_used": _cores_used(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "commit": commit,
        "command": command(),
        "openblas_threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        "xla_flags": os.environ.get("XLA_FLAGS"),
    }


def _cores_used() -> int | None:
    """How many cores this process may run on; Linux alone tells."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()


def command() -> str:
    """What was typed, with its arguments; folders of this machine by their names."""
    stem = Path(sys.argv[0]).stem
    module = "benchmarks" if stem == "__main__" else f"benchmarks.{stem}"
    words = [Path(w).name if Path(w).is_absolute() else w for w in sys.argv[1:]]
    return shlex.join(["python", "-m", module, *words])


def write(name: str, rows: list[dict[str, Any]], **more: Any) -> Path:
    """Save rows with the environment to results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    record = {"environment": environment(), **more, "rows": rows}
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path
