"""One differential equation: the same at any time and in any type, or refused."""

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import hamlearn as hl

from .families import made
from .wrong import refused, taken, tried

FLOW = hl.HamiltonianLearning(dissipation=3.0)


class Wave(eqx.Module):
    """sin(t - since) + channel, in so many channels."""

    since: jnp.ndarray
    channels: int = eqx.field(static=True, default=1)

    def __call__(self, t):
        return jnp.sin(t - self.since) + jnp.arange(self.channels)


def solved(t0=0.0, t1=1.0, *, inputs=1, outputs=1, **options):
    since = jnp.asarray(float(t0))
    signal = hl.Signal(Wave(since, inputs), Wave(since + 0.3, outputs))
    return hl.solve(FLOW, made("own"), signal, t0=t0, t1=t1, **options)


@tried(60)
@given(
    st.sampled_from([0, 1, -3, 1e3, -1e5, 1.7e9]),
    st.sampled_from([int, float, np.float32, np.float64, np.array, jnp.asarray]),
    st.sampled_from([None, "x0", "ts"]),
)
def test_time_has_no_origin(since, kind, more):
    """An equation whose signals move with its start gives the same numbers."""
    t0 = kind(since)
    options = {} if more != "x0" else {"x0": [0, 0, 0]}
    if more == "ts":
        options["saveat"] = dfx.SaveAt(ts=float(t0) + np.linspace(0, 1, 1001))
    found = solved(t0, float(t0) + 1, **options)
    right = solved()
    np.testing.assert_allclose(found.output, right.output, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.times - float(t0), right.times, atol=1e-6)
    taken()


@tried(40)
@given(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, -2.5]))
def test_what_does_not_fit_is_refused(inputs, outputs, since):
    if (inputs, outputs) == (1, 1):
        solved(since, since + 1)
        taken()
        return
    call = lambda: solved(since, since + 1, inputs=inputs, outputs=outputs)
    refused(call, "signal.input", "signal.target")
