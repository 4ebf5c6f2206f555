"""MNIST-1D: the data, the network, and a training that can be interrupted."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from mnist1d.data import get_dataset_args, make_dataset

import hamlearn as hl
from hamlearn.papers import mnist1d as module
from hamlearn.papers._mnist1d_net import network


def test_data_are_those_of_the_package_and_leave_no_trace():
    np.random.seed(5)  # noqa: NPY002
    wanted = np.random.uniform(size=3)  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    digits = hl.tasks.MNIST1D(number=100, points=40).data()
    np.testing.assert_array_equal(np.random.uniform(size=3), wanted)  # noqa: NPY002
    args = get_dataset_args()
    args.num_samples = 100
    data = make_dataset(args)
    np.testing.assert_array_equal(digits.train, data["x"])
    np.testing.assert_array_equal(digits.test_labels, data["y_test"])
    assert digits.train.shape == (80, 40)


def test_network_has_the_published_size():
    net = network(jax.random.key(0))
    arrays = net.weight, net.input_weight, net.bias
    assert sum(array.size for array in arrays) == 14_956
    slow = np.asarray(net.tau_m[:53] > net.tau_r[:53])
    assert slow.sum() == 36
    assert np.abs(net.weight[:53]).max() <= 53**-0.5


def test_every_hundred_holds_the_classes_evenly():
    labels = np.random.default_rng(0).integers(0, 10, 4000)
    order = module.balanced(labels, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(order), np.arange(4000))
    counts = [
        np.bincount(part, minlength=10) for part in labels[order].reshape(40, 100)
    ]
    share = np.bincount(labels, minlength=10) / 40
    assert np.abs(counts - share).max() < 2
    other = module.balanced(labels, np.random.default_rng(2))
    assert np.mean(order == other) < 0.01


def test_streams_hold_digits_and_their_labels():
    digits = hl.tasks.MNIST1D(number=250, points=module.STEPS).data()
    x, labels = module._streams(digits, np.arange(200))
    assert x.shape == labels.shape == (720, 100)
    np.testing.assert_allclose(x[360, 25], digits.train[125, 0], rtol=1e-6)
    assert labels[360, 25] == digits.train_labels[125]
    assert labels[359, 25] == digits.train_labels[25]


def test_running_mean_is_that_of_a_loop():
    update = hl.updates.Optax(optax.sgd, learning_rate=0.1)
    law = hl.RTRL(update=module.Averaged(update, 0.25))
    net = hl.RateNetwork(hl.Digraph(2, [0], [1]), key=jax.random.key(0))
    start, samples = law.init(net), (jnp.zeros((9, 0)), jnp.ones((9, 1)))
    record = lambda state, sample, info: state.w["bias"]
    end, w = hl.scan(law, start, samples, 0.1, record)
    plain = hl.RTRL(update=update)
    plain, _ = hl.scan(plain, plain.init(net), samples, 0.1)
    np.testing.assert_array_equal(end.w["bias"], plain.w["bias"])
    mean = np.asarray(start.w["bias"])
    for now in np.asarray(w):
        mean = mean + 0.25 * (now - mean)
    np.testing.assert_allclose(end.update[1]["bias"], mean, rtol=1e-13)
    assert np.abs(mean - w[-1]).max() > 1e-4


def test_training_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    whole = module.train(tmp_path / "a", epochs=2, number=130, progress=False)
    save = module._keep

    def interrupted(*args):
        save(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        module.train(tmp_path / "b", epochs=2, number=130, progress=False)
    monkeypatch.setattr(module, "_keep", save)
    rows = module.train(tmp_path / "b", epochs=2, number=130, progress=False)
    for one, two in zip(whole, rows, strict=True):
        assert {**one, "seconds": 0} == {**two, "seconds": 0}
    one, two = ((tmp_path / name / "mnist1d.eqx").read_bytes() for name in "ab")
    assert one == two
    assert len(json.loads((tmp_path / "b" / "mnist1d.json").read_text())["epochs"]) == 2
