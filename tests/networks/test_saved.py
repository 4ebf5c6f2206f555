"""Networks in files: what is loaded is what was saved, and nothing else is taken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlearn as hl
from hamlearn import networks

KEY = jax.random.key(0)
GRAPH = hl.Digraph.complete(3, self_loops=True)
MADE = {
    "rate": hl.RateNetwork(
        GRAPH, inputs=2, outputs=[0, 2], activation=jnp.tanh, key=KEY
    ),
    "diagonal": hl.DiagonalNetwork(4, inputs=2, outputs=1, key=KEY),
    "trace units": networks.TraceUnits(4, inputs=2, nonlinearity=jnp.tanh, key=KEY),
    "voltage": hl.VoltageNetwork(
        hl.Digraph.layered([3, 2]), inputs=2, outputs=2, key=KEY
    ),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("kind", [None, jnp.bfloat16])
def test_what_is_loaded_is_what_was_saved(tmp_path, name, kind):
    net = MADE[name]
    if kind is not None:
        lower = lambda a: a.astype(kind) if a.dtype == jnp.float64 else a
        w, rest = hl.split(net)
        net = hl.join(jax.tree.map(lower, w), rest)
    path = networks.save(net, tmp_path / "net")
    assert path == tmp_path / "net"
    found = networks.load(path)
    assert jax.tree.structure(found) == jax.tree.structure(net)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(net), strict=True):
        assert jnp.asarray(a).dtype == jnp.asarray(b).dtype
        np.testing.assert_array_equal(a, b)
    with np.load(path) as data:  # weights by name, for whoever has NumPy alone
        w = hl.split(net)[0]
        assert w.keys() < set(data.files)
        for key, leaf in w.items():
            np.testing.assert_array_equal(data[key], np.asarray(leaf, data[key].dtype))


def test_what_cannot_be_found_again_is_not_saved(tmp_path):
    net = hl.RateNetwork(GRAPH, outputs=[0], activation=lambda a: a, key=KEY)
    with pytest.raises(ValueError, match=r"`network` must be made of functions .*lamb"):
        networks.save(net, tmp_path / "net.npz")


@pytest.mark.parametrize("text", [b"", b"no file of ours", b"PK\x03\x04 broken"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "net.npz"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"`path` must be a file that `hl\.networks"):
        networks.load(path)
    np.savez(path, weight=np.zeros(3))
    with pytest.raises(ValueError, match=r"`path` must be a file that `hl\.networks"):
        networks.load(path)
    with pytest.raises(FileNotFoundError):
        networks.load(tmp_path / "none.npz")
