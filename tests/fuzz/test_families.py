"""Samples for networks of every family: refused, or answered as a plain loop answers."""

from functools import cache

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hamlearn as hl

from . import wrong
from .families import BPTT, LAWS, MAKE, made
from .streams import DT, STEPS, signals
from .test_samples import bad_arrays, representations
from .wrong import refused, taken, tried


def law_of(family):
    """One under which the network runs by its own transition; GLE has another."""
    return BPTT if family == "prospective" else next(iter(LAWS[family].values()))


@cache
def answers(family):
    """Outputs with the weights held, one step after the other in Python."""
    net, x, found = made(family), made(family).initial_state(), []
    for u in jnp.asarray(signals()[0]):
        found.append(net.readout(x, u))
        x = net.transition(x, u, DT)
    return np.stack(found)


def held(family, samples, **options):
    options = {"dt": DT, "learn": False, "progress": False} | options
    return hl.stream(law_of(family), made(family), samples, **options)


@pytest.mark.parametrize("family", MAKE)
def test_unusual_samples_are_answered_as_by_a_plain_loop(family):
    @tried(25)
    @given(representations(), st.sampled_from([None, 4]))
    def each(samples, chunk):
        found = held(family, samples, chunk=chunk)
        np.testing.assert_allclose(found.output, answers(family), rtol=1e-9, atol=1e-12)
        taken()

    each()


@pytest.mark.parametrize("family", MAKE)
def test_malformed_samples_are_refused(family):
    @tried(12)
    @given(st.sampled_from(["input", "target"]), bad_arrays((STEPS, 1)))
    def each(name, value):
        u, y = signals()
        parts = {"input": u, "target": y} | {name: value}
        refused(lambda: held(family, hl.Sample(**parts)), "samples")

    each()


@pytest.mark.parametrize("family", MAKE)
def test_a_wrong_start_is_refused(family):
    @tried(6)
    @given(
        st.sampled_from([np.zeros(4), np.zeros((3, 1)), np.zeros(0), "ab", {"x": 1.0}])
        | wrong.NOT_FINITE
        | wrong.COMPLEX
    )
    def each(x0):
        refused(lambda: held(family, signals(), x0=x0), "x0")

    each()


@pytest.mark.parametrize("family", MAKE)
def test_what_is_not_of_its_size_is_refused(family):
    for inputs, outputs in ((0, 1), (2, 1), (1, 0), (1, 2), (1, 3)):
        samples = signals(inputs, outputs)
        refused(lambda s=samples: held(family, s), "samples.input", "samples.target")
        for memory in (None, hl.costates.Stored()):
            call = lambda s=samples, m=memory: hl.exact_gradient(
                hl.Cost(),
                made(family),
                s,
                dt=DT,
                **({} if m is None else {"memory": m}),
            )
            refused(call, "samples.input", "samples.target")
