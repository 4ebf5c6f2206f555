"""Optimizers of optax that are more than a gradient: right, or refused by name."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import hamlearn as hl

KEY = jax.random.key(0)
DT = 0.1


def network():
    graph = hl.Digraph.complete(3, self_loops=True)
    return hl.RateNetwork(graph, inputs=1, learn=("weight",), key=KEY)


def wave(count=9):
    t = np.arange(count)[:, None]
    return np.sin(t), 0.5 * np.cos(0.7 * t)


def weights(update, samples, law=hl.RTRL):
    """After every sample, from the start."""
    law, net = law(update=update), network()
    keep = lambda state, sample, info: (state.w["weight"], info.loss)
    _, (w, losses) = hl.scan(law, law.init(net), samples, DT, keep)
    return np.concatenate([net.weight[None], w]), np.asarray(losses)


def gradients(samples):
    """Of every sample, with the weights held."""
    law = hl.RTRL()
    state, found = law.init(network()), []
    for u, y in zip(*map(jnp.asarray, samples), strict=True):
        g, state, _ = law.estimate(state, hl.Sample(u, y), jnp.asarray(DT))
        found.append(g["weight"])
    return np.stack(found)


def test_several_steps_move_weights_once_by_the_mean_gradient():
    several = optax.MultiSteps(optax.sgd(0.1), 3)
    w, _ = weights(several, wave())
    np.testing.assert_array_equal(w[1], w[0])
    np.testing.assert_array_equal(w[2], w[0])
    mean = gradients(wave())[:3].mean(axis=0)
    np.testing.assert_allclose(w[3], w[0] - 0.1 * mean, rtol=1e-12)
    np.testing.assert_array_equal(w[5], w[3])
    assert np.all(w[6] != w[3])
    same, _ = weights(several.gradient_transformation(), wave())
    np.testing.assert_array_equal(same, w)


def test_one_that_needs_the_loss_has_that_of_the_sample():
    """Polyak's step is loss/|g|^2."""
    samples = wave(5)
    w, losses = weights(optax.polyak_sgd(max_learning_rate=1e9), samples)
    first = jax.tree.map(lambda leaf: leaf[:4], samples)
    g = gradients(first)[3]  # at rest weights change nothing
    np.testing.assert_array_equal(w[3], w[0])
    step = losses[3] / np.sum(g**2)
    np.testing.assert_allclose(w[4], w[0] - step * g, rtol=1e-9)


def test_one_that_watches_the_loss_lowers_its_rate():
    """Once the loss has not become less for two samples, steps are half as long."""
    watch = optax.contrib.reduce_on_plateau(factor=0.5, patience=2)
    u = np.zeros((9, 1))
    samples = u, 1 + 0.1 * np.arange(9.0)[:, None]  # the loss grows
    law = hl.RTRL(update=optax.chain(optax.sgd(1e-6), watch))
    state, _ = hl.scan(law, law.init(network()), samples, DT)
    assert float(state.update[1].scale) < 1


@pytest.mark.parametrize(
    ("update", "says"),
    [
        (optax.lbfgs(), "also asks for"),
        (optax.partition({"a": optax.sgd(0.1)}, {"bias": "a"}), "one that cannot take"),
        (optax.sgd, "an optimizer of optax, but is"),
        (0.1, "an optimizer of optax, but is 0.1"),
    ],
)
def test_what_cannot_be_given_is_refused_by_name(update, says):
    with pytest.raises(ValueError, match=f"`update` must be .*{says}"):
        weights(update, wave())
