"""Alignment against frequency: the key rows of the published filters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from hamlearn.analysis import alignment_by_frequency
from hamlearn.costates import Prospective, SignFlipped, Sweeps, Unfiltered

FREQUENCIES = (0.4, 1.0, 2.5)
# Cosines of the first layer's weights, known to two digits from another program.
KNOWN = {
    Prospective: (0.96, 1.00, 0.99),
    Unfiltered: (0.98, 0.54, -0.96),
    SignFlipped: (0.38, -0.96, -0.99),
}


def slow(key):
    lag = np.append(np.full(12, 0.1), 1.0)
    return hl.VoltageNetwork(
        hl.Digraph.layered([6, 6, 1]), inputs=1, linear=[12],
        prospective_time_constant=lag, learn=("weight", "input_weight"), key=key,
    )  # fmt: skip


def law(closure):
    return hl.GLE(closure=closure, schedule=Sweeps())


@pytest.mark.parametrize("closure", KNOWN)
def test_credit_through_two_slow_layers(closure):
    judged, found = law(closure()), {omega: [] for omega in FREQUENCIES}
    for seed in range(4):
        student, teacher = map(slow, jax.random.split(jax.random.key(seed)))
        table = alignment_by_frequency(
            judged, student, lambda phase: jnp.sin(phase)[None], teacher,
            frequencies=FREQUENCIES, steps=800,
        )  # fmt: skip
        for row in table.rows():
            if row["part"] == "input_weight":
                found[row["omega_tau"]].append(row["cosine"])
    for omega, known in zip(FREQUENCIES, KNOWN[closure], strict=True):
        mean = np.mean(found[omega])
        if abs(known) > 0.9:
            assert round(abs(mean - known), 2) <= 0.05, (omega, mean)
        else:
            assert np.sign(mean) == np.sign(known), (omega, mean)


def test_one_neuron_is_its_filter(getkey):
    """u' = (w sin t - u)/tau: credit of the sign flip is H where the exact is conj H."""
    network = hl.RateNetwork(
        hl.Digraph.layered([1, 1]), inputs=1, activation=lambda a: a,
        time_constant=2.0, learn=("weight",), key=getkey(),
    )  # fmt: skip
    flip = hl.HamiltonianLearning(dissipation=0.0)
    table = alignment_by_frequency(
        flip, network, lambda phase: jnp.sin(phase)[None],
        lambda phase: jnp.cos(phase - 0.3)[None],
        frequencies=(0.5, 1.5), time_constant=2.0, steps=4000, transient=12.0,
    )  # fmt: skip
    b, w = float(network.input_weight[0, 0]), float(network.weight[0, 0])
    for row in table.rows():
        if row["part"] != "weight":
            continue
        H = 1 / (1 + 1j * row["omega_tau"])
        pre = -1j * b * H  # sin is Re(-i e^{it})
        error = w * H * pre - np.exp(-0.3j)
        exact, flipped = (np.real(error * c * np.conj(pre)) for c in (np.conj(H), H))
        assert row["cosine"] == pytest.approx(np.sign(exact * flipped))
        assert row["ratio"] == pytest.approx(abs(flipped / exact), rel=0.02)


def test_bad_arguments_are_named(getkey):
    network = slow(getkey())
    given = law(Prospective()), network, jnp.sin, network
    with pytest.raises(ValueError, match=r"`frequencies` must be positive, but is 0"):
        alignment_by_frequency(*given, frequencies=(0.0,))
