"""The card of a result: the law by its title, times only where they were measured."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl
from hamlearn.run.card import law_text, pace
from hamlearn.run.tables import bytes_text, pace_text

NETWORK = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=jax.random.key(0))
SAMPLES = jnp.zeros((60, 0)), jnp.ones((60, 1))


def rows(result):
    return dict(line.split(maxsplit=1) for line in repr(result).splitlines())


def test_law_is_shown_by_title_with_its_settings():
    update = hl.updates.Optax(optax.adam, learning_rate=1e-3)
    text = law_text(hl.BPTT(hl.Cost(loss_weight=2.0), update, window=4))
    assert text.startswith("BPTT(cost=Cost(loss_weight=2, ")
    for part in ("loss=squared_error", "credit=Adjoint(window=4, overlap=0",
                 "update=Optax(factory=adam, learning_rate=0.001)"):  # fmt: skip
        assert part in text
    own = hl.Cost(loss=lambda y, target: jnp.sum((y - target) ** 2))
    assert "lambda" not in law_text(hl.RTRL(own))


def test_time_of_one_chunk_is_not_that_of_a_sample():
    result = hl.stream(hl.RTRL(), NETWORK, SAMPLES, dt=0.1, progress=False)
    assert result.us_per_sample is None
    card = rows(result)
    assert card["speed"].startswith("not measured (")
    assert card["speed"].endswith("in all, few chunks, compiling included)")
    assert card["state"] == bytes_text(result.state_bytes)
    options = {"dt": 0.1, "chunk": 10, "learn": False, "progress": False}
    result = hl.stream(hl.RTRL(), NETWORK, SAMPLES, **options)
    card = rows(result)
    assert card["speed"] == pace_text(result.us_per_sample)
    assert card["law"].startswith("RTRL, weights held(cost=")


def test_a_solve_compiles_too():
    law = hl.HamiltonianLearning()
    signal = hl.Signal(None, lambda t: 0.5 + 0 * t)
    result = hl.solve(law, NETWORK, signal, t0=0.0, t1=1.0)
    card = rows(result)
    assert result.us_per_sample is None
    assert card["speed"].endswith("in all, compiling included)")
    assert card["samples"] == f"{result.samples} solver steps"


# Seconds of chunks of so many samples, and µs per sample of what is left.
PACES = {
    "one": ([(10, 5.0)], None),
    "too few to tell": ([(10, 5.0), (10, 2.0), (10, 2.0)], None),
    "rest compiles": ([(10, 5.0), (10, 2.0), (10, 9.0), (5, 0.1)], 2e5),
    "second waits": ([(10, k) for k in (5.0, 9.0, 3.0, 1.0, 2.0, 4.0)], 2e5),
    "rest of many": ([(10, 5.0), (10, 4.0), (10, 3.0), (10, 9.0), (5, 1.0)], 4e5),
    "short at first": ([(1, 5.0), (1, 3.0), (4, 1.0), (16, 1.6), (10, 0.0)], 1e5),
}


@pytest.mark.parametrize("name", PACES)
def test_pace_leaves_out_what_compiles(name):
    chunks, wanted = PACES[name]
    clock = np.concatenate([np.zeros((1, 2)), np.cumsum(chunks, axis=0)])
    found = pace([(int(samples), seconds) for samples, seconds in clock])
    assert found == (None if wanted is None else pytest.approx(wanted))
