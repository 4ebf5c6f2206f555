"""The order in which a step writes what it changes: no number depends on it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlearn.laws.base import Carried, State
from hamlearn.run.order import in_turn


def state(key, *, x=1.0):
    """Small and large leaves, counters, keys and two precisions."""
    large = lambda k: jax.random.normal(jax.random.fold_in(key, k), (70, 70))
    memory = (large(0), jnp.arange(3), jnp.ones(2, jnp.float32))
    update = {"w": large(1).astype(jnp.float32), "count": jnp.zeros((), jnp.int32)}
    carried = Carried(memory, None, jax.random.key(0))
    return State(jnp.full(3, x), {"w": large(2)}, carried, update, None)


@pytest.mark.parametrize("x", [1.0, 0.0, -0.0, np.inf, np.nan])
def test_in_turn_changes_no_number(x):
    """Whatever the bits of what comes before are, what is new is taken."""
    new, old = state(jax.random.key(1), x=x), state(jax.random.key(2))
    found = jax.jit(in_turn)(new, old)
    assert jax.tree.structure(found) == jax.tree.structure(new)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(new), strict=True):
        assert a.dtype == b.dtype
        if not jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            np.testing.assert_array_equal(a, b)
