"""One core of a CPU for a measurement, settled before JAX starts."""

import os
import sys


def settle() -> None:
    """Keep this process on one core (on Linux) and its libraries to one thread.

    Ratios between threads would measure the machine's other work. The processor's
    time of a thread on another core comes in steps of some ms, and XLA hands parts of
    a program to such threads; on one core every part has been counted.
    """
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false".strip()
    os.environ["JAX_CPU_ENABLE_ASYNC_DISPATCH"] = "false"
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
