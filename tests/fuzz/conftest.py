"""Inputs as users give them: nothing is checked at a call but by the package itself."""

from pathlib import Path

import jax
import jaxtyping
import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Equinox's own word about numbers of NumPy in static fields is not ours."""
    quiet = pytest.mark.filterwarnings("ignore:A JAX array is being set as static")
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(quiet)


@pytest.fixture(autouse=True, scope="package")
def as_users_have_it():
    """No run-time type checker stands before the package's own words."""
    jaxtyping.config.update("jaxtyping_disable", True)
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
    jax.config.update("jax_numpy_dtype_promotion", "strict")
