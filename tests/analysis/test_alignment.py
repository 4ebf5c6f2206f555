"""Alignment against laws whose agreement is known in closed form."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from every_law import LAWS, jets, suited

import hamlearn as hl
from hamlearn import (
    BPTT,
    RTRL,
    Cost,
    Digraph,
    HamiltonianLearning,
    RateNetwork,
    Sample,
    exact_gradient,
)
from hamlearn.analysis import alignment, directions
from hamlearn.costates import SignFlip
from hamlearn.laws import Instantaneous

DT = 0.02


def chain(key, omega, activation=lambda a: a):
    """Two slow layers of two neurons, one tone in, its phase-shifted copy out."""
    network = RateNetwork(
        Digraph.layered([1, 2, 2]), inputs=1, outputs=2, time_constant=1.0,
        activation=activation, key=key,
    )  # fmt: skip
    steps = round(2 * np.pi / omega / DT)
    t = 2 * np.pi / steps * jnp.arange(13.0 * steps)
    y = jnp.stack([jnp.sin(t), jnp.cos(t)], axis=1)
    return network, Sample(jnp.sin(t)[:, None], y), steps


def rows(law, network, samples, steps, **options):
    table = alignment(
        law, network, samples, dt=DT, skip=12 * steps, window=steps, **options
    )
    return {row["part"]: row for row in table.rows()}


def test_rtrl_is_aligned_in_every_part(getkey):
    network, samples, steps = chain(getkey(), 2.0, jnp.tanh)
    samples = Sample(samples.input + 0.5, samples.target)  # else biases cancel
    found = rows(RTRL(Cost(loss_weight=2.0)), network, samples, steps, biases=True)
    assert set(found) == {
        "weight", "input_weight", "bias", "weight, layer 1", "weight, layer 2", "all",
    }  # fmt: skip
    # A window's exact gradient has its past in it, a sum of estimates too.
    for row in found.values():
        assert abs(row["cosine"] - 1) < 1e-10
        assert abs(row["ratio"] - 1) < 1e-10


def test_truncated_bptt_is_measured_through_its_windows(getkey):
    network, samples, steps = chain(getkey(), 2.0)
    whole = Sample(samples.input[: 2 * steps], samples.target[: 2 * steps])
    law = BPTT(window=2 * steps)
    table = alignment(law, network, whole, dt=DT)
    assert abs(table.rows()[-1]["cosine"] - 1) < 1e-10
    # Windows that end late in the stream, with less past: worse, but not by chance.
    short = alignment(BPTT(window=5), network, whole, dt=DT)
    assert short.rows()[-1]["cosine"] < 0.999


@pytest.mark.parametrize("omega", [0.3, 1.0, 2.0])
def test_phase_of_the_credit_in_a_linear_chain(getkey, omega):
    # At the last layer credit passes one neuron: exact conj(H), instantaneous 1,
    # sign flip H, with H = 1/(1 + i omega). A weight's gradient is Re(credit x pre).
    network, samples, steps = chain(getkey(), omega)
    laws = {
        "inst": (Instantaneous(), lambda H: 1),
        "flip": (HamiltonianLearning(dissipation=0.0), lambda H: H),
    }
    pre, error = tones(network, samples, steps)
    H = 1 / (1 + 1j * omega)
    exact = np.real(np.outer(error * np.conj(H), np.conj(pre)))
    for name, (law, response) in laws.items():
        guess = np.real(np.outer(error * response(H), np.conj(pre)))
        expected = np.sum(exact * guess) / np.linalg.norm(exact) / np.linalg.norm(guess)
        found = rows(law, network, samples, steps)["weight, layer 2"]["cosine"]
        assert abs(found - expected) < 0.03, name


def tones(network, samples, steps):
    """Complex amplitudes, over the last period, of layer 1 and of the error."""
    x, xs = np.zeros(5), []
    W1, W2 = (
        np.asarray(network.weight).reshape(-1)[:2],
        np.asarray(network.weight).reshape(-1)[2:].reshape(2, 2),
    )
    b = float(network.input_weight[0, 0])
    for u in np.asarray(samples.input)[:, 0]:
        xs.append(x)
        drive = np.concatenate([[b * u], W1 * x[0], W2 @ x[1:3]])
        x = x + DT * (drive - x)
    last = np.array(xs)[-steps:]
    wave = np.exp(-2j * np.pi * np.arange(steps) / steps)
    error = last[:, 3:] - np.asarray(samples.target)[-steps:]
    return wave @ last[:, 1:3], wave @ error


def test_the_flipped_costate_gives_what_the_weights_costate_accumulates(getkey):
    # p_w after k held steps of Euler is dt times the sum of the directions.
    network, samples, _ = chain(getkey(), 1.0, jnp.tanh)
    few = Sample(samples.input[:50], samples.target[:50])
    # Weights of this inertia stay where they are.
    law = HamiltonianLearning(Cost(), SignFlip(), inertia=1e12, dissipation=0.0)
    each = directions(law, network, few, dt=DT)
    state, _ = hl.scan(law, law.init(network), few, DT)
    for name, p_w in state.update.items():
        assert np.allclose(DT * each[name].sum(0), p_w, rtol=1e-6, atol=1e-9)


def test_windows_count_only_their_own_losses(getkey):
    network, samples, _ = chain(getkey(), 2.0, jnp.tanh)
    few = Sample(samples.input[:90], samples.target[:90])
    table = alignment(RTRL(), network, few, dt=DT, window=40, skip=10)
    assert "2 windows" in repr(table)
    counted = jnp.zeros(90).at[50:].set(1.0)
    exact = exact_gradient(Cost(), network, few, dt=DT, counted=counted).w
    each = directions(RTRL(), network, few, dt=DT)
    assert np.allclose(each["weight"][50:].sum(0), exact["weight"], rtol=1e-10)
    with pytest.raises(ValueError, match="`window` must be at most"):
        alignment(RTRL(), network, few, dt=DT, window=100)


@pytest.mark.parametrize("name", LAWS)
def test_every_law_has_directions_and_an_alignment(getkey, name):
    law, key = LAWS[name], getkey()
    network, samples = suited(law, key), jets(getkey(), 12, DT)
    each = directions(law, network, samples, dt=DT, key=key)
    w, _ = hl.split(network)
    assert {k: g.shape for k, g in each.items()} == {
        k: (12, *leaf.shape) for k, leaf in w.items()
    }
    table = alignment(law, network, samples, dt=DT, window=6, key=key)
    whole = table.rows()[-1]
    assert whole["part"] == "all"
    assert -1 - 1e-12 <= whole["least"] <= whole["greatest"] <= 1 + 1e-12
    assert whole["ratio"] > 0
    # Alignment adds up what `directions` shows.
    names = [n for n in w if not n.endswith("bias")]
    exact = exact_gradient(
        law.cost, network, samples, dt=DT, counted=jnp.ones(12).at[6:].set(0.0)
    ).w
    g, h = (
        np.concatenate([np.ravel(tree[n]) for n in names])
        for tree in (jax.tree.map(lambda a: a[:6].sum(0), each), exact)
    )
    cosine = g @ h / np.linalg.norm(g) / np.linalg.norm(h)
    assert min(abs(cosine - whole[k]) for k in ("least", "greatest")) < 1e-10


def test_streams_of_a_batch_are_aligned_with_their_mean(getkey):
    network, samples, _ = chain(getkey(), 2.0, jnp.tanh)
    wide = Sample(*(a[:80].reshape(2, 40, -1).swapaxes(0, 1) for a in
                    (samples.input, samples.target)))  # fmt: skip
    table = alignment(RTRL(), hl.Batch(network, 2), wide, dt=DT)
    assert "weight, layer 2" in {row["part"] for row in table.rows()}
    assert abs(table.rows()[-1]["cosine"] - 1) < 1e-10


def test_weights_are_held_whatever_the_update(getkey):
    network, samples, _ = chain(getkey(), 2.0, jnp.tanh)
    few = Sample(samples.input[:30], samples.target[:30])
    updates = (optax.adam(1.0), hl.updates.Inertia(0.01), hl.updates.GradientFlow(9.0))
    laws = [RTRL(update=update) for update in updates]
    one, *others = (directions(law, network, few, dt=DT) for law in laws)
    for other in others:
        assert all(np.array_equal(one[name], other[name]) for name in one)
    flow = RTRL(update=hl.updates.GradientFlow(9.0), solver=dfx.Heun())
    assert alignment(flow, network, few, dt=DT).rows()[-1]["cosine"] > 0.99
