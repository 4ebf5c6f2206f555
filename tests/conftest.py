"""Settings of every test: double precision, strict promotion, several CPU devices."""

import equinox.internal as eqxi
import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_num_cpu_devices", 2)


@pytest.fixture
def getkey():
    """A function that gives a fresh random key at each call, the same every run."""
    return eqxi.GetKey(seed=0)
