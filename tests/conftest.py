"""Settings of every test: double precision, strict promotion, several CPU devices."""

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


@pytest.fixture
def getkey():
    """A function that gives a fresh random key at each call, the same every run."""
    return eqxi.GetKey(seed=0)
