"""Settings of every test: double precision, strict promotion, several CPU devices."""

import gc
import os
import sys
from pathlib import Path

import equinox.internal as eqxi
import jax
import matplotlib
import pytest
from jaxtyping import install_import_hook

# Shapes and types of everything in hamlearn are checked at each call.
install_import_hook("hamlearn", "typecheck.checked")

matplotlib.use("Agg")

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_num_cpu_devices", 2)

# Most of the time goes into compiling: without LLVM's own passes it is a quarter less.
# XLA's passes, which fuse and decide what is computed in place, are as users have them.
_LESS = "--xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_LESS}".strip()

# Traces are many small objects, which a tenth of the time would go into looking through.
gc.set_threshold(20_000, 20, 20)

MAPPED = 25_000
"""Memory maps after which compiled programs are let go; Linux gives a process 65,530."""


@pytest.fixture(autouse=True, scope="module")
def programs_let_go():
    """Let go of a process's compiled programs before Linux runs out of memory maps for them."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > MAPPED:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(autouse=True)
def figures_closed():
    """No test leaves its figures open for the next."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def getkey():
    """A function that gives a fresh random key at each call, the same every run."""
    return eqxi.GetKey(seed=0)
