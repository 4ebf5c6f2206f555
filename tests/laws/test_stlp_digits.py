"""A real data set, online: handwritten digits as a smooth stream."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits
from stlp_twin import forward

import hamlearn as hl
from hamlearn.mechanics import Projection

HIDDEN, STEPS, DT, RATE, EPOCHS = 32, 6, 0.05, 0.1, 2


def digits():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images, labels = images[order] / 16, labels[order]
    return images, np.eye(10)[labels], labels


def accuracy(network, images, labels):
    outputs = jax.vmap(lambda u: forward(network, u, 2)[-10:])(jnp.asarray(images))
    return float(np.mean(np.argmax(np.asarray(outputs), axis=1) == labels))


def descended(network, images, targets):
    """Plain online gradient descent, one presentation a step."""
    moving, still = eqx.partition(network, network.trainable())

    def loss(moving, u, y):
        return jnp.sum((forward(eqx.combine(moving, still), u, 2)[-10:] - y) ** 2) / 2

    def step(moving, sample):
        slope = jax.grad(loss)(moving, *sample)
        return jax.tree.map(lambda w, g: w - RATE * g, moving, slope), None

    pairs = (jnp.asarray(images), jnp.asarray(targets))
    moving, _ = jax.jit(lambda m: jax.lax.scan(step, m, pairs))(moving)
    return eqx.combine(moving, still)


@pytest.mark.slow
def test_digits_as_a_smooth_stream():
    """Within 2 points of gradient descent at the same rate, tau/(m_w theta)."""
    images, targets, labels = digits()
    network = hl.RateNetwork(
        hl.Digraph.layered([HIDDEN, 10]), inputs=64, outputs=10, key=jax.random.key(0)
    )
    shown = np.tile(np.arange(1400), EPOCHS)
    theta = 300.0
    inertia = STEPS * DT / RATE / theta
    law = hl.STLP(
        inertia=inertia, dissipation=theta, neuron_mass=1e-4 * inertia,
        stabilisation=Projection(3),
    )  # fmt: skip
    samples = hl.signals.mollify(images[shown], targets[shown], steps=STEPS, dt=DT)
    result = hl.stream(law, network, samples, dt=DT, progress=False, record_every=STEPS)
    reference = descended(network, images[shown], targets[shown])
    ours = accuracy(result.network, images[1400:], labels[1400:])
    theirs = accuracy(reference, images[1400:], labels[1400:])
    assert theirs > 0.85
    assert abs(ours - theirs) <= 0.02, (ours, theirs)
    assert result.info["residual"].max() < 1e-3
