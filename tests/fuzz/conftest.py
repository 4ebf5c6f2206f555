"""Inputs as users give them: nothing is checked at a call but by the package itself."""

from pathlib import Path

import jax
import jaxtyping
import pytest

from .wrong import TRIED

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Equinox's own word about numbers of NumPy in static fields is not ours."""
    quiet = pytest.mark.filterwarnings("ignore:A JAX array is being set as static")
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(quiet)


def pytest_terminal_summary(terminalreporter):
    """How many inputs there were."""
    if TRIED:
        counts = ", ".join(f"{count} {kind}" for kind, count in TRIED.items())
        terminalreporter.write_line(f"inputs: {counts}")


@pytest.fixture(autouse=True, scope="package")
def as_users_have_it():
    """No run-time type checker stands before the package's own words."""
    jaxtyping.config.update("jaxtyping_disable", True)
    jax.config.update("jax_numpy_dtype_promotion", "standard")
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
    jax.config.update("jax_numpy_dtype_promotion", "strict")
